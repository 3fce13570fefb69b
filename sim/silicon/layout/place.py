"""Placement of a mapped netlist: ports on the edge, cells on rows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.base.progress import Progress, silent
from consilico.sim.silicon.layout.detailed_placement import refine
from consilico.sim.silicon.layout.legalization import legalize
from consilico.sim.silicon.layout.placement import (
    Core,
    PlaceableDesign,
    Placement,
    Reals,
    plan_core,
)
from consilico.sim.silicon.netlist.netlist import Netlist

__all__ = ["PlacementOptions", "nearest_slots", "place", "place_changes", "port_slots"]


@dataclass(frozen=True, kw_only=True)
class PlacementOptions:
    """Options of a placement.

    Raises:
        UserError: If an option is not accepted.
    """

    utilization: float = 0.7  # area of the cells over that of the core
    aspect: float = 1.0  # height over width of the core, about
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.utilization <= 1:
            raise UserError(
                f"the utilization must be above 0 and at most 1, not {self.utilization:g}"
            )
        if not 0.1 <= self.aspect <= 10:
            raise UserError(f"the aspect of the core must be from 0.1 to 10, not {self.aspect:g}")
        if not 0 <= self.seed < 1 << 32:
            raise UserError(f"the seed of a placement must be from 0 to 2^32 - 1, not {self.seed}")


def place(
    design: PlaceableDesign, options: PlacementOptions, progress: Progress = silent
) -> Placement:
    """Place a design.

    A first placement, with the ports evenly along the edge in their order, says which port belongs
    where; the ports change places, and the second placement counts.

    Args:
        design: Cells and pins.
        options: How.
        progress: Called with the step, steps done and steps in all.

    Raises:
        UserError: If the cells do not fit.
    """
    from consilico.sim.silicon.layout.global_placement import global_placement  # torch

    core = plan_core(design, options.utilization, options.aspect)
    slots = port_slots(core, len(design.ports))
    progress("placement", 0, 4)
    x, y = global_placement(design, core, slots, options.seed)
    ports = nearest_slots(design, slots, x, y)
    progress("placement", 1, 4)
    x, y = global_placement(design, core, ports, options.seed)
    progress("placement", 2, 4)
    x, y = legalize(design.widths_um, core, x, y)
    progress("placement", 3, 4)
    return refine(
        Placement(
            design=design,
            core=core,
            x_um=x,
            y_um=y,
            flipped=np.zeros(design.cells, dtype=np.bool_),
            port_xy_um=ports,
        )
    )


def place_changes(
    placement: Placement,
    netlist: Netlist,
    points_um: Mapping[int, tuple[float, float]],
    left_out: Collection[int] | None = None,
) -> Placement:
    """Return a legal placement of a changed netlist on the same core, with little movement.

    Args:
        placement: Legal, of the netlist before the changes.
        netlist: What :class:`consilico.sim.silicon.netlist.edit.NetlistEdit` made of it: the old
            cells under their old numbers, perhaps of other widths, then new ones.
        points_um: Where the middle of a cell is wanted, by its number: of each new cell, and of
            old ones that are to lie elsewhere. The other cells stay where they are as far as
            there is room.
        left_out: Nets that pull no cell and get no wire; None: the same as before.

    Raises:
        ValueError: If a new cell has no point, or the netlist has fewer cells or other ports.
        UserError: If the cells do not fit onto the core.
    """
    old, design = placement.design, placement.design.changed(netlist, left_out)
    if design.cells < old.cells or len(design.ports) != len(old.ports):
        raise ValueError("the netlist does not follow from the placed one")
    core = placement.core
    middle_x, middle_y = np.full(design.cells, np.nan), np.full(design.cells, np.nan)
    middle_x[: old.cells] = placement.x_um + old.widths_um / 2
    middle_y[: old.cells] = placement.y_um + core.row_um / 2
    for index, (x, y) in points_um.items():
        middle_x[index], middle_y[index] = x, y
    if np.isnan(middle_x).any():
        raise ValueError(f"nothing says where the new cell {int(np.isnan(middle_x).argmax())} goes")
    x_um, y_um = legalize(
        design.widths_um, core, middle_x - design.widths_um / 2, middle_y - core.row_um / 2
    )
    flipped = np.zeros(design.cells, dtype=np.bool_)
    flipped[: old.cells] = placement.flipped
    return replace(placement, design=design, x_um=x_um, y_um=y_um, flipped=flipped)


def port_slots(core: Core, count: int) -> Reals:
    """Return places for ports, evenly along the edge, counterclockwise from the lower left."""
    width, height = core.width_um, core.height_um
    along = (np.arange(count) + 0.5) * 2 * (width + height) / max(count, 1)
    corners = np.cumsum([0.0, width, height, width, height])
    x = np.interp(along, corners, [0.0, width, width, 0.0, 0.0])
    y = np.interp(along, corners, [0.0, 0.0, height, height, 0.0])
    return np.stack([x, y], axis=1)


def nearest_slots(design: PlaceableDesign, slots: Reals, x_um: Reals, y_um: Reals) -> Reals:
    """Return the places of the ports: the slots, given to the ports whose cells are near.

    The sum of the distances from each port to the middle of the cells on its net is least.
    """
    from scipy.optimize import linear_sum_assignment

    where: dict[int, tuple[float, float]] = {}
    middle_x, middle_y = x_um + design.widths_um / 2, y_um + design.row_um / 2
    for index, net in enumerate(design.nets.tolist()):
        at = design.pin_object[design.starts[index] : design.starts[index + 1]]
        at = at[at < design.cells]
        if len(at):
            where[net] = float(middle_x[at].mean()), float(middle_y[at].mean())
    centre = float(slots[:, 0].mean()), float(slots[:, 1].mean())
    wanted = np.array([where.get(port.net, centre) for port in design.ports]).reshape(-1, 2)
    distance = np.abs(wanted[:, None, :] - slots[None, :, :]).sum(-1)
    _, chosen = linear_sum_assignment(distance)
    ports: Reals = slots[chosen]
    return ports
