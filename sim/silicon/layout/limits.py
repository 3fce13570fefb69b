"""Demands of a laid-out netlist on its cells beyond the limits that their library states.

A limit holds of a pin: the capacitance that an output drives, wires included; the slew at an output
or an input; the number of inputs on a net. Slews are those of NLDM tables at the whole load of a
net (which is a little more than a driver sees through the wire's resistance), and at an input also
of its wire: the root of the sum of the squares of both, the wire's slew being that of an
exponential with the Elmore delay as its time constant (PERI: Kashyap et al., 2002).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from consilico.sim.base.facts import Facts
from consilico.sim.silicon.kits.kitfile import WireLayer
from consilico.sim.silicon.layout.placement import PlaceableDesign, Reals
from consilico.sim.silicon.layout.steiner import SteinerTree
from consilico.sim.silicon.layout.wires import NetWire
from consilico.sim.silicon.liberty.library import Library
from consilico.sim.silicon.power.arrays import Bits, NetlistArrays, arrange
from consilico.sim.silicon.power.slews import Clocking, Slews, clock_network, slews

__all__ = ["Loads", "OverLimit", "elmore_s", "find_loads", "over_limits"]

Kind = Literal["capacitance_ff", "transition_ns", "fanout"]
_ROUNDING = 1e-6  # relative: what is over a limit by less is at it


@dataclass(frozen=True, kw_only=True)
class OverLimit(Facts):
    """A pin that exceeds a limit of its library."""

    pin: str  # instance/pin
    kind: Kind  # what is limited, with the unit of value and limit
    value: float
    limit: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Loads:
    """Loads of the drivers of a laid-out netlist, and the slews that follow."""

    design: PlaceableDesign
    arrays: NetlistArrays  # loads with wires
    ideal: Bits  # (nets,), of an ideal clock: neither load nor slew counts there
    slews: Slews  # at the drivers
    pin_f: Reals  # (pins of the design,), capacitance of the pin, 0 of a port
    along_s: Reals  # (nets,), the largest slew that the wire adds
    wire_s: Reals  # (pins of the design,), slew that the wire adds up to the pin
    fanout: Reals  # (nets,), sum of the fan-out loads

    def end_slew_s(self, net: int) -> float:
        """Return the slowest edge at a sink of a net, 0 where it has no edge."""
        at_driver = max(0.0, float(self.slews.rise_s[net]), float(self.slews.fall_s[net]))
        return float(np.hypot(at_driver, self.along_s[net]))


def find_loads(design: PlaceableDesign, wires: Sequence[NetWire], library: Library) -> Loads:
    """Return loads and slews of a laid-out netlist.

    Args:
        design: The netlist. A net that is left out of it is the root of an ideal clock; without
            any, the clock is a net like others.
        wires: Its wires.
        library: Its cells.
    """
    names: dict[int, str] = {}
    for name, net in design.netlist.names.items():
        names.setdefault(net, name)
    arrays = arrange(
        design.netlist, library.cells, {names[wire.net]: wire.capacitance_f for wire in wires}
    )
    free = np.zeros(arrays.net_count, dtype=np.bool_)
    clocking = Clocking(free, free)
    for net in design.left_out:
        clocking = Clocking(clocking.network | clock_network(arrays, net).network, free)
    wire_s = np.zeros(len(design.pin_object))
    along_s = np.zeros(arrays.net_count)
    pin_f = _pin_capacitances_f(design)
    for wire in wires:
        drivers = np.flatnonzero(design.pin_drives[wire.pins])
        if len(drivers):
            delays = elmore_s(wire.tree, wire.layer, pin_f[wire.pins], int(drivers[0]))
            wire_s[wire.pins] = library.slew_per_tau * delays
            along_s[wire.net] = library.slew_per_tau * float(delays.max())
    fanout = np.zeros(arrays.net_count)
    for group in arrays.groups:
        for name, pin in group.cell.pins.items():
            if pin.direction == "input":
                np.add.at(fanout, group.nets[name], pin.fanout_load)
    return Loads(
        design=design,
        arrays=arrays,
        ideal=clocking.network,
        slews=slews(arrays, clocking, along_s),
        pin_f=pin_f,
        along_s=along_s,
        wire_s=wire_s,
        fanout=fanout,
    )


def _pin_capacitances_f(design: PlaceableDesign) -> Reals:
    found = np.zeros(len(design.pin_object))
    for index, (at, name) in enumerate(
        zip(design.pin_object.tolist(), design.pin_name, strict=True)
    ):
        if at < design.cells:
            found[index] = (
                design.library[design.netlist.instances[at].cell].pins[name].capacitance_f
            )
    return found


def elmore_s(tree: SteinerTree, layer: WireLayer, pin_f: Reals, root: int) -> Reals:
    """Return the Elmore delay from one pin of a net to each of its pins, in s.

    Args:
        tree: Wire of the net.
        layer: What a micrometer of it has.
        pin_f: Capacitances of the pins, which are the first points of the tree.
        root: The pin that drives.
    """
    farads = tree.lengths_um * layer.ff_per_um * 1e-15 / 2
    ohms = tree.lengths_um * layer.ohm_per_um
    below = [*pin_f.tolist(), *([0.0] * (len(tree.points) - len(pin_f)))]
    neighbors: list[list[tuple[int, float]]] = [[] for _ in below]
    for (one, other), half, ohm in zip(
        tree.edges.tolist(), farads.tolist(), ohms.tolist(), strict=True
    ):
        below[one] += half
        below[other] += half
        neighbors[one].append((other, ohm))
        neighbors[other].append((one, ohm))
    order = [(root, root, 0.0)]
    for node, parent, _ in order:  # which grows
        order += [(child, node, ohm) for child, ohm in neighbors[node] if child != parent]
    for node, parent, _ in reversed(order[1:]):
        below[parent] += below[node]
    at = [0.0] * len(below)
    for node, parent, ohm in order[1:]:
        at[node] = at[parent] + ohm * below[node]
    return np.array(at[: len(pin_f)])


def over_limits(loads: Loads) -> tuple[OverLimit, ...]:
    """Return every pin that exceeds a limit of its library, by name of the pin."""
    return tuple(sorted(_found(loads), key=lambda each: (each.pin, each.kind)))


def _found(loads: Loads) -> Iterator[OverLimit]:
    instances = loads.design.netlist.instances
    load_f, arrays = loads.arrays.load_f, loads.arrays
    slew_s = np.maximum(np.maximum(loads.slews.rise_s, loads.slews.fall_s), 0.0)
    wire_s = _by_pin(loads)
    for group in arrays.groups:
        for name, pin in group.cell.pins.items():
            nets = group.nets[name]
            drives = pin.direction != "input"
            values: list[tuple[Kind, Reals, float | None]] = []
            if drives:
                values = [
                    ("capacitance_ff", load_f[nets] * 1e15, _scaled(pin.max_capacitance_f, 1e15)),
                    ("fanout", loads.fanout[nets], pin.max_fanout),
                ]
            if pin.max_transition_s is not None:
                at = slew_s[nets]
                if not drives:
                    own = [wire_s.get((index, name), 0.0) for index in group.instances.tolist()]
                    at = np.hypot(at, np.array(own))
                values.append(("transition_ns", at * 1e9, _scaled(pin.max_transition_s, 1e9)))
            for kind, value, limit in values:
                if limit is None:
                    continue
                for row in np.flatnonzero((value > limit * (1 + _ROUNDING)) & ~loads.ideal[nets]):
                    yield OverLimit(
                        pin=f"{instances[int(group.instances[row])].name}/{name}",
                        kind=kind,
                        value=float(value[row]),
                        limit=limit,
                    )


def _by_pin(loads: Loads) -> dict[tuple[int, str], float]:
    design = loads.design
    pins = zip(design.pin_object.tolist(), design.pin_name, loads.wire_s.tolist(), strict=True)
    return {(at, name): slew for at, name, slew in pins}


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
