"""What one operation costs in a kit: area of a lane that does one a cycle, energy, leakage.

Integer operations are those of the catalogue's units. Floating-point ones are not in the catalogue:
published energies of their arithmetic, scaled to the kit's node and supply.
"""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.accelerator.parts import Kit, Part
from consilico.sim.base.interval import ZERO, Interval, exactly

__all__ = ["Cost", "OperationCosts"]

_LANES = {  # operations of units with lanes
    "training/weight_update": "weight update",
    "training/blockwise_quantize": "state quantization",
    "training/blockwise_dequantize": "state dequantization",
    "training/stochastic_round": "stochastic rounding",
    "matmul/quantize": "value quantization",
    "matmul/requant": "requantization",
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one operation."""

    energy_pj: Interval
    area_um2: Interval  # of a lane that does one a cycle
    leakage_w: Interval  # of that lane
    registers: float
    basis: str
    source: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "energy_pj": self.energy_pj.to_json(),
            "area_um2": self.area_um2.to_json(),
            "leakage_w": self.leakage_w.to_json(),
            "basis": self.basis,
            "source": self.source,
        }


class OperationCosts:
    """Costs by operation for an array of a given size."""

    def __init__(self, kit: Kit, parts: Sequence[Part], rows: int, columns: int) -> None:
        """Price every operation.

        Args:
            kit: Of the parts.
            parts: The units in :data:`consilico.sim.accelerator.measure.UNITS`.
            rows: Of the array whose cells are priced.
            columns: Of it.
        """
        self.kit = kit
        edge = (rows + columns) / (rows * columns)
        self._costs = {
            "int8 MAC": _cell(parts, "matmul/systolic", edge, w="int8"),
            "int4 MAC": _cell(parts, "matmul/systolic", edge, w="int4"),
            "projection MAC": _cell(parts, "training/project", 2 / 8),
        }
        for part in parts:
            if part.unit in _LANES:
                self._costs[_LANES[part.unit]] = _lane(part)
        int8 = self._costs["int8 MAC"]
        self._costs |= {
            "bf16 MAC": _float_mac(kit, int8, ("fp16_multiply", "fp16_add"), "fp32_add"),
            "float32 MAC": _float_mac(kit, int8, ("fp32_multiply", "fp32_add"), "fp32_add"),
            "float operation": _float_operation(kit, int8),
        }
        self.path_ns = max((part.path_ns.value, part.unit) for part in parts)

    def __getitem__(self, operation: str) -> Cost:
        """The cost of an operation, by its name."""
        return self._costs[operation]

    def to_json(self) -> dict[str, Any]:
        """Plain data, by operation."""
        return {name: cost.to_json() for name, cost in self._costs.items()}


def _cell(parts: Sequence[Part], unit: str, edge: float, **config: Any) -> Cost:
    """A cell of an array of any size, from square ones of two sizes.

    Area and energy a MAC are ``a + b (rows + columns) / (rows columns)``: a cell, and its share of
    what stands along the edges. ``low`` is ``a`` alone, ``high`` the larger array as measured.
    """
    small, large = sorted(
        (p for p in parts if p.unit == unit and config.items() <= p.config.items()),
        key=lambda p: int(p.config["rows"]),
    )
    edges = [2 / int(part.config["rows"]) for part in (small, large)]

    def at(pick: Callable[[Part], Interval]) -> Interval:
        first, second = pick(small), pick(large)

        def line(x: float, at_small: float, at_large: float) -> float:
            slope = (at_small - at_large) / (edges[0] - edges[1])
            return max(at_large + slope * (x - edges[1]), 0.0)

        value = line(edge, first.value, second.value)
        bounds = (
            line(0.0, first.low, second.low), line(0.0, first.value, second.value), value,
            second.high,
        )  # fmt: skip
        return Interval(value, min(bounds), max(bounds))

    cells = {id(part): int(part.config["rows"]) ** 2 for part in (small, large)}
    return Cost(
        energy_pj=at(lambda part: part.energy_pj),
        area_um2=at(lambda part: part.area_um2 / cells[id(part)]),
        leakage_w=at(lambda part: part.leakage_w / cells[id(part)]),
        registers=large.registers,
        basis="calibrated" if large.basis == "measured" else large.basis,
        source=f"{unit} of {small.config['rows']} x {small.config['rows']} and"
        f" {large.config['rows']} x {large.config['rows']} cells, {large.basis}, carried to size",
    )


def _lane(part: Part) -> Cost:
    return Cost(
        energy_pj=part.energy_pj,
        area_um2=part.area_um2 / part.operations_a_cycle,
        leakage_w=part.leakage_w / part.operations_a_cycle,
        registers=part.registers,
        basis=part.basis,
        source=f"{part.unit}, {part.basis}",
    )


@cache
def _arithmetic() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("arithmetic.toml").read_text())


def _scaled(kit: Kit, quantity: str, names: Sequence[str]) -> float:
    """Sum of published figures, at the kit's node and supply (Stillmaker and Baas 2017)."""
    from consilico.sim.estimate.nodes.scaling import scaling_factor, technology

    data = _arithmetic()
    known = technology(f"{data['node_nm']}nm", data["voltage_v"])
    asked = technology(f"{kit.node_nm:g}nm", kit.voltage_v)
    factor = scaling_factor("area" if quantity == "area_um2" else "energy", known, asked)
    return float(sum(data[quantity][name] for name in names) * factor.value)


def _float_mac(kit: Kit, int8: Cost, plain: tuple[str, str], accumulate: str) -> Cost:
    """A cell that multiplies floats: the INT8 cell with other arithmetic.

    ``low`` is the published arithmetic alone, ``high`` the INT8 cell times the ratio of the
    published arithmetic, ``value`` the INT8 cell with its arithmetic exchanged.
    """
    integer, wide = ("int8_multiply", "int32_add"), (plain[0], accumulate)

    def exchanged(quantity: str, cell: Interval) -> Interval:
        own, other = _scaled(kit, quantity, integer), _scaled(kit, quantity, wide)
        value = cell.value + max(other - own, 0.0)
        low = min(_scaled(kit, quantity, plain), value)
        return Interval(value, low, max(cell.high * other / own, value))

    area, energy = exchanged("area_um2", int8.area_um2), exchanged("energy_pj", int8.energy_pj)
    return Cost(
        energy_pj=energy,
        area_um2=area,
        leakage_w=int8.leakage_w * (area / int8.area_um2.value),
        registers=int8.registers * int8.energy_pj.value / energy.value,
        basis="estimated",
        source=f"{_arithmetic()['source']}; in place of the INT8 arithmetic of our cell",
    )


def _float_operation(kit: Kit, int8: Cost) -> Cost:
    """A float32 operation of a vector lane: between an addition and a multiplication."""
    add, multiply = (_scaled(kit, "energy_pj", [f"fp32_{name}"]) for name in ("add", "multiply"))
    area = exactly(_scaled(kit, "area_um2", ["fp32_add", "fp32_multiply"]))
    return Cost(
        energy_pj=Interval((add + multiply) / 2, add, multiply),
        area_um2=area,
        leakage_w=int8.leakage_w * (area / int8.area_um2.value) if area.value else ZERO,
        registers=0.0,
        basis="estimated",
        source=f"{_arithmetic()['source']}; registers not counted",
    )
