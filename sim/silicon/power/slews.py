"""The slew of every net of a netlist: NLDM tables.

The method is OpenSTA's: each output takes the largest slew over all its arcs, rise and fall
separately; the ports and the network of an ideal clock have slew 0; set and reset arcs do not
count. A wire is a load; how much slower an edge is at its far end is given, or nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.silicon.liberty.boolean import parse_function
from consilico.sim.silicon.liberty.library import Cell, Table, TimingArc
from consilico.sim.silicon.power.arrays import Bits, CellGroup, NetlistArrays, Reals

__all__ = ["Clocking", "Slews", "arc_sense", "clock_network", "clock_pins", "slews"]

_EDGE = {"rising_edge", "falling_edge"}
_THROUGH = {
    "combinational",
    "combinational_rise",
    "combinational_fall",
    "three_state_enable",
    "three_state_enable_rise",
    "three_state_enable_fall",
    "three_state_disable",
    "three_state_disable_rise",
    "three_state_disable_fall",
}


@dataclass(frozen=True, eq=False)
class Clocking:
    """The nets that carry the clock."""

    network: Bits  # (nets,), reached from the clock port through gates, buffers included
    free: Bits  # (nets,), reached through buffers and inverters only: always toggling

    @property
    def propagated(self) -> "Clocking":
        """The clock as a net like others, whose edges are as steep as its tree makes them."""
        return Clocking(np.zeros_like(self.network), self.free)


@dataclass(frozen=True, eq=False)
class Slews:
    """Slew of each net, minus infinity where the edge cannot happen."""

    rise_s: Reals  # (nets,)
    fall_s: Reals  # (nets,)


def arc_sense(cell: Cell, arc: TimingArc, output: str) -> str:
    """Return the unateness of an arc.

    It is what the library states, or else what the function of the output says:
    ``positive_unate``, ``negative_unate`` or ``non_unate``.
    """
    if arc.timing_sense:
        return arc.timing_sense
    function = cell.pins[output].function
    if arc.timing_type in _EDGE or function is None:
        return "non_unate"
    parsed = parse_function(function)
    return parsed.sense(arc.related_pin) if arc.related_pin in parsed.variables else "non_unate"


def clock_network(arrays: NetlistArrays, clock_net: int) -> Clocking:
    """Follow the clock from its port through combinational arcs, up to the registers.

    Args:
        arrays: The netlist.
        clock_net: Net of the clock port.
    """
    network = np.zeros(arrays.net_count, dtype=np.bool_)
    free = np.zeros(arrays.net_count, dtype=np.bool_)
    network[clock_net] = free[clock_net] = True
    arcs = [
        (group.nets[related], group.nets[output], _repeats(group.cell, output))
        for group in arrays.groups
        for output, related in _paths(group.cell)
    ]
    while True:
        before = int(network.sum()) + int(free.sum())
        for start, end, repeats in arcs:
            network[end[network[start]]] = True
            if repeats:
                free[end[free[start]]] = True
        if int(network.sum()) + int(free.sum()) == before:
            return Clocking(network, free)


def clock_pins(arrays: NetlistArrays) -> NDArray[np.int64]:
    """Return the nets with clock pins of registers or clock gates: pins with arcs from an edge."""
    nets = [np.empty(0, dtype=np.int64)]
    for group in arrays.groups:
        related = {
            arc.related_pin
            for name in _outputs(group.cell)
            for arc in group.cell.pins[name].timing
            if arc.timing_type in _EDGE
        }
        marked = {
            name
            for name, pin in group.cell.pins.items()
            if pin.clock or pin.clock_gate_role == "clock"
        }
        nets += [group.nets[name] for name in (related | marked) & group.nets.keys()]
    return np.unique(np.concatenate(nets))


def slews(arrays: NetlistArrays, clocking: Clocking, along_s: Reals | None = None) -> Slews:
    """Return the slew of every net, at its driver.

    Args:
        arrays: The netlist.
        clocking: Its clock network, whose slew is 0; :attr:`Clocking.propagated` of it where the
            netlist holds the clock's tree.
        along_s: Slew that the wire of each net adds towards its sinks, as the root of the sum of
            the squares, shape ``(nets,)``; None: nothing.
    """
    added = np.zeros(arrays.net_count) if along_s is None else along_s
    rise = np.full(arrays.net_count, -np.inf)
    fall = np.full(arrays.net_count, -np.inf)
    for direction, bits in arrays.netlist.ports.values():
        if direction != "output":
            rise[list(bits)] = fall[list(bits)] = 0.0
    rise[clocking.network] = fall[clocking.network] = 0.0
    level = _levels(arrays, clocking)
    steps: list[tuple[int, CellGroup, str, NDArray[np.int64]]] = []
    for group in arrays.groups:
        for output in _outputs(group.cell):
            ranks = level[group.nets[output]]
            order = np.argsort(ranks, kind="stable")
            order = order[~clocking.network[group.nets[output][order]]]
            cuts = np.flatnonzero(np.diff(ranks[order])) + 1
            for rows in np.split(order, cuts) if len(order) else ():
                steps.append((int(ranks[rows[0]]), group, output, rows))
    steps.sort(key=lambda step: step[0])
    for _, group, output, rows in steps:
        nets = group.nets[output][rows]
        for arc in group.cell.pins[output].timing:
            if arc.related_pin not in group.nets or arc.timing_type not in _THROUGH | _EDGE:
                continue
            source = group.nets[arc.related_pin][rows]
            sources = _sources(
                group.cell, arc, output,
                _at_end(rise[source], added[source]), _at_end(fall[source], added[source]),
            )  # fmt: skip
            for table, target, load, starts in (
                (arc.rise_transition, rise, arrays.load_rise_f[nets], sources[0]),
                (arc.fall_transition, fall, arrays.load_fall_f[nets], sources[1]),
            ):
                if table is not None:
                    for start in starts:
                        target[nets] = np.maximum(target[nets], _slew(table, start, load))
    return Slews(rise, fall)


def _at_end(slew: Reals, added: Reals) -> Reals:
    """Return slews at the end of a wire; minus infinity stays."""
    return np.where(np.isfinite(slew), np.hypot(slew, added), slew)


def _slew(table: Table, start: Reals, load: Reals) -> Reals:
    """Return the slew at an output; minus infinity where the input never makes that edge."""
    possible = np.isfinite(start)
    value = np.maximum(table.lookup(np.where(possible, start, 0.0), load), 0.0)
    return np.where(possible, value, -np.inf)


def _sources(
    cell: Cell, arc: TimingArc, output: str, rise: Reals, fall: Reals
) -> tuple[list[Reals], list[Reals]]:
    """Return the slews at the input that can cause a rise and those that can cause a fall."""
    if arc.timing_type in _EDGE:
        edge = [rise if arc.timing_type == "rising_edge" else fall]
        return edge, edge
    sense = arc_sense(cell, arc, output)
    rising = [rise] if sense == "positive_unate" else [fall]
    falling = [fall] if sense == "positive_unate" else [rise]
    if sense == "non_unate":
        rising, falling = [rise, fall], [rise, fall]
    return (
        [] if arc.timing_type.endswith("_fall") else rising,
        [] if arc.timing_type.endswith("_rise") else falling,
    )


def _outputs(cell: Cell) -> list[str]:
    return [name for name, pin in cell.pins.items() if pin.direction in ("output", "inout")]


def _paths(cell: Cell) -> Iterator[tuple[str, str]]:
    """Yield output and input of each arc that a clock passes: not those from a clock edge."""
    for output in _outputs(cell):
        for related in dict.fromkeys(
            arc.related_pin for arc in cell.pins[output].timing if arc.timing_type in _THROUGH
        ):
            if related in cell.pins:
                yield output, related


def _repeats(cell: Cell, output: str) -> bool:
    """Tell whether an output depends on one input alone: a buffer or an inverter."""
    function = cell.pins[output].function
    return function is not None and len(parse_function(function).variables) == 1


def _levels(arrays: NetlistArrays, clocking: Clocking) -> NDArray[np.int64]:
    """Return the rank of each net, above all nets that its slew depends on."""
    heads, tails = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for group in arrays.groups:
        for output, related in _paths(group.cell):
            start, end = group.nets[related], group.nets[output]
            edge = ~clocking.network[start] & ~clocking.network[end]
            heads.append(start[edge])
            tails.append(end[edge])
    head, tail = np.concatenate(heads), np.concatenate(tails)
    order = np.argsort(head, kind="stable")
    head, tail = head[order], tail[order]
    begin = np.searchsorted(head, np.arange(arrays.net_count + 1))
    waiting = np.bincount(tail, minlength=arrays.net_count)
    level = np.zeros(arrays.net_count, dtype=np.int64)
    done = np.zeros(arrays.net_count, dtype=np.bool_)
    front = np.flatnonzero(waiting == 0)
    rank = 0
    while True:
        if not len(front):
            if done.all():
                return level
            front = np.array([_on_loop(int(np.flatnonzero(~done)[0]), head, tail, done)])
        level[front] = rank
        done[front] = True
        rank += 1
        sizes = begin[front + 1] - begin[front]
        reached = tail[
            np.repeat(begin[front] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
        ]
        np.subtract.at(waiting, reached, 1)
        ready = np.unique(reached)
        front = ready[(waiting[ready] == 0) & ~done[ready]]


def _on_loop(net: int, head: NDArray[np.int64], tail: NDArray[np.int64], done: Bits) -> int:
    """Return a net on a loop that a waiting net depends on; the loop is opened there.

    Loops are of latches or of gates.
    """
    seen: set[int] = set()
    while net not in seen:
        seen.add(net)
        net = int(head[np.flatnonzero((tail == net) & ~done[head])[0]])
    return net
