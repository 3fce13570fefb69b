"""A balanced clock tree: buffers from the clock port to every clock pin, behind every gate.

The tree of a net is built from its pins up. Pins that lie together share a buffer; buffers are pins
of the next level, until the driver of the net can drive what is left. Pins are grouped by
recursive bisection of the placement (M. A. B. Jackson, A. Srinivasan, E. S. Kuh, "Clock routing for
high-performance ICs", DAC 1990). What is behind a clock gate is built first, so that its delay is
known when the gate's clock pin joins the tree of the net before it: pins that the clock would reach
too early get buffers until they are nearly as late as the others. Nearly, because buffers near the
port toggle in every cycle, and a register may be as much earlier as its own output takes to change:
then its data does not race. Latches that logic opens hold nobody up: all registers would be delayed
in every cycle for words that are seldom written, when a delay in front of the latches' data serves.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.kits.kitfile import WireLayer
from consilico.sim.silicon.layout.clock_buffers import (
    ClockBuffer,
    clock_buffers,
    edge_delays_s,
    most_f,
    smallest_quick,
)
from consilico.sim.silicon.layout.clock_network import ClockNetwork, PinOf, clock_network
from consilico.sim.silicon.layout.place import place_changes
from consilico.sim.silicon.layout.placement import Placement
from consilico.sim.silicon.layout.steiner import steiner_trees
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.liberty.strengths import Strengths
from consilico.sim.silicon.netlist.edit import NetlistEdit

__all__ = ["MODULE", "ClockTree", "build_clock_tree"]

MODULE = "clock_tree"  # path of the buffers
_FANOUT = 20  # of a driver, at most
_AHEAD = 0.7  # of the least delay from clock to output: what a register may be ahead by
_MOST_STEPS = 200  # of a net: no tree has so many levels

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClockTree:
    """A placed netlist with its clock tree."""

    placement: Placement  # legal; nets of the clock have wires, too
    nets: frozenset[int]  # all that the clock passes on its way to a sink
    sinks: int  # clock pins of flip-flops and macros, enables of latches
    buffers: int  # that were added
    levels: int  # cells between the port and a sink, at most: buffers, gates and logic


@dataclass(frozen=True, kw_only=True)
class _Behind:
    """Network of the clock in front of some place, with the delay that it adds."""

    last_s: float = 0.0  # delay to the last sink
    first_s: float = 0.0  # to the first
    levels: int = 0  # cells
    latches: bool = False  # whether all sinks are latches
    loose: bool = False  # whether all are latches that logic opens

    def after(self, delay_s: float) -> "_Behind":
        """Return the same with a further cell before it."""
        last_s, first_s = self.last_s + delay_s, self.first_s + delay_s
        return replace(self, last_s=last_s, first_s=first_s, levels=self.levels + 1)


def _joined(behind: Sequence[_Behind]) -> _Behind:
    """Return what is behind several places at once."""
    firm = [each for each in behind if not each.loose] or behind
    return _Behind(
        last_s=max(each.last_s for each in firm),
        first_s=min(each.first_s for each in firm),
        levels=max(each.levels for each in behind),
        latches=all(each.latches for each in behind),
        loose=all(each.loose for each in behind),
    )


@dataclass(kw_only=True, eq=False)
class _Node:
    """Pin or buffer that a driver drives, with what the buffer drives in turn."""

    at: Point
    load_f: float
    behind: _Behind
    pin: PinOf | None = None
    buffer: ClockBuffer | None = None
    below: list["_Node"] = field(default_factory=list)


def build_clock_tree(placement: Placement, clock: str, layer: WireLayer) -> ClockTree:
    """Build the clock tree of a placed netlist, and place its buffers.

    Args:
        placement: Legal; its clock may have no wires yet.
        clock: Name of the clock port. Without such a port there is no tree.
        layer: Wires of the clock.

    Raises:
        UserError: If the library has no buffer, logic that the clock passes is a loop, a net cannot
            be driven, or the buffers do not fit onto the core.
    """
    design = placement.design
    network = clock_network(design.netlist, design.library, clock)
    if not network.nets:
        return ClockTree(placement=placement, nets=frozenset(), sinks=0, buffers=0, levels=0)
    builder = _Builder(placement, network, layer)
    levels = builder.build()
    netlist = builder.edit.done()
    return ClockTree(
        placement=place_changes(placement, netlist, builder.points_um, left_out=()),
        nets=frozenset(builder.nets),
        sinks=network.sink_count,
        buffers=len(builder.points_um),
        levels=levels,
    )


class _Builder:
    def __init__(self, placement: Placement, network: ClockNetwork, layer: WireLayer) -> None:
        design = placement.design
        self._netlist, self._cells = design.netlist, design.library
        self._network, self._layer = network, layer
        self._strengths = Strengths(self._cells)
        self._buffers = clock_buffers(self._strengths, self._cells)
        self._ahead_s = _AHEAD * self._least_delay_s()
        self.edit = NetlistEdit(self._netlist, self._cells)
        self.nets = set(network.nets)
        self.points_um: dict[int, Point] = {}
        whole = replace(placement, design=design.changed(design.netlist, left_out=()))
        x, y = whole.pins_um()
        self._at: dict[PinOf, Point] = {
            (at, name): (left, low)
            for at, name, left, low in zip(
                whole.design.pin_object.tolist(), whole.design.pin_name,
                x.tolist(), y.tolist(), strict=True,
            )
        }  # fmt: skip
        self._drivers: dict[int, PinOf] = {
            net: (index, pin)
            for index, instance in enumerate(self._netlist.instances)
            for pin, net in instance.pins.items()
            if net in self.nets and self._cells[instance.cell].pins[pin].direction == "output"
        }

    def _least_delay_s(self) -> float:
        """Return the least delay from the clock to an output of the flip-flops, 0 without any."""
        pins = {
            (self._netlist.instances[index].cell, pin)
            for sinks in self._network.sinks.values()
            for index, pin in sinks
        }
        delays = [
            min(edge_delays_s(output, pin, 0.0))
            for cell, pin in pins
            if any(state.kind == "ff" for state in self._cells[cell].sequential)
            for output in self._cells[cell].pins.values()
            if output.direction == "output"
        ]
        return min(delays, default=0.0)

    def build(self) -> int:
        """Add the buffers of all nets, and return the levels of the whole tree."""
        known: dict[int, _Behind] = {}  # by net
        loads_f: dict[int, float] = {}
        for net in self._network.nets:
            nodes = [self._leaf(pin, self._sink(pin)) for pin in self._network.sinks[net]]
            nothing = _Behind(latches=True, loose=True)
            nodes += [self._leaf(pin, nothing) for pin in self._network.others[net]]
            for pin, outputs in self._network.gates[net]:
                behind = _joined(
                    [known[each].after(self._through_s(pin, each, loads_f)) for each in outputs]
                )
                if behind.latches and self._is_logic(pin):
                    behind = replace(behind, loose=True)
                nodes.append(self._leaf(pin, behind))
            top = self._tree(net, nodes)
            known[net] = _joined([node.behind for node in top])
            loads_f[net] = self._load_f(net, top)
            self._connect(net, top)
        return known[self._network.nets[-1]].levels

    def _leaf(self, pin: PinOf, behind: _Behind) -> _Node:
        cell = self._cell(pin)
        load_f = cell.pins[pin[1]].capacitance_f
        return _Node(at=self._at[pin], load_f=load_f, behind=behind, pin=pin)

    def _cell(self, pin: PinOf) -> Cell:
        return self._cells[self.edit.instance(pin[0]).cell]

    def _sink(self, pin: PinOf) -> _Behind:
        states = self._cell(pin).sequential
        return _Behind(latches=bool(states) and all(state.kind == "latch" for state in states))

    def _is_logic(self, pin: PinOf) -> bool:
        """Tell whether a gate is neither a clock gate nor a buffer or inverter."""
        cell = self._cell(pin)
        inputs = sum(each.direction == "input" for each in cell.pins.values())
        return not cell.clock_gate and inputs > 1

    def _through_s(self, pin: PinOf, net: int, loads_f: Mapping[int, float]) -> float:
        """Return the delay of a gate from its clock pin to a net."""
        cell = self._cell(pin)
        output = cell.pins[self._drivers[net][1]]
        rise, fall = edge_delays_s(output, pin[1], loads_f[net])
        return rise if cell.clock_gate else (rise + fall) / 2

    def _tree(self, net: int, nodes: list[_Node]) -> list[_Node]:
        """Return what the driver of a net drives: buffers, and pins that need none."""
        step_s = self._buffers[0].delay_s(self._buffers[0].input_f)  # what a buffer delays by
        ahead_s = max(self._ahead_s, step_s)
        for _ in range(_MOST_STEPS):
            latest_s = _joined([node.behind for node in nodes]).last_s
            early = [
                node
                for node in nodes
                if not node.behind.loose
                and latest_s - node.behind.first_s > ahead_s
                and latest_s - node.behind.last_s > step_s / 2
            ]
            if early:
                first_s = min(node.behind.last_s for node in early)
                early = [node for node in early if node.behind.last_s < first_s + step_s / 2]
                others = [node for node in nodes if node not in early]
                gap_s = latest_s - first_s
                nodes = others + self._buffered(early, gap_s - ahead_s, gap_s)
            elif self._fits(net, nodes):
                return nodes
            else:
                nodes = self._buffered(nodes, 0.0, 0.0)
        raise UserError(f"the clock net {self._name(net)} cannot be driven")

    def _fits(self, net: int, nodes: list[_Node]) -> bool:
        """Tell whether the driver of a net can drive what is left; gates grow for it."""
        if len(nodes) > _FANOUT:
            return False
        driver = self._drivers.get(net)
        if driver is None:  # the port
            return True
        index, pin = driver
        load_f = self._load_f(net, nodes)
        name = self.edit.instance(index).cell
        names = self._strengths.of(name) if self._cells[name].clock_gate else ()
        larger = names[names.index(name) :] if name in names else (name,)
        for each in larger:
            if load_f <= most_f(self._cells[each].pins[pin]):
                self.edit.resize(index, each)
                return True
        return len(nodes) == 1  # more buffers would not help

    def _buffered(self, nodes: list[_Node], least_s: float, most_s: float) -> list[_Node]:
        """Return buffers that drive all nodes, and delay them by a time if they can."""
        most_f = self._buffers[-1].most_f
        groups = _bisected(nodes, math.ceil(len(nodes) / _FANOUT))
        while True:
            loads_f = [self._load_f(None, group) for group in groups]
            heavy = [
                len(group) > 1 and load_f > most_f
                for group, load_f in zip(groups, loads_f, strict=True)
            ]
            if not any(heavy):
                break
            groups = [
                part
                for group, split in zip(groups, heavy, strict=True)
                for part in (_bisected(group, 2) if split else [group])
            ]
        # one cell for all, so that they are alike in delay
        cell = self._buffer(max(loads_f), least_s, most_s)
        return [
            _Node(
                at=_middle(group),
                load_f=cell.input_f,
                behind=_joined([node.behind for node in group]).after(cell.delay_s(load_f)),
                buffer=cell,
                below=group,
            )
            for group, load_f in zip(groups, loads_f, strict=True)
        ]

    def _buffer(self, load_f: float, least_s: float, most_s: float) -> ClockBuffer:
        """Return the smallest buffer whose delay is within bounds, or the slowest below them.

        Where all delay by more, it is a small one that is quick.
        """
        delays = {each: each.delay_s(load_f) for each in self._buffers if load_f <= each.most_f}
        within = [each for each, delay in delays.items() if least_s <= delay <= most_s]
        if within:
            return within[0]
        below = [each for each, delay in delays.items() if delay < least_s]
        if below:
            return max(below, key=lambda each: delays[each])
        return smallest_quick(self._buffers, load_f)

    def _load_f(self, net: int | None, nodes: list[_Node]) -> float:
        """Return what drives some nodes has to drive: pins, and the wire to them.

        The driver is that of a net, or a buffer in their middle.
        """
        points = [node.at for node in nodes]
        if net is None:
            points.append(_middle(nodes))
        elif net in self._drivers:
            points.append(self._at[self._drivers[net]])
        (tree,) = steiner_trees([np.array(points)])
        wire_f = tree.length_um * self._layer.ff_per_um * 1e-15
        return sum(node.load_f for node in nodes) + wire_f

    def _connect(self, net: int, nodes: list[_Node]) -> None:
        """Put what is driven onto a net, and buffers' own nets below."""
        for node in nodes:
            if node.pin is not None:
                index, pin = node.pin
                if self.edit.instance(index).pins[pin] != net:
                    self.edit.reconnect(index, pin, net)
                continue
            buffer = node.buffer
            assert buffer is not None
            number = len(self.points_um) + 1
            below = self.edit.net(f"{MODULE}/net_{number}")
            pins = {buffer.input: net, buffer.output: below}
            self.points_um[self.edit.add(buffer.cell.name, f"{MODULE}/buffer_{number}", pins)] = (
                node.at
            )
            self.nets.add(below)
            self._connect(below, node.below)

    def _name(self, net: int) -> str:
        return next((name for name, at in self._netlist.names.items() if at == net), str(net))


def _middle(nodes: Sequence[_Node]) -> Point:
    x, y = np.median([node.at for node in nodes], axis=0)
    return float(x), float(y)


def _bisected(nodes: list[_Node], parts: int) -> list[list[_Node]]:
    """Return nodes in so many groups of about the same size that lie together."""
    if parts <= 1 or len(nodes) <= 1:
        return [nodes]
    points = np.array([node.at for node in nodes])
    axis = int(np.ptp(points[:, 1]) > np.ptp(points[:, 0]))
    order = np.argsort(points[:, axis], kind="stable").tolist()
    first = parts // 2
    cut = max(1, round(len(nodes) * first / parts))
    left, right = [nodes[at] for at in order[:cut]], [nodes[at] for at in order[cut:]]
    return [*_bisected(left, first), *_bisected(right, parts - first)]
