"""Costs of one operation in a kit: area of a lane that does one per cycle, energy, leakage.

Integer operations are those of the catalogue's units. Floating-point ones are not in the catalogue:
their costs are published energies of their arithmetic, scaled to the kit's node and supply.
"""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.accelerator.accelerator import SystolicArrays
from consilico.sim.accelerator.unit_prices import PricedKit, PriceList, UnitPrice
from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import ZERO, Interval, exactly

__all__ = ["MACRO_BITS", "MACRO_WORDS", "OperationCost", "OperationCosts", "SramCost", "sram_cost"]

_LANES = {  # operations of units with lanes
    "training/weight_update": "weight update",
    "training/blockwise_quantize": "state quantization",
    "training/blockwise_dequantize": "state dequantization",
    "training/stochastic_round": "stochastic rounding",
    "matmul/quantize": "value quantization",
    "matmul/requant": "requantization",
}


@dataclass(frozen=True, kw_only=True)
class OperationCost:
    """Cost of one operation in a kit, on the unit that does it."""

    energy_pj: Interval
    area_um2: Interval  # of a lane that does one per cycle
    leakage_w: Interval  # of that lane
    registers: float
    basis: str
    source: str

    def to_json(self) -> dict[str, Any]:
        """Return the cost as JSON-ready data, under the keys that commands print."""
        return {
            "energy_pj": self.energy_pj.to_json(),
            "area_um2": self.area_um2.to_json(),
            "leakage_w": self.leakage_w.to_json(),
            "basis": self.basis,
            "source": self.source,
        }


class OperationCosts:
    """Costs by operation, for arrays of a given size."""

    def __init__(self, units: PriceList, array: SystolicArrays) -> None:
        """Price every operation.

        Args:
            units: Prices of the units that do the operations.
            array: The arrays whose cells are priced.
        """
        kit = units.kit
        edge = (array.rows + array.columns) / (array.rows * array.columns)
        self._costs = {
            "int8 MAC": _cell(units, "matmul/systolic", edge, w="int8"),
            "int4 MAC": _cell(units, "matmul/systolic", edge, w="int4"),
            "projection MAC": _cell(units, "training/project", 2 / 8),
        }
        for price in units.units:
            if price.unit in _LANES:
                self._costs[_LANES[price.unit]] = _lane(price)
        int8 = self._costs["int8 MAC"]
        self._costs |= {
            "bf16 MAC": _float_mac(kit, int8, ("fp16_multiply", "fp16_add"), "fp32_add"),
            "float32 MAC": _float_mac(kit, int8, ("fp32_multiply", "fp32_add"), "fp32_add"),
            "float operation": _float_operation(kit, int8),
        }
        self.slowest = max(units.units, key=lambda price: price.path_ns.value)

    def __getitem__(self, operation: str) -> OperationCost:
        """Return the cost of an operation, by its name."""
        return self._costs[operation]


def _cell(units: PriceList, unit: str, edge: float, **config: Any) -> OperationCost:
    """Return the cost of a cell of an array of any size, from square ones of two sizes.

    Area and energy per MAC are ``a + b (rows + columns) / (rows columns)``: a cell, and its share
    of what is along the edges. ``low`` is ``a`` alone, ``high`` the larger array as measured.

    Args:
        units: Prices of the units.
        unit: Name of the array's unit.
        edge: ``(rows + columns) / (rows columns)`` of the array that is asked for.
        config: Settings that tell the arrays of one unit apart.
    """
    small, large = sorted(
        (p for p in units.units if p.unit == unit and config.items() <= p.config.items()),
        key=lambda p: int(p.config["rows"]),
    )
    edges = [2 / int(price.config["rows"]) for price in (small, large)]

    def at(pick: Callable[[UnitPrice], Interval]) -> Interval:
        """Carry a quantity of the two arrays to the size that is asked for."""
        first, second = pick(small), pick(large)

        def line(x: float, at_small: float, at_large: float) -> float:
            """Return the straight line through both sizes at ``x``, but nothing negative."""
            slope = (at_small - at_large) / (edges[0] - edges[1])
            return max(at_large + slope * (x - edges[1]), 0.0)

        value = line(edge, first.value, second.value)
        bounds = (
            line(0.0, first.low, second.low), line(0.0, first.value, second.value), value,
            second.high,
        )  # fmt: skip
        return Interval(value, min(bounds), max(bounds))

    cells = {id(price): int(price.config["rows"]) ** 2 for price in (small, large)}
    return OperationCost(
        energy_pj=at(lambda price: price.energy_pj),
        area_um2=at(lambda price: price.area_um2 / cells[id(price)]),
        leakage_w=at(lambda price: price.leakage_w / cells[id(price)]),
        registers=large.registers,
        basis="calibrated" if large.basis == "measured" else large.basis,
        source=f"{unit} of {small.config['rows']} x {small.config['rows']} and"
        f" {large.config['rows']} x {large.config['rows']} cells, {large.how}, carried to size",
    )


