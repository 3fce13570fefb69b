"""Placement of a netlist: the cells, the rows, and where each cell came to lie."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.layout.lef import Footprint
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.netlist.netlist import HIGH, LOW, Netlist

__all__ = ["Core", "PlaceableDesign", "Placement", "PortBit", "placeable", "plan_core"]

Reals = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PortBit:
    """One bit of a port of the top module."""

    name: str  # such as ``i_payload[3]``
    net: int
    direction: str  # "input" or "output"


@dataclass(frozen=True, kw_only=True)
class Core:
    """The rectangle of rows that cells are placed in; the lower left corner is at (0, 0)."""

    width_um: float
    rows: int
    row_um: float  # height of a row
    site_um: float  # step of the places within a row

    @property
    def height_um(self) -> float:
        """Return the height of all rows together."""
        return self.rows * self.row_um

    @property
    def area_um2(self) -> float:
        """Return the area of the rectangle that holds all rows."""
        return self.width_um * self.height_um


@dataclass(frozen=True, kw_only=True, eq=False)
class PlaceableDesign:
    """A netlist as a placer sees it: objects, which are the cells and then the ports, and pins.

    Pins are sorted by net; the pins of net ``k`` of :attr:`nets` are those from ``starts[k]`` to
    ``starts[k + 1]``. Nets with one pin, constants and nets that are left out have none.
    """

    netlist: Netlist
    library: Mapping[str, Cell]
    footprints: Mapping[str, Footprint]  # from LEF, where there is one
    left_out: frozenset[int]  # nets that pull no cell
    ports: tuple[PortBit, ...]
    widths_um: Reals  # of cells
    row_um: float
    site_um: float
    nets: Indices  # numbers of the netlist's nets
    starts: Indices  # one more than nets
    pin_object: Indices
    pin_name: tuple[str, ...]  # of the cell's pin; empty for ports
    pin_drives: NDArray[np.bool_]  # whether it is a cell's output or the input of the module
    pin_x_um: Reals  # from the cell's lower left corner, unflipped; 0 for ports
    pin_y_um: Reals

    @property
    def cells(self) -> int:
        """Return the number of cells that are placed."""
        return len(self.widths_um)

    @property
    def area_um2(self) -> float:
        """Return the area of all cells together."""
        return float(self.widths_um.sum() * self.row_um)

    def changed(
        self, netlist: Netlist, left_out: Collection[int] | None = None
    ) -> "PlaceableDesign":
        """Return the design of a changed netlist with the same library and rows.

        Args:
            netlist: Of cells of the same library.
            left_out: Nets that pull no cell; None: the same as before.

        Raises:
            UserError: If a cell has no area, or is higher than a row.
        """
        left_out = self.left_out if left_out is None else left_out
        return placeable(
            netlist, self.library, self.row_um, self.site_um, self.footprints, left_out
        )

    @cached_property
    def pin_net(self) -> Indices:
        """Index in :attr:`nets` of each pin's net."""
        return np.repeat(np.arange(len(self.nets)), np.diff(self.starts))


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """Places of the cells of a design: lower left corners, in um.

    Cells in odd rows are mirrored at a horizontal axis, so that rows share their supply rails;
    ``flipped`` cells at a vertical one.
    """

    design: PlaceableDesign
    core: Core
    x_um: Reals
    y_um: Reals
    flipped: NDArray[np.bool_]
    port_xy_um: Reals  # shape (ports, 2)

    def pins_um(self) -> tuple[Reals, Reals]:
        """Return x and y of every pin, in the order of the design's pins."""
        design = self.design
        at, cells = design.pin_object, design.cells
        is_cell = at < cells
        cell = np.where(is_cell, at, 0)
        port = np.where(is_cell, 0, at - cells)
        odd = np.round(self.y_um / self.core.row_um).astype(np.int64) % 2 == 1
        across = np.where(
            self.flipped[cell], design.widths_um[cell] - design.pin_x_um, design.pin_x_um
        )
        up = np.where(odd[cell], self.core.row_um - design.pin_y_um, design.pin_y_um)
        ports = self.port_xy_um if len(self.port_xy_um) else np.zeros((1, 2))
        x = np.where(is_cell, self.x_um[cell] + across, ports[port, 0])
        y = np.where(is_cell, self.y_um[cell] + up, ports[port, 1])
        return x, y

    def half_perimeters_um(self) -> Reals:
        """Return half the perimeter of each net's bounding box, in the order of the nets."""
        x, y = self.pins_um()
        starts = self.design.starts[:-1]
        across: Reals = np.maximum.reduceat(x, starts) - np.minimum.reduceat(x, starts)
        up: Reals = np.maximum.reduceat(y, starts) - np.minimum.reduceat(y, starts)
        return across + up

    @property
    def wirelength_um(self) -> float:
        """Half-perimeter wirelength of all nets."""
        return float(self.half_perimeters_um().sum()) if len(self.design.nets) else 0.0

    def moved(self, x_um: Reals, y_um: Reals) -> "Placement":
        """Return the placement with its cells elsewhere."""
        return replace(self, x_um=x_um, y_um=y_um)

    def problems(self) -> list[str]:
        """Return what is not legal: cells that overlap, or are off the rows, sites or the core."""
        found = []
        row = np.round(self.y_um / self.core.row_um).astype(np.int64)
        ends = self.x_um + self.design.widths_um
        if np.abs(self.y_um - row * self.core.row_um).max(initial=0) > 1e-6:
            found.append("a cell is off its row")
        if row.min(initial=0) < 0 or row.max(initial=0) >= self.core.rows:
            found.append("a cell is outside of the rows")
        if self.x_um.min(initial=0) < -1e-6 or ends.max(initial=0) > self.core.width_um + 1e-6:
            found.append("a cell leaves its row")
        sites = self.x_um / self.core.site_um
        if np.abs(sites - np.round(sites)).max(initial=0) > 1e-4:
            found.append("a cell is off its site")
        order = np.lexsort((self.x_um, row))
        same = row[order][1:] == row[order][:-1]
        if np.any(same & (self.x_um[order][1:] < ends[order][:-1] - 1e-6)):
            found.append("two cells overlap")
        return found


