"""Small designs to place: cells on a square grid that are connected to their neighbors."""

from consilico.sim.silicon.layout.placement import PlaceableDesign, placeable
from consilico.sim.silicon.liberty.library import Cell, Pin
from consilico.sim.silicon.netlist.netlist import Instance, Netlist

ROW_UM, SITE_UM = 1.0, 0.25


def _pin(name: str, direction: str) -> Pin:
    return Pin(
        name=name,
        direction=direction,
        capacitance_f=1e-15,
        rise_capacitance_f=1e-15,
        fall_capacitance_f=1e-15,
        voltage_v=1.0,
    )


CELLS = {
    name: Cell(
        name=name,
        area_um2=area,
        pins={"A": _pin("A", "input"), "B": _pin("B", "input"), "Y": _pin("Y", "output")},
    )
    for name, area in (("NARROW", 0.5), ("WIDE", 1.25))
}


def grid_netlist(size: int) -> Netlist:
    """Return size x size cells, each driven by the one to its left and the one below.

    Cells of the left column and the lowest row take ports. Instances come in an order that says
    nothing of the grid.
    """
    net = {(column, row): 10 + column * size + row for column in range(size) for row in range(size)}
    left = {row: 10 + size * size + row for row in range(size)}
    below = {column: 10 + size * size + size + column for column in range(size)}
    instances = [
        Instance(
            name=f"c{column}_{row}",
            module="",
            cell="WIDE" if (column + 2 * row) % 3 == 0 else "NARROW",
            pins={
                "A": net.get((column - 1, row), left[row]),
                "B": net.get((column, row - 1), below[column]),
                "Y": net[column, row],
            },
        )
        for column in range(size)
        for row in range(size)
    ]
    instances.sort(key=lambda each: hash_of(each.name))
    return Netlist(
        top="grid",
        net_count=10 + size * size + 2 * size,
        names={},
        ports={
            "left": ("input", tuple(reversed(left.values()))),
            "below": ("input", tuple(reversed(below.values()))),
        },
        instances=instances,
    )


def hash_of(name: str) -> int:
    """Return a number that mixes names the same way in every run."""
    value = 7
    for letter in name.encode():
        value = (value * 31 + letter) * 2654435761 % 2**32
    return value


def grid_design(size: int) -> PlaceableDesign:
    """Return the grid as a placer sees it."""
    return placeable(grid_netlist(size), CELLS, ROW_UM, SITE_UM)
