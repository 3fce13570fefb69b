"""Buffers of a library, as a clock tree and the repair of hold see them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.library import Cell, Pin, Reals, TimingArc
from consilico.sim.silicon.liberty.strengths import Strengths

__all__ = [
    "ClockBuffer",
    "buffer_cells",
    "clock_buffers",
    "edge_delays_s",
    "most_f",
    "smallest_quick",
]

_SLOWER = 4.0  # than the quickest: a buffer that is quick enough, as small ones cost less energy
_STEEP = 0.5  # of the slew that a library allows: what a clock may have
_ROUNDS = 3  # slews along a chain of equal cells settle within a few percent
_EFFORT = 8  # load over input capacitance, for comparisons
_DELAYING = 1.6  # times the least delay: a cell that is made to be slow


@dataclass(frozen=True, kw_only=True, eq=False)
class ClockBuffer:
    """A buffer and its pins."""

    cell: Cell
    input: str
    output: str

    @property
    def input_f(self) -> float:
        """Return the capacitance of the input."""
        return self.cell.pins[self.input].capacitance_f

    @cached_property
    def most_f(self) -> float:
        """Return the load at which a limit of the library, or half its greatest slew, is met."""
        return most_f(self.cell.pins[self.output])

    def delay_s(self, load_f: float) -> float:
        """Return the delay of a rising edge, which most sinks wait for."""
        return edge_delays_s(self.cell.pins[self.output], self.input, load_f)[0]

    def least_delay_s(self, load_f: float) -> float:
        """Return the delay of the quicker edge."""
        return min(edge_delays_s(self.cell.pins[self.output], self.input, load_f))


def buffer_cells(strengths: Strengths, cells: Mapping[str, Cell]) -> list[ClockBuffer]:
    """Return the buffers of a library that have delays, from the smallest to the largest."""
    found = []
    for name in strengths.buffers:
        pins = cells[name].pins.values()
        (entry,), (exit_,) = (
            [pin for pin in pins if pin.direction == way] for way in ("input", "output")
        )
        if min(edge_delays_s(exit_, entry.name, 0.0)) > 0:
            found.append(ClockBuffer(cell=cells[name], input=entry.name, output=exit_.name))
    return found


def clock_buffers(strengths: Strengths, cells: Mapping[str, Cell]) -> list[ClockBuffer]:
    """Return the buffers for a clock tree, from the smallest to the largest.

    Left out are cells that are made to delay. Buffers that the library names after the clock, whose
    edges are alike, go before others: Liberty has no attribute that says so.

    Args:
        strengths: Of the library's cells.
        cells: The library.

    Raises:
        UserError: If there is no buffer.
    """
    found = buffer_cells(strengths, cells)
    if not found:
        raise UserError("the library has no buffer for a clock tree; accepted: one with delays")
    delay = {each: each.delay_s(_EFFORT * each.input_f) for each in found}
    found = [each for each in found if delay[each] <= _DELAYING * min(delay.values())]
    named_so = [each for each in found if re.search("clk|ck", each.cell.name.lower())]
    return named_so or found


def smallest_quick(buffers: Sequence[ClockBuffer], load_f: float) -> ClockBuffer:
    """Return the smallest buffer that may drive a load and is not much slower than the quickest."""
    able = [each for each in buffers if load_f <= each.most_f] or [buffers[-1]]
    quickest = min(each.delay_s(load_f) for each in able)
    return next(each for each in able if each.delay_s(load_f) <= _SLOWER * quickest)


def edge_delays_s(output: Pin, related: str, load_f: float) -> tuple[float, float]:
    """Return the delays of a rising and a falling edge at an output, from one input of its cell.

    The edge at the input is as steep as that at the output, as along a chain of such cells.
    """
    arcs = [arc for arc in output.timing if arc.related_pin == related]
    load, slew = np.array([load_f]), np.zeros(1)
    for _ in range(_ROUNDS):
        slew = _greatest(arcs, ("rise_transition", "fall_transition"), slew, load)
    rise, fall = (_greatest(arcs, (edge,), slew, load) for edge in ("cell_rise", "cell_fall"))
    return float(rise[0]), float(fall[0])


def _greatest(
    arcs: Sequence[TimingArc], edges: Sequence[str], slew_s: Reals, load_f: Reals
) -> Reals:
    """Return the greatest value of some tables of some arcs; 0 where there are none."""
    tables = [getattr(arc, edge) for arc in arcs for edge in edges]
    found = [table.lookup(slew_s, load_f) for table in tables if table is not None]
    greatest: Reals = np.maximum.reduce([np.zeros(1), *found])
    return greatest


def most_f(pin: Pin) -> float:
    """Return the load at which a limit of an output, or half its greatest slew, is met."""
    most = 1e-9 if pin.max_capacitance_f is None else pin.max_capacitance_f
    if pin.max_transition_s is None:
        return most
    steep = _STEEP * pin.max_transition_s
    edges, low, high = ("rise_transition", "fall_transition"), 0.0, most
    for step in range(40):
        load = np.array([high if step == 0 else (low + high) / 2])
        slew = _greatest(pin.timing, edges, np.array([steep]), load)
        low, high = (float(load[0]), high) if slew[0] <= steep else (low, float(load[0]))
        if low == high:
            break
    return low
