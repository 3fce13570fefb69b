"""Load that a net's driver can bear: the sinks of nets on a placement, and drivers for them.

Netlists are looked at while they are changed: a pin has the capacitance of what its cell is by now,
slews are those of the layout that the changes begin with.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from consilico.sim.silicon.kits.kitfile import WireLayer
from consilico.sim.silicon.layout.limits import Loads, elmore_s
from consilico.sim.silicon.layout.placement import Placement, Reals
from consilico.sim.silicon.layout.steiner import steiner_trees
from consilico.sim.silicon.liberty.library import Cell, Library
from consilico.sim.silicon.netlist.edit import NetlistEdit

__all__ = ["NetDriver", "NetSink", "Nets", "Point"]

_MARGIN = 0.95  # of a limit, as cells still move a little

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class NetSink:
    """A pin on a net that is driven; a port has no index."""

    at: Point
    index: int | None = None  # of the instance
    pin: str = ""
    farads: float = 0.0
    fanout: float = 0.0
    slew_s: float | None = None  # limit


@dataclass(frozen=True, kw_only=True)
class NetDriver:
    """An output pin with the slew that its cell's inputs see, or a port, which has no cell."""

    cell: Cell | None
    pin: str
    at: Point
    slew_s: float


class Nets:
    """The nets of a placement, whose netlist is being changed.

    Args:
        placement: Where pins lie.
        loads: Loads and slews before the changes.
        library: Cells.
        layer: What a micrometer of wire has.
        edit: The changes.
    """

    def __init__(
        self,
        placement: Placement,
        loads: Loads,
        library: Library,
        layer: WireLayer,
        edit: NetlistEdit,
    ) -> None:
        self._design, self._loads, self._library = placement.design, loads, library
        self._layer, self._edit = layer, edit
        x, y = placement.pins_um()
        self._places = list(zip(x.tolist(), y.tolist(), strict=True))
        self._index = {int(net): index for index, net in enumerate(self._design.nets)}

    def __contains__(self, net: int) -> bool:
        """Tell whether a net has a driver and sinks that are known, and no ideal wire."""
        return net in self._index and not self._loads.ideal[net]

    def serves(self, index: int, cell: Cell) -> bool:
        """Tell whether an instance, were it of another cell, would serve all that it drives."""
        pins = self._edit.instance(index).pins
        outputs = [net for pin, net in pins.items() if cell.pins[pin].direction != "input"]
        return all(
            self.fits(self.source(net, cell), self.sinks(net)) for net in outputs if net in self
        )

    def fits(self, source: NetDriver, sinks: Sequence[NetSink]) -> bool:
        """Tell whether a source serves some sinks within all limits, with a wire between them."""
        points = np.array([source.at, *(sink.at for sink in sinks)])
        (tree,) = steiner_trees([points])
        farads = np.array([0.0, *(sink.farads for sink in sinks)])
        load = float(farads.sum()) + tree.length_um * self._layer.ff_per_um * 1e-15
        slew_s = 0.0
        if source.cell is not None:
            pin = source.cell.pins[source.pin]
            slew_s = _slew_s(source.cell, source.pin, source.slew_s, load)
            fanout = sum(sink.fanout for sink in sinks)
            if pin.max_fanout is not None and fanout > pin.max_fanout:
                return False
            for value, limit in ((load, pin.max_capacitance_f), (slew_s, pin.max_transition_s)):
                if limit is not None and value > _MARGIN * limit:
                    return False
        limits = [sink.slew_s for sink in sinks]
        if all(limit is None for limit in limits):
            return True
        delays = self._library.slew_per_tau * elmore_s(tree, self._layer, farads, 0)[1:]
        ends: Reals = np.hypot(slew_s, delays)
        return all(
            limit is None or end <= _MARGIN * limit
            for end, limit in zip(ends.tolist(), limits, strict=True)
        )

    def driver(self, net: int) -> int | None:
        """Return the instance that drives a net; None: a port does."""
        return next((at for at, _, drives, _ in self.pins(net) if drives), None)

    def source(self, net: int, cell: Cell | None = None) -> NetDriver:
        """Return what drives a net, or would if it were of another cell."""
        for index, pin, drives, at in self.pins(net):
            if not drives:
                continue
            if index is None:
                return NetDriver(cell=None, pin="", at=at, slew_s=0.0)
            instance = self._edit.instance(index)
            own = self._library.cells[instance.cell]
            slews = [
                self._loads.end_slew_s(entry)
                for name, entry in instance.pins.items()
                if own.pins[name].direction == "input"
            ]
            return NetDriver(cell=cell or own, pin=pin, at=at, slew_s=max(slews, default=0.0))
        raise ValueError(f"nothing drives net {net}")

    def sinks(self, net: int) -> list[NetSink]:
        """Return what a net drives."""
        found = []
        for index, pin, drives, at in self.pins(net):
            if drives:
                continue
            if index is None:
                found.append(NetSink(at=at))
                continue
            own = self._library.cells[self._edit.instance(index).cell].pins[pin]
            found.append(
                NetSink(
                    at=at,
                    index=index,
                    pin=pin,
                    farads=own.capacitance_f,
                    fanout=own.fanout_load,
                    slew_s=own.max_transition_s,
                )
            )
        return found

    def pins(self, net: int) -> Iterator[tuple[int | None, str, bool, Point]]:
        """Yield instance, pin, whether it drives, and place of each pin of a net."""
        design, number = self._design, self._index[net]
        for at in range(int(design.starts[number]), int(design.starts[number + 1])):
            index = int(design.pin_object[at])
            yield (
                index if index < design.cells else None,
                design.pin_name[at],
                bool(design.pin_drives[at]),
                self._places[at],
            )


def _slew_s(cell: Cell, pin: str, slew_s: float, load_f: float) -> float:
    """Return the slowest edge of an output, whichever input causes it."""
    slew, load = np.array([slew_s]), np.array([load_f])
    found = [
        float(table.lookup(slew, load)[0])
        for arc in cell.pins[pin].timing
        for table in (arc.rise_transition, arc.fall_transition)
        if table is not None
    ]
    return max(found, default=0.0)
