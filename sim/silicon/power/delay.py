"""Slews through a netlist: NLDM tables, ideal clock, ideal wires, no delay at the inputs.

As OpenSTA does it: each output takes the largest slew over all its arcs, rise and fall apart; the
ports and the clock network have slew 0; set and reset arcs do not count.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.silicon.liberty.boolean import parse_function
from consilico.sim.silicon.liberty.library import Cell, Table, TimingArc
from consilico.sim.silicon.power.design import Bits, Design, Group, Reals

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
    """Which nets carry the clock."""

    network: Bits  # (nets,), reached from the clock port through gates, buffers included
    free: Bits  # (nets,), reached through buffers and inverters only: always toggling


@dataclass(frozen=True, eq=False)
class Slews:
    """Slew of each net in seconds, minus infinity where the edge cannot happen."""

    rise_s: Reals  # (nets,)
    fall_s: Reals  # (nets,)


def arc_sense(cell: Cell, arc: TimingArc, output: str) -> str:
    """Unateness of an arc: what the library says, else what the function of the output says."""
    if arc.timing_sense:
        return arc.timing_sense
    function = cell.pins[output].function
    if arc.timing_type in _EDGE or function is None:
        return "non_unate"
    parsed = parse_function(function)
    return parsed.sense(arc.related_pin) if arc.related_pin in parsed.variables else "non_unate"


def clock_network(design: Design, clock_net: int) -> Clocking:
    """Follow the clock from its port through combinational arcs, up to the registers."""
    network = np.zeros(design.net_count, dtype=np.bool_)
    free = np.zeros(design.net_count, dtype=np.bool_)
    network[clock_net] = free[clock_net] = True
    arcs = [
        (group.nets[related], group.nets[output], _repeats(group.cell, output))
        for group in design.groups
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


def clock_pins(design: Design) -> NDArray[np.int64]:
    """Nets on which clock pins of registers and clock gates are: those with arcs from an edge."""
    nets = [np.empty(0, dtype=np.int64)]
    for group in design.groups:
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


def slews(design: Design, clocking: Clocking) -> Slews:
    """Slew of every net."""
    rise = np.full(design.net_count, -np.inf)
    fall = np.full(design.net_count, -np.inf)
    for direction, bits in design.netlist.ports.values():
        if direction != "output":
            rise[list(bits)] = fall[list(bits)] = 0.0
    rise[clocking.network] = fall[clocking.network] = 0.0
    level = _levels(design, clocking)
    steps: list[tuple[int, Group, str, NDArray[np.int64]]] = []
    for group in design.groups:
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
            sources = _sources(group.cell, arc, output, rise[source], fall[source])
            for table, target, load, starts in (
                (arc.rise_transition, rise, design.load_rise_f[nets], sources[0]),
                (arc.fall_transition, fall, design.load_fall_f[nets], sources[1]),
            ):
                if table is not None:
                    for start in starts:
                        target[nets] = np.maximum(target[nets], _slew(table, start, load))
    return Slews(rise, fall)


def _slew(table: Table, start: Reals, load: Reals) -> Reals:
    """Slew at an output; none where the input never makes that edge."""
    possible = np.isfinite(start)
    value = np.maximum(table.lookup(np.where(possible, start, 0.0), load), 0.0)
    return np.where(possible, value, -np.inf)


def _sources(
    cell: Cell, arc: TimingArc, output: str, rise: Reals, fall: Reals
) -> tuple[list[Reals], list[Reals]]:
    """Slews at the input that can cause a rise, and a fall, of the output."""
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
    """Pairs of output and input with an arc that a clock passes: not from clock to register."""
    for output in _outputs(cell):
        for related in dict.fromkeys(
            arc.related_pin for arc in cell.pins[output].timing if arc.timing_type in _THROUGH
        ):
            if related in cell.pins:
                yield output, related


def _repeats(cell: Cell, output: str) -> bool:
    """Whether an output is its only input or the complement of it."""
    function = cell.pins[output].function
    return function is not None and len(parse_function(function).variables) == 1


def _levels(design: Design, clocking: Clocking) -> NDArray[np.int64]:
    """Rank of each net: above all nets that its slew depends on."""
    heads, tails = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for group in design.groups:
        for output, related in _paths(group.cell):
            start, end = group.nets[related], group.nets[output]
            edge = ~clocking.network[start] & ~clocking.network[end]
            heads.append(start[edge])
            tails.append(end[edge])
    head, tail = np.concatenate(heads), np.concatenate(tails)
    order = np.argsort(head, kind="stable")
    head, tail = head[order], tail[order]
    begin = np.searchsorted(head, np.arange(design.net_count + 1))
    waiting = np.bincount(tail, minlength=design.net_count)
    level = np.zeros(design.net_count, dtype=np.int64)
    done = np.zeros(design.net_count, dtype=np.bool_)
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
    """A net on a loop (of latches, or of gates) that a waiting net depends on: to open it there."""
    seen: set[int] = set()
    while net not in seen:
        seen.add(net)
        net = int(head[np.flatnonzero((tail == net) & ~done[head])[0]])
    return net
