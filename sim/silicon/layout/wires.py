"""Wires of a placed design: a Steiner tree for each net, with its resistance and capacitance."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from consilico.sim.silicon.kits.kitfile import WireLayer, Wires
from consilico.sim.silicon.layout.placement import Indices, Placement, Reals
from consilico.sim.silicon.layout.steiner import SteinerTree, steiner_trees

__all__ = ["NetWire", "route"]


@dataclass(frozen=True, kw_only=True, eq=False)
class NetWire:
    """The wire of one net."""

    net: int  # number in the netlist
    pins: Indices  # indices of the design's pins, which are the tree's first points
    tree: SteinerTree
    layer: WireLayer

    @property
    def length_um(self) -> float:
        """Return the length of the wire, in um."""
        return self.tree.length_um

    @property
    def capacitance_f(self) -> float:
        """Return the capacitance of the wire, in F."""
        return self.length_um * self.layer.ff_per_um * 1e-15

    def node_capacitances_f(self) -> Reals:
        """Return the capacitance at each point of the tree: half of each edge that ends there."""
        halves = self.tree.lengths_um * self.layer.ff_per_um * 1e-15 / 2
        found = np.zeros(len(self.tree.points))
        np.add.at(found, self.tree.edges.ravel(), np.repeat(halves, 2))
        return found

    def edge_resistances_ohm(self) -> Reals:
        """Return the resistance of each edge of the tree."""
        return self.tree.lengths_um * self.layer.ohm_per_um


def route(
    placement: Placement, wires: Wires, clock_nets: Collection[int] = ()
) -> tuple[NetWire, ...]:
    """Return the wires of a placement, each as short as a Steiner tree, in the order of the nets.

    Args:
        placement: Where the pins lie.
        wires: What a micrometer has.
        clock_nets: Nets that take the layer of the clock.
    """
    design = placement.design
    x, y = placement.pins_um()
    places = np.stack([x, y], axis=1)
    spans = [
        np.arange(start, end)
        for start, end in zip(design.starts[:-1].tolist(), design.starts[1:].tolist(), strict=True)
    ]
    trees = steiner_trees([places[span] for span in spans])
    return tuple(
        NetWire(
            net=net,
            pins=span,
            tree=tree,
            layer=wires.clock if net in clock_nets else wires.signal,
        )
        for net, span, tree in zip(design.nets.tolist(), spans, trees, strict=True)
    )
