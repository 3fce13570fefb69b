"""Estimate what a clock tree would add to the ideal clock; no measured figure includes it.

The tree is made of one buffer cell with a limit on its fan-out: ``N`` sinks need
``ceil(N / fanout)`` buffers, these again a ``fanout``-th as many, up to one at the root. Its wire
is an H-tree down to every sink: the first H on a square of side ``s`` is ``1.5 s`` long, and each
level has four times as many of half the size, which sums up to ``1.5 s (sqrt(N) - 1)`` (H-trees:
H. B. Bakoglu, *Circuits, Interconnections, and Packaging for VLSI*, 1990, chapter 8). Trees that
follow the sinks are shorter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.silicon.liberty.boolean import parse_function
from consilico.sim.silicon.liberty.library import Cell, Pin, Table
from consilico.sim.silicon.power.arrays import NetlistArrays, Reals

__all__ = ["ClockTreeEstimate", "ClockTreeOptions", "estimate_clock_tree"]

_ROUNDS = 8  # slews settle within a few percent after two or three
_UTILIZATION = 0.7  # share of the square that cells cover: an assumption, stated in the result


_GREATEST_FF_PER_UM = 1000.0  # wires have about 0.2


@dataclass(frozen=True, kw_only=True)
class ClockTreeOptions:
    """Assumptions of the estimate, beyond netlist and library.

    Raises:
        UserError: If the capacitance is out of range or the fan-out is below 2.
    """

    wire_ff_per_um: float  # capacitance of the clock's wires
    fanout: int = 20  # of each buffer, at most
    buffer: str | None = None  # its cell; None: the buffer of median area

    def __post_init__(self) -> None:
        if not 0 < self.wire_ff_per_um <= _GREATEST_FF_PER_UM:
            raise UserError(
                "the clock wires' capacitance must be above 0 and at most "
                f"{_GREATEST_FF_PER_UM:g} fF/um, not {self.wire_ff_per_um:g}"
            )
        if self.fanout < 2:
            raise UserError(f"the clock tree's fan-out must be at least 2, not {self.fanout}")


@dataclass(frozen=True, kw_only=True)
class ClockTreeEstimate(Facts):
    """Estimated power of a clock tree; no part of any total."""

    derived: ClassVar[tuple[str, ...]] = ("total_w",)

    sinks: int  # clock pins
    buffer: str  # cell
    buffers: int
    levels: int  # of buffers
    wire_um: float  # length of all wires
    internal_w: float  # of the buffers
    switching_w: float  # of wires, buffer inputs and sinks
    leakage_w: float
    assumptions: dict[str, float]  # wire_ff_per_um, fanout, utilization of the area
    basis: str = "estimated"

    @property
    def total_w(self) -> float:
        """Return the sum of the three powers."""
        return self.internal_w + self.switching_w + self.leakage_w


def estimate_clock_tree(
    arrays: NetlistArrays,
    clock_net: int,
    cells: Mapping[str, Cell],
    period_s: float,
    options: ClockTreeOptions,
) -> ClockTreeEstimate:
    """Estimate the tree that drives the pins on the clock port's net.

    Args:
        arrays: The netlist, with an ideal clock.
        clock_net: Net of its clock port.
        cells: The library that the buffer is taken from.
        period_s: Clock period.
        options: Assumptions.

    Raises:
        UserError: If the library has no buffer, or the cell named is none.
    """
    name, pins = _buffer(cells, options.buffer)
    cell, (entry, exit_) = cells[name], pins
    sinks = sum(int((nets == clock_net).sum()) for g in arrays.groups for nets in g.nets.values())
    levels: list[int] = []
    count = sinks
    while count > 1 or not levels:
        count = -(-count // options.fanout)
        levels.append(count)
    buffers = sum(levels)
    area = sum(group.cell.area_um2 * len(group.instances) for group in arrays.groups)
    area += cell.area_um2 * buffers
    wire_um = 1.5 * math.sqrt(area / _UTILIZATION) * max(math.sqrt(sinks) - 1, 0.0)
    wire_f = wire_um * options.wire_ff_per_um * 1e-15
    load_f = wire_f + float(arrays.load_f[clock_net]) + buffers * entry.capacitance_f
    each = np.array([load_f / buffers])
    slew = _slew(exit_, each)
    energy_j = sum(
        _mean(power.rise, power.fall, slew, each).item()
        for pin in (entry, exit_)
        for power in pin.internal_power
        if power.when is None and power.related_pin in (None, entry.name)
    )
    density = 2 / period_s
    internal = buffers * energy_j * density
    switching = 0.5 * load_f * exit_.voltage_v**2 * density
    leakage = buffers * _leakage(cell)
    return ClockTreeEstimate(
        sinks=sinks,
        buffer=name,
        buffers=buffers,
        levels=len(levels),
        wire_um=wire_um,
        internal_w=internal,
        switching_w=switching,
        leakage_w=leakage,
        assumptions={
            "wire_ff_per_um": options.wire_ff_per_um,
            "fanout": options.fanout,
            "utilization": _UTILIZATION,
        },
    )


def _buffer(cells: Mapping[str, Cell], wanted: str | None) -> tuple[str, tuple[Pin, Pin]]:
    """Return the buffer cell's name, and its input and output pin."""
    if wanted is not None:
        pins = _through(cells[wanted]) if wanted in cells else None
        if pins is None:
            raise UserError(f"{wanted!r} is no buffer cell of the library")
        return wanted, pins
    # the names are looked at first: building all cells of a library takes seconds
    named = [name for name in cells if "buf" in name.lower()] or list(cells)
    found = [
        (cells[name].area_um2, name, pins)
        for name in named
        if not cells[name].dont_use and (pins := _through(cells[name])) is not None
    ]
    if not found:
        raise UserError("the library has no buffer cell for a clock tree")
    found.sort(key=lambda item: item[:2])
    _, name, pins = found[len(found) // 2]
    return name, pins


def _through(cell: Cell) -> tuple[Pin, Pin] | None:
    """Return input and output of a buffer, or None if the cell is something else."""
    inputs = [pin for pin in cell.pins.values() if pin.direction == "input"]
    outputs = [pin for pin in cell.pins.values() if pin.direction == "output"]
    if len(inputs) != 1 or len(outputs) != 1 or cell.sequential or outputs[0].three_state:
        return None
    function = parse_function(outputs[0].function or "0")
    is_buffer = function.variables == (inputs[0].name,) and function.table.tolist() == [False, True]
    return (inputs[0], outputs[0]) if is_buffer else None


def _slew(pin: Pin, load_f: Reals) -> Reals:
    """Return the slew in the middle of a chain of equal buffers, where it no longer changes."""
    slew = np.zeros(1)
    for _ in range(_ROUNDS):
        slew = np.maximum.reduce(
            [slew * 0.0]
            + [_mean(a.rise_transition, a.fall_transition, slew, load_f) for a in pin.timing]
        )
    return slew


def _mean(rise: Table | None, fall: Table | None, slew_s: Reals, load_f: Reals) -> Reals:
    """Return the mean of the tables that there are, or 0 if there is none."""
    found = [table.lookup(slew_s, load_f) for table in (rise, fall) if table is not None]
    mean: Reals = np.mean(found, axis=0) if found else np.zeros(1)
    return mean


def _leakage(cell: Cell) -> float:
    """Return the leakage of a cell in W, or the mean of its states."""
    if cell.leakage_w is not None:
        return cell.leakage_w
    values = [group.value_w for group in cell.leakage]
    return sum(values) / len(values) if values else 0.0
