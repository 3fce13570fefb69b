"""Repair of nets that ask more of their drivers than the library allows.

A net is repaired by a stronger driver, where one is enough; else buffers take over the sinks that
are farthest from it, in clusters by place, as few and as small as serve. The nets of an ideal clock
are left to the clock tree: its buffers relieve the gates, too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from consilico.sim.silicon.kits.kitfile import WireLayer, Wires
from consilico.sim.silicon.layout.detailed_placement import refine
from consilico.sim.silicon.layout.driving import NetDriver, Nets, NetSink, Point
from consilico.sim.silicon.layout.limits import Loads, OverLimit, find_loads, over_limits
from consilico.sim.silicon.layout.place import place_changes
from consilico.sim.silicon.layout.placement import Placement
from consilico.sim.silicon.layout.wires import NetWire, route
from consilico.sim.silicon.liberty.library import Cell, Library
from consilico.sim.silicon.liberty.strengths import Strengths
from consilico.sim.silicon.netlist.edit import NetlistEdit

__all__ = ["Repaired", "repair"]

_ROUNDS = 6  # a large net takes a tree of buffers, a level per round
_STEPS = 16  # shares of a net's sinks that are tried to stay with their driver
_CLUSTERS = 64  # of one net, at most in a round


@dataclass(frozen=True, kw_only=True, eq=False)
class Repaired:
    """A laid-out netlist after repair."""

    placement: Placement
    wires: tuple[NetWire, ...]
    over_limit: tuple[OverLimit, ...]  # what could not be repaired
    buffers: int  # added
    resized: int  # cells that became stronger


def repair(placement: Placement, library: Library, wires: Wires) -> Repaired:
    """Return a layout whose nets keep the limits of the library, as far as it can be made.

    Args:
        placement: Legal. Clock nets that are left out of its design have an ideal clock.
        library: Its cells, of which mapping may choose.
        wires: What a micrometer has.

    Raises:
        UserError: If what is added does not fit onto the core.
    """
    strengths = Strengths(library.cells)
    buffers = resized = 0
    best: Repaired | None = None
    for last in range(_ROUNDS + 1):
        routed = route(placement, wires)
        loads = find_loads(placement.design, routed, library)
        found = over_limits(loads)
        if best is None or len(found) < len(best.over_limit):
            best = Repaired(
                placement=placement, wires=routed, over_limit=found, buffers=buffers,
                resized=resized,
            )  # fmt: skip
        if not found or last == _ROUNDS:
            break
        step = _Step(placement, loads, library, wires.signal, strengths)
        step.run(found)
        if not step.buffers and not step.resized:
            break
        buffers, resized = buffers + step.buffers, resized + step.resized
        placement = place_changes(placement, step.edit.done(), step.points_um)
        if step.buffers:
            placement = refine(placement, passes=1)
    assert best is not None
    return best


class _Step:
    """One round of repairs, on the loads that it begins with."""

    def __init__(
        self,
        placement: Placement,
        loads: Loads,
        library: Library,
        layer: WireLayer,
        strengths: Strengths,
    ) -> None:
        design = placement.design
        self.netlist, self.library, self.strengths = design.netlist, library, strengths
        self.edit = NetlistEdit(design.netlist, design.library)
        self.nets = Nets(placement, loads, library, layer, self.edit)
        self.points_um: dict[int, Point] = {}
        self.buffers = self.resized = 0
        self.names: dict[int, str] = {}
        for name, net in design.netlist.names.items():
            self.names.setdefault(net, name)
        self.divided: set[int] = set()  # nets that have lost sinks to buffers

    def run(self, found: Sequence[OverLimit]) -> None:
        """Repair the nets of the pins found, each once."""
        pins = {each.name: each.pins for each in self.netlist.instances}
        over = {
            pins[instance][pin] for instance, _, pin in (each.pin.rpartition("/") for each in found)
        }
        for net in sorted(over):
            if net in self.nets and not self.strengthen(net):
                self.divide(net)

    def strengthen(self, net: int) -> bool:
        """Give a net the smallest driver that serves it, if that does not overload others."""
        index = self.nets.driver(net)
        if index is None:
            return False
        instance = self.edit.instance(index)
        was = self.library.cells[instance.cell]
        for name in self.strengths.of(was.name):
            cell = self.library.cells[name]
            if name != was.name and self.nets.serves(index, cell):
                more = {
                    own: cell.pins[pin].capacitance_f - was.pins[pin].capacitance_f
                    for pin, own in instance.pins.items()
                    if cell.pins[pin].direction == "input"
                }
                if all(self.bears(own, farads) for own, farads in more.items()):
                    self.edit.resize(index, name)
                    self.resized += 1
                    return True
        return False

    def bears(self, net: int, more_f: float) -> bool:
        """Tell whether the driver of a net may drive some farads more."""
        if more_f <= 0 or net not in self.nets:
            return True
        if net in self.divided:
            return False  # its load is no longer known
        source = self.nets.source(net)
        return self.nets.fits(source, [*self.nets.sinks(net), NetSink(at=source.at, farads=more_f)])

    def divide(self, net: int) -> None:
        """Put buffers between a net and the sinks that its driver cannot serve."""
        source, sinks = self.nets.source(net), self.nets.sinks(net)
        x, y = source.at
        sinks.sort(key=lambda s: (s.index is not None, abs(s.at[0] - x) + abs(s.at[1] - y)))
        bound = sum(sink.index is None for sink in sinks)  # ports stay on their net
        best: tuple[bool, float, str, int, list[list[NetSink]]] | None = None
        for name in self.strengths.buffers:
            cell = self.library.cells[name]
            for kept in sorted(
                {bound + (len(sinks) - bound) * step // _STEPS for step in range(_STEPS)},
                reverse=True,
            ):
                clusters = self.clusters(cell, source, sinks[kept:])
                if clusters is None:
                    continue
                entries = [_entry(cell, cluster, source.at) for cluster in clusters]
                serves = self.nets.fits(source, [*sinks[:kept], *entries])
                if not serves and (kept > bound or len(clusters) >= len(sinks) - kept):
                    continue
                found = (not serves, cell.area_um2 * len(clusters), name, kept, clusters)
                if best is None or found[:2] < best[:2]:
                    best = found
                if serves:
                    break
        if best is None:
            return
        _, _, name, _, clusters = best
        for cluster in clusters:
            self.buffer(net, self.library.cells[name], cluster, source.at)
        self.divided.add(net)

    def clusters(
        self, cell: Cell, source: NetDriver, sinks: list[NetSink]
    ) -> list[list[NetSink]] | None:
        """Divide sinks by place until a buffer serves each part; None: it cannot."""
        (pin,) = (pin.name for pin in cell.pins.values() if pin.direction != "input")
        slew_s = self.limit_s(source)
        waiting, found = [sinks], []
        while waiting:
            part = waiting.pop()
            at = _nearest(part, source.at)
            if self.nets.fits(NetDriver(cell=cell, pin=pin, at=at, slew_s=slew_s), part):
                found.append(part)
            elif len(part) == 1 or len(found) + len(waiting) > _CLUSTERS:
                return None
            else:
                points = np.array([sink.at for sink in part])
                axis = int(np.ptp(points, axis=0).argmax())
                part = sorted(part, key=lambda sink: (sink.at[axis], sink.at[1 - axis]))
                waiting += [part[: len(part) // 2], part[len(part) // 2 :]]
        return found

    def limit_s(self, source: NetDriver) -> float:
        """Return the slowest edge that the output of a source may have."""
        limit = None if source.cell is None else source.cell.pins[source.pin].max_transition_s
        return source.slew_s if limit is None else limit

    def buffer(self, net: int, cell: Cell, sinks: Iterable[NetSink], towards: Point) -> None:
        """Add one buffer in front of some sinks of a net."""
        sinks = list(sinks)
        name = self.names.get(net, f"net_{net}")
        new = self.edit.net(f"{name}_buffered")
        pins = {pin.name: net if pin.direction == "input" else new for pin in cell.pins.values()}
        index = self.edit.add(cell.name, f"{name}_buffer", pins)
        self.points_um[index] = _nearest(sinks, towards)
        for sink in sinks:
            assert sink.index is not None
            self.edit.reconnect(sink.index, sink.pin, new)
        self.buffers += 1


def _entry(cell: Cell, sinks: Sequence[NetSink], towards: Point) -> NetSink:
    """Return the input of a buffer in front of some sinks."""
    (pin,) = (pin for pin in cell.pins.values() if pin.direction == "input")
    return NetSink(
        index=0, pin=pin.name, at=_nearest(sinks, towards), farads=pin.capacitance_f,
        fanout=pin.fanout_load, slew_s=pin.max_transition_s,
    )  # fmt: skip


def _nearest(sinks: Sequence[NetSink], towards: Point) -> Point:
    """Return the point of the sinks' bounding box that is nearest to another one."""
    xs, ys = [sink.at[0] for sink in sinks], [sink.at[1] for sink in sinks]
    return (
        min(max(towards[0], min(xs)), max(xs)),
        min(max(towards[1], min(ys)), max(ys)),
    )