def placeable(
    netlist: Netlist,
    cells: Mapping[str, Cell],
    row_um: float,
    site_um: float,
    footprints: Mapping[str, Footprint] | None = None,
    left_out: Collection[int] = (),
) -> PlaceableDesign:
    """Return a netlist as cells and pins to place.

    Args:
        netlist: Flat netlist.
        cells: Cells of its library.
        row_um: Height of a row.
        site_um: Step of places in a row; widths are rounded up to it.
        footprints: Sizes and pins from LEF. A cell that is not in it is as wide as its area over
            the row height says, with all pins in its middle.
        left_out: Nets that pull no cell, such as the clock.

    Raises:
        UserError: If a cell has no area, or is higher than a row.
    """
    footprints = footprints or {}
    widths = []
    offsets: list[dict[str, tuple[float, float]]] = []
    by_type: dict[str, tuple[float, dict[str, tuple[float, float]]]] = {}
    for instance in netlist.instances:
        if instance.cell not in by_type:
            by_type[instance.cell] = _outline(
                cells[instance.cell], footprints.get(instance.cell), row_um, site_um
            )
        width, pins = by_type[instance.cell]
        widths.append(width)
        offsets.append(pins)
    ports = tuple(_port_bits(netlist))
    pins_of: dict[int, list[tuple[int, float, float, str]]] = {}
    for index, instance in enumerate(netlist.instances):
        for pin, net in instance.pins.items():
            pins_of.setdefault(net, []).append((index, *offsets[index][pin], pin))
    for index, port in enumerate(ports):
        pins_of.setdefault(port.net, []).append((len(widths) + index, 0.0, 0.0, ""))
    skipped = {LOW, HIGH, *left_out}
    nets = sorted(net for net, pins in pins_of.items() if len(pins) > 1 and net not in skipped)
    flat = [pin for net in nets for pin in pins_of[net]]
    return PlaceableDesign(
        netlist=netlist,
        library=cells,
        footprints=footprints,
        left_out=frozenset(left_out),
        ports=ports,
        widths_um=np.array(widths, dtype=np.float64),
        row_um=row_um,
        site_um=site_um,
        nets=np.array(nets, dtype=np.int64),
        starts=np.cumsum([0, *(len(pins_of[net]) for net in nets)], dtype=np.int64),
        pin_object=np.array([pin[0] for pin in flat], dtype=np.int64),
        pin_name=tuple(pin[3] for pin in flat),
        pin_drives=np.array([_drives(netlist, cells, ports, *pin) for pin in flat], dtype=np.bool_),
        pin_x_um=np.array([pin[1] for pin in flat], dtype=np.float64),
        pin_y_um=np.array([pin[2] for pin in flat], dtype=np.float64),
    )


def _drives(
    netlist: Netlist,
    cells: Mapping[str, Cell],
    ports: Sequence[PortBit],
    at: int,
    x: float,
    y: float,
    pin: str,
) -> bool:
    """Tell whether a pin drives its net."""
    if at >= len(netlist.instances):
        return ports[at - len(netlist.instances)].direction == "input"
    return cells[netlist.instances[at].cell].pins[pin].direction == "output"


def _outline(
    cell: Cell, footprint: Footprint | None, row_um: float, site_um: float
) -> tuple[float, dict[str, tuple[float, float]]]:
    """Return the width of a cell, and its pins' places."""
    if footprint is not None:
        if footprint.height_um > row_um + 1e-6:
            raise UserError(
                f"cell {cell.name} is {footprint.height_um:g} um high; accepted: a row's height,"
                f" {row_um:g} um"
            )
        width = footprint.width_um
        known = footprint.pins
    else:
        if cell.area_um2 <= 0:
            raise UserError(f"cell {cell.name} has no area, and no LEF gives its size")
        width = cell.area_um2 / row_um
        known = {}
    width = math.ceil(width / site_um - 1e-6) * site_um
    middle = (width / 2, row_um / 2)
    return width, {pin: known.get(pin, middle) for pin in cell.pins}


def _port_bits(netlist: Netlist) -> Sequence[PortBit]:
    return [
        PortBit(
            name=f"{name}[{len(nets) - 1 - place}]" if len(nets) > 1 else name,
            net=net,
            direction=direction,
        )
        for name, (direction, nets) in netlist.ports.items()
        for place, net in enumerate(nets)
    ]


def plan_core(design: PlaceableDesign, utilization: float, aspect: float = 1.0) -> Core:
    """Return rows for a design.

    Args:
        design: What is placed.
        utilization: Area of the cells over that of the core, above 0 and at most 1.
        aspect: Height over width of the core, about, from 0.1 to 10.
    """
    area_um2 = max(design.area_um2, design.row_um * design.site_um) / utilization
    rows = max(1, round(math.sqrt(area_um2 * aspect) / design.row_um))
    widest = float(design.widths_um.max(initial=design.site_um))
    width_um = max(area_um2 / (rows * design.row_um), widest)
    return Core(
        width_um=math.ceil(width_um / design.site_um - 1e-6) * design.site_um,
        rows=rows,
        row_um=design.row_um,
        site_um=design.site_um,
    )
