"""Prices of the parts of a chip in a kit: area, energy of an operation, leakage."""

from dataclasses import dataclass
from functools import cache

from consilico.golden.attention.tile import UnsignedArray
from consilico.golden.config import Config
from consilico.golden.matmul.systolic import SystolicConfig
from consilico.sim.accelerator.accelerator import SystolicArrays
from consilico.sim.accelerator.costs import OperationCost, OperationCosts, SramCost, sram_cost
from consilico.sim.accelerator.unit_prices import PricedKit, price_list
from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.comparison.table import MeasuredRow, measured_rows
from consilico.sim.estimate.operators.estimate import estimated_costs
from consilico.sim.estimate.operators.tables import read_calibration
from consilico.sim.system.chip import Chip
from consilico.sim.system.normalizers import NormalizerUnit
from consilico.sim.units.catalogue import find_unit

__all__ = ["PartPrice", "Prices", "prices", "requantizers"]

_UNITS = ("matmul/systolic", "matmul/requant")  # of which all chips have some
_RATIO_SIZE = 16  # rows and columns of arrays whose estimates are compared
_LANES_OF_A_REQUANTIZER = 512  # products of a vector; no sum of a matrix is shorter by much


@dataclass(frozen=True, kw_only=True)
class PartPrice:
    """Price of one kind of part."""

    area_um2: Interval  # of all of them
    leakage_w: Interval  # of all of them
    energy_pj: Interval  # of an operation, leakage left out
    registers: float  # part of the energy that is known to be in registers and clock
    basis: str
    source: str
    path_ns: Interval | None  # None: not known, or not of a clock that presses
    doubt: str = ""  # what has to be assumed of it at this clock


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Costs of the parts of a chip, by what the answer calls them."""

    kit: PricedKit
    parts: dict[str, PartPrice]
    weight_move_pj: Interval  # of a code that moves on by a cell, by its part of a cell's registers
    sram: SramCost
    score_buffer: SramCost | None

    paths_ns: dict[str, Interval]  # longest paths, by unit, as far as they are known

    @property
    def slowest(self) -> tuple[str, Interval]:
        """Return the unit with the longest path, and that."""
        name = max(self.paths_ns, key=lambda unit: self.paths_ns[unit].value)
        return name, self.paths_ns[name]


def prices(
    chip: Chip,
    normalizer: NormalizerUnit,
    score_buffer_bytes: int,
    pdk: str,
    rung: str | None = None,
) -> Prices:
    """Return what the parts of a chip cost.

    Args:
        chip: The chip.
        normalizer: The unit between the arrays of a tile.
        score_buffer_bytes: Size of the buffers for scores; 0: none.
        pdk: Process kit.
        rung: ``cells`` or ``layout``; None: the layout, where the kit was laid out.

    Raises:
        UserError: If the kit is not calibrated, or a part cannot meet the clock.
    """
    costs, kit, paths = _operation_costs(pdk, rung, chip.rows, chip.columns)
    cell = costs["int8 MAC"]
    behind = _unsigned(cell, pdk, kit.rung) if normalizer.form.unsigned else cell
    array = chip.values_array
    # part of a cell's registers that holds a weight on its way
    code = array.w_width / (array.x_width + 2 * array.w_width + array.column_width)
    parts = {
        "score arrays": _of(cell, chip.scores_cells),
        "value arrays": _of(behind, chip.values_cells),
        "requantizers": _of(costs["requantization"], requantizers(chip)),
        "normaliser": _normalizer(normalizer, chip, kit),
        "vector lanes": _of(costs["float operation"], chip.lanes),
    }
    if chip.gemv_lanes:
        form = chip.weights
        parts["GEMV lanes"] = _estimated(form.unit, form.config, pdk, rung, chip.gemv_units)
    move = cell.energy_pj * (cell.registers * code)
    found = Prices(
        kit=kit,
        parts=parts,
        weight_move_pj=Interval(move.value, 0.0, 2 * move.high),
        paths_ns=paths | {name: part.path_ns for name, part in parts.items() if part.path_ns},
        sram=sram_cost(chip.sram_bytes, pdk),
        score_buffer=sram_cost(score_buffer_bytes, pdk) if score_buffer_bytes else None,
    )
    name, path = max(found.paths_ns.items(), key=lambda item: item[1].low)
    if chip.clock_ns < path.low:
        raise UserError(
            f"clock_ns must be at least {path.low:.3f} in {pdk}: {name} needs that; not"
            f" {chip.clock_ns:g}"
        )
    return found


@cache
def _unsigned(cell: OperationCost, pdk: str, rung: str) -> OperationCost:
    """Return the cost of a cell that takes bytes without a sign, of that of an INT8 cell.

    By the ratio that the analytical model gives for two arrays of one size.
    """
    unit = find_unit("matmul/systolic")
    usual, own = (
        estimated_costs(unit, kind(rows=_RATIO_SIZE, columns=_RATIO_SIZE), pdk, rung)
        for kind in (SystolicConfig, UnsignedArray)
    )
    times = {name: own[name].value / usual[name].value for name in own}
    return OperationCost(
        energy_pj=cell.energy_pj * times["energy_per_operation_pj"],
        area_um2=cell.area_um2 * times["area_um2"],
        leakage_w=cell.leakage_w * times["leakage_w"],
        registers=cell.registers,
        basis=cell.basis,
        source=f"{cell.source}, times what estimates give for operands of 9 bits",
    )


def requantizers(chip: Chip) -> int:
    """Return the lanes of all requantizers: one per column of an array, few for products."""
    per_tile = chip.columns + chip.value_arrays * chip.values_array.columns
    return chip.tiles * per_tile + -(-chip.gemv_lanes // _LANES_OF_A_REQUANTIZER)


@cache
def _operation_costs(
    pdk: str, rung: str | None, rows: int, columns: int
) -> tuple[OperationCosts, PricedKit, dict[str, Interval]]:
    """Return what operations cost, for which kit, and the longest paths of arrays and lanes."""
    units = price_list(pdk, "best", rung)
    paths = {price.unit: price.path_ns for price in units.units if price.unit in _UNITS}
    return OperationCosts(units, SystolicArrays(rows=rows, columns=columns)), units.kit, paths


def _of(cost: OperationCost, lanes: int) -> PartPrice:
    """Return the price of so many lanes that do an operation each cycle."""
    return PartPrice(
        area_um2=cost.area_um2 * lanes, leakage_w=cost.leakage_w * lanes,
        energy_pj=cost.energy_pj, registers=cost.registers, basis=cost.basis, source=cost.source,
        path_ns=None,
    )  # fmt: skip


def _normalizer(normalizer: NormalizerUnit, chip: Chip, kit: PricedKit) -> PartPrice:
    """Return the price of the normalizers of all tiles.

    As measured, if the unit was compared with others in this kit (docs/compare.md): so many copies
    of it as make the lanes. Else by the analytical model, if the unit has formulas for it.

    Raises:
        UserError: If there is neither.
    """
    unit = normalizer.unit
    row = _measured(unit.name, chip.columns, kit.name, kit.rung)
    if row is None and unit.census is None:
        raise UserError(
            f"normaliser must be a unit with a price in {kit.name} on the rung {kit.rung}, not"
            f" {unit.name}: it was not measured there, and has no formulas"
        )
    if row is None:
        return _estimated(unit.name, normalizer.config, kit.name, kit.rung, chip.tiles)
    found, clock_ns = row.found, row.conditions.clock_ns
    copies = chip.tiles * chip.columns // found.lanes
    still = found.leakage_pj_cycle / found.lanes
    whole = found.energy_pj_score
    doubt = ""
    if chip.clock_ns < found.path_ns:
        doubt = (
            f"{unit.name} meets the clock: its path is {found.path_ns:.3g} ns as mapped for"
            f" {clock_ns:g} ns"
        )
    return PartPrice(
        area_um2=exactly(found.area_um2.logic * copies),
        leakage_w=exactly(found.leakage_pj_cycle / clock_ns * 1e-3 * copies),
        energy_pj=Interval(whole.value - still, whole.low - still, whole.high - still),
        registers=0.0, basis="measured",
        source=f"{unit.name} of {found.lanes} lanes, {kit.rung}, {row.date}", path_ns=None,
        doubt=doubt,
    )  # fmt: skip


@cache
def _measured(name: str, lanes: int, pdk: str, rung: str) -> MeasuredRow | None:
    """Return the comparison of a unit, without its buffer, of most lanes and the longest row."""
    rows = [
        row
        for row in measured_rows().rows
        if (row.found.unit, row.conditions.pdk, row.conditions.rung) == (name, pdk, rung)
        and row.found.buffer in (None, "none")
        and lanes % row.found.lanes == 0
    ]
    return max(rows, key=lambda row: (row.found.lanes, row.found.row), default=None)


@cache
def _estimated(name: str, config: Config, pdk: str, rung: str | None, number: int) -> PartPrice:
    """Return the price of a number of units by the analytical model, leakage apart."""
    unit = find_unit(name)
    calibration = read_calibration(pdk)
    found = estimated_costs(unit, config, pdk, rung)
    beat = calibration.clock_ns * 1e3 / unit.operations_per_beat(config)
    still = found["leakage_w"].value * beat
    whole = found["energy_per_operation_pj"]
    moving = (max(end - still, 0.0) for end in (whole.value, whole.low, whole.high))
    known = name in calibration.largest_um2
    return PartPrice(
        area_um2=found["area_um2"] * number, leakage_w=found["leakage_w"] * number,
        energy_pj=Interval(*moving), registers=0.0,
        basis="calibrated" if known else "estimated",
        source=f"{name}, {'calibrated' if known else 'operators'}", path_ns=found["path_ns"],
    )  # fmt: skip
