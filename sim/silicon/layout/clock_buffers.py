"""Cells of a library that can carry a clock: its buffers, and the sizes of its clock gates."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.boolean import parse_function
from consilico.sim.silicon.liberty.library import Cell, Pin

__all__ = [
    "ClockBuffer",
    "GateSize",
    "buffer_cells",
    "buffer_pins",
    "clock_buffers",
    "edge_delays_s",
    "gate_sizes",
    "smallest_quick",
]

_SLOWER = 2.0  # than the quickest: a buffer that is quick enough, as small ones cost less energy
_STEEP = 0.5  # of the slew that a library allows: what a clock may have
_SLEW_S = 40e-12  # at the input, for comparisons
_EFFORT = 8  # load over input capacitance, likewise
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
        return _most_f(self.cell.pins[self.output])

    def delay_s(self, load_f: float) -> float:
        """Return the delay of a rising edge, which most sinks wait for."""
        return edge_delays_s(self.cell.pins[self.output], self.input, load_f)[0]

    def least_delay_s(self, load_f: float) -> float:
        """Return the delay of the quicker edge."""
        return min(edge_delays_s(self.cell.pins[self.output], self.input, load_f))


@dataclass(frozen=True, kw_only=True, eq=False)
class GateSize:
    """A clock gate, or logic that the clock passes, in one of its strengths."""

    cell: Cell

    def drives(self, output: str, load_f: float) -> bool:
        """Tell whether it drives a load within what the library allows, and steeply enough."""
        return load_f <= _most_f(self.cell.pins[output])


def buffer_pins(cell: Cell) -> tuple[Pin, Pin] | None:
    """Return input and output of a buffer, or None if the cell is something else."""
    inputs = [pin for pin in cell.pins.values() if pin.direction == "input"]
    outputs = [pin for pin in cell.pins.values() if pin.direction == "output"]
    if len(inputs) != 1 or len(outputs) != 1 or cell.sequential or outputs[0].three_state:
        return None
    function = parse_function(outputs[0].function or "0")
    is_buffer = function.variables == (inputs[0].name,) and function.table.tolist() == [False, True]
    return (inputs[0], outputs[0]) if is_buffer else None


def buffer_cells(cells: Mapping[str, Cell]) -> list[ClockBuffer]:
    """Return the buffers of a library that have delays and need no further supply."""
    # the names are looked at first: building all cells of a library takes seconds
    named = [name for name in cells if re.search("buf|dly|delay", name.lower())] or list(cells)
    found = []
    for name in named:
        cell = cells[name]
        pins = None if cell.dont_use else buffer_pins(cell)
        if pins and cell.area_um2 > 0 and min(edge_delays_s(pins[1], pins[0].name, 0.0)) > 0:
            found.append(ClockBuffer(cell=cell, input=pins[0].name, output=pins[1].name))
    supplies = min((len(each.cell.supply_pins) for each in found), default=0)
    return [each for each in found if len(each.cell.supply_pins) == supplies]


def clock_buffers(cells: Mapping[str, Cell]) -> list[ClockBuffer]:
    """Return the buffers for a clock tree, from the smallest to the largest.

    Left out are cells that are made to delay. Buffers that the library names after the clock, whose
    edges are alike, go before others: Liberty has no attribute that says so.

    Args:
        cells: The library.

    Raises:
        UserError: If there is no buffer.
    """
    found = buffer_cells(cells)
    if not found:
        raise UserError("the library has no buffer for a clock tree; accepted: one with delays")
    delay = {each: each.delay_s(_EFFORT * each.input_f) for each in found}
    found = [each for each in found if delay[each] <= _DELAYING * min(delay.values())]
    named_so = [each for each in found if re.search("clk|ck", each.cell.name.lower())]
    found = named_so or found
    found.sort(key=lambda each: (each.cell.area_um2, each.cell.name))
    return found


def gate_sizes(cell: Cell, cells: Mapping[str, Cell]) -> list[GateSize]:
    """Return a clock gate in all its strengths, from its own up; other cells only as they are."""
    if not cell.clock_gate:
        return [GateSize(cell=cell)]
    roles = {pin.name: (pin.direction, pin.clock_gate_role) for pin in cell.pins.values()}
    stem = cell.name.rstrip("0123456789")
    sizes = [
        each
        for name in cells
        if name.rstrip("0123456789") == stem
        for each in (cells[name],)
        if each.clock_gate == cell.clock_gate
        and (name == cell.name or not each.dont_use)
        and each.area_um2 >= cell.area_um2
        and {pin.name: (pin.direction, pin.clock_gate_role) for pin in each.pins.values()} == roles
    ]
    sizes.sort(key=lambda each: (each.area_um2, each.name != cell.name, each.name))
    return [GateSize(cell=each) for each in sizes]


def smallest_quick(buffers: Sequence[ClockBuffer], load_f: float) -> ClockBuffer:
    """Return the smallest buffer that may drive a load and is not much slower than the quickest."""
    able = [each for each in buffers if load_f <= each.most_f] or [buffers[-1]]
    quickest = min(each.delay_s(load_f) for each in able)
    return next(each for each in able if each.delay_s(load_f) <= _SLOWER * quickest)


def edge_delays_s(output: Pin, related: str, load_f: float) -> tuple[float, float]:
    """Return the delays of a rising and a falling edge at an output, from one input of its cell."""
    slew, load = np.array([_SLEW_S]), np.array([load_f])
    edges = []
    for edge in ("cell_rise", "cell_fall"):
        tables = [getattr(arc, edge) for arc in output.timing if arc.related_pin == related]
        values = [float(table.lookup(slew, load)[0]) for table in tables if table is not None]
        edges.append(max(values, default=0.0))
    return edges[0], edges[1]


def _slew_s(pin: Pin, load_f: float) -> float:
    slew, load = np.array([_SLEW_S]), np.array([load_f])
    tables = [table for arc in pin.timing for table in (arc.rise_transition, arc.fall_transition)]
    return max((float(t.lookup(slew, load)[0]) for t in tables if t is not None), default=0.0)


def _most_f(pin: Pin) -> float:
    """Return the load at which a limit of an output, or half its greatest slew, is met."""
    most = math.inf if pin.max_capacitance_f is None else pin.max_capacitance_f
    if (
        pin.max_transition_s is None
        or _slew_s(pin, most if most < math.inf else 1e-12) <= _STEEP * pin.max_transition_s
    ):
        return most
    low, high = 0.0, most if most < math.inf else 1e-12
    for _ in range(40):
        middle = (low + high) / 2
        if _slew_s(pin, middle) <= _STEEP * pin.max_transition_s:
            low = middle
        else:
            high = middle
    return low