def _lane(price: UnitPrice) -> OperationCost:
    """Return the cost of a lane of a unit that has several."""
    return OperationCost(
        energy_pj=price.energy_pj,
        area_um2=price.area_um2 / price.operations_per_cycle,
        leakage_w=price.leakage_w / price.operations_per_cycle,
        registers=price.registers,
        basis=price.basis,
        source=f"{price.unit}, {price.how}",
    )


@dataclass(frozen=True, kw_only=True)
class _PublishedArithmetic(Facts):
    """The content of ``arithmetic.toml``: figures of arithmetic alone, by its name."""

    source: str  # citation
    node_nm: float
    voltage_v: float
    energy_pj: dict[str, float]
    area_um2: dict[str, float]


@cache
def _arithmetic() -> _PublishedArithmetic:
    text = Path(__file__).with_name("arithmetic.toml").read_text()
    return _PublishedArithmetic.from_json(tomllib.loads(text))


def _scaled(kit: PricedKit, quantity: str, names: Sequence[str]) -> float:
    """Return the sum of published figures, at the kit's node (Stillmaker and Baas 2017)."""
    from consilico.sim.estimate.nodes.scaling import scaling_factor, technology

    data = _arithmetic()
    known = technology(f"{data.node_nm:g}nm", data.voltage_v)
    asked = technology(f"{kit.node_nm:g}nm", kit.voltage_v)
    factor = scaling_factor("area" if quantity == "area_um2" else "energy", known, asked)
    figures = data.area_um2 if quantity == "area_um2" else data.energy_pj
    return float(sum(figures[name] for name in names) * factor.value)


def _float_mac(
    kit: PricedKit, int8: OperationCost, plain: tuple[str, str], accumulate: str
) -> OperationCost:
    """Return the cost of a cell that multiplies floats: the INT8 cell with other arithmetic.

    ``low`` is the published arithmetic alone, ``high`` the INT8 cell times the ratio of the
    published arithmetic, ``value`` the INT8 cell with its arithmetic exchanged.

    Args:
        kit: Where the cell is made.
        int8: Cost of the INT8 cell.
        plain: Names of the arithmetic that the published figures have for it.
        accumulate: Name of the addition that accumulates.
    """
    integer, wide = ("int8_multiply", "int32_add"), (plain[0], accumulate)

    def exchanged(quantity: str, cell: Interval) -> Interval:
        """Exchange the arithmetic of the INT8 cell in one quantity."""
        own, other = _scaled(kit, quantity, integer), _scaled(kit, quantity, wide)
        value = cell.value + max(other - own, 0.0)
        low = min(_scaled(kit, quantity, plain), value)
        return Interval(value, low, max(cell.high * other / own, value))

    area, energy = exchanged("area_um2", int8.area_um2), exchanged("energy_pj", int8.energy_pj)
    return OperationCost(
        energy_pj=energy,
        area_um2=area,
        leakage_w=int8.leakage_w * (area / int8.area_um2.value),
        registers=int8.registers * int8.energy_pj.value / energy.value,
        basis="estimated",
        source=f"{_arithmetic().source}; in place of the INT8 arithmetic of our cell",
    )


def _float_operation(kit: PricedKit, int8: OperationCost) -> OperationCost:
    """Return the cost of a float32 operation of a vector lane, between addition and product."""
    add, multiply = (_scaled(kit, "energy_pj", [f"fp32_{name}"]) for name in ("add", "multiply"))
    area = exactly(_scaled(kit, "area_um2", ["fp32_add", "fp32_multiply"]))
    return OperationCost(
        energy_pj=Interval((add + multiply) / 2, add, multiply),
        area_um2=area,
        leakage_w=int8.leakage_w * (area / int8.area_um2.value) if area.value else ZERO,
        registers=0.0,
        basis="estimated",
        source=f"{_arithmetic().source}; registers not counted",
    )


MACRO_WORDS, MACRO_BITS = 4096, 64  # 32 KiB; wires between macros are not counted


@dataclass(frozen=True, kw_only=True)
class SramCost:
    """Cost of an SRAM of macros of one size; wires between macros are not counted."""

    area_um2: Interval
    read_pj_per_bit: Interval
    write_pj_per_bit: Interval
    leakage_w: Interval
    macros: int
    basis: str
    source: str


@cache
def sram_cost(size_bytes: int, kit: str) -> SramCost:
    """Return the cost of an SRAM of so many bytes, rounded up to whole macros.

    Raises:
        UserError: If the kit is unknown.
    """
    from consilico.sim.estimate.memories.cost import buffer_cost

    found = buffer_cost(MACRO_WORDS, MACRO_BITS, "sram", kit)
    macros = -(-size_bytes * 8 // (MACRO_WORDS * MACRO_BITS))
    return SramCost(
        area_um2=found.area_um2 * macros,
        read_pj_per_bit=found.read_pj / MACRO_BITS,
        write_pj_per_bit=found.write_pj / MACRO_BITS,
        leakage_w=found.leakage_w * macros,
        macros=macros,
        basis=found.basis,
        source=found.source,
    )
