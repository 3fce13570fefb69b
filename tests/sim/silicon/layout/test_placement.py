"""Placement: legal, reproducible, and nearly as short as a grid can be laid."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.layout.detailed_placement import refine
from consilico.sim.silicon.layout.lef import Footprint
from consilico.sim.silicon.layout.legalization import legalize
from consilico.sim.silicon.layout.place import (
    PlacementOptions,
    place,
    place_changes,
    port_slots,
)
from consilico.sim.silicon.layout.placement import (
    Core,
    Placement,
    placeable,
    plan_core,
)
from consilico.sim.silicon.netlist.edit import NetlistEdit
from consilico.sim.silicon.netlist.netlist import Netlist
from tests.sim.silicon.layout.grid import CELLS, ROW_UM, SITE_UM, grid_design, grid_netlist


@pytest.fixture(scope="module")
def placed() -> Placement:
    return place(grid_design(12), PlacementOptions())


def scattered(size: int) -> Placement:
    """Return a legal placement in an order that says nothing of the nets."""
    design = grid_design(size)
    core = plan_core(design, 0.7)
    rng = np.random.default_rng(3)
    x, y = legalize(
        design.widths_um,
        core,
        rng.random(design.cells) * core.width_um,
        rng.random(design.cells) * core.height_um,
    )
    return Placement(
        design=design,
        core=core,
        x_um=x,
        y_um=y,
        flipped=np.zeros(design.cells, dtype=np.bool_),
        port_xy_um=port_slots(core, len(design.ports)),
    )


def test_the_result_is_legal_and_fills_the_core_as_asked(placed: Placement) -> None:
    assert placed.problems() == []
    assert placed.design.area_um2 / placed.core.area_um2 == pytest.approx(0.7, abs=0.03)


def test_a_grid_is_found_again(placed: Placement) -> None:
    """A cell drives two neighbors, a pitch away each, where it lies as in the grid."""
    pitch = np.sqrt(placed.core.area_um2) / 12
    ideal = 12 * 12 * 2 * pitch
    assert placed.wirelength_um < 1.4 * ideal  # half of the ports are on the wrong sides
    assert scattered(12).wirelength_um > 5 * ideal


def test_the_same_seed_gives_the_same_placement_and_another_one_another(
    placed: Placement,
) -> None:
    again = place(grid_design(12), PlacementOptions())
    np.testing.assert_array_equal(again.x_um, placed.x_um)
    np.testing.assert_array_equal(again.y_um, placed.y_um)
    other = place(grid_design(12), PlacementOptions(seed=2))
    assert not np.array_equal(other.x_um, placed.x_um)


def test_the_shape_of_the_core_is_an_option() -> None:
    tall = place(grid_design(8), PlacementOptions(aspect=3.0, utilization=0.5))
    assert tall.problems() == []
    assert tall.core.height_um / tall.core.width_um == pytest.approx(3.0, rel=0.25)


def test_small_moves_shorten_nets_and_keep_the_placement_legal() -> None:
    before = scattered(8)
    after = refine(before)
    assert after.problems() == []
    assert after.wirelength_um < 0.5 * before.wirelength_um
    moved = replace(after, flipped=np.zeros_like(after.flipped))
    assert after.wirelength_um <= moved.wirelength_um


def changed(before: Placement) -> Netlist:
    """Return a placed grid with its first cell the other size, and two cells more."""
    edit = NetlistEdit(before.design.netlist, CELLS)
    first = edit.instance(0)
    edit.resize(0, "NARROW" if first.cell == "WIDE" else "WIDE")
    for _ in range(2):
        edit.add("WIDE", "more", {**first.pins, "Y": edit.net("more")})
    return edit.done()


def test_a_changed_netlist_keeps_its_place_and_new_cells_come_to_lie_where_they_are_wanted(
    placed: Placement,
) -> None:
    cells = placed.design.cells
    wanted = (placed.core.width_um / 2, placed.core.height_um / 2)
    after = place_changes(placed, changed(placed), {cells: wanted, cells + 1: wanted})
    assert after.problems() == []
    assert after.core is placed.core
    moved = np.abs(after.x_um[1:cells] - placed.x_um[1:]) + np.abs(
        after.y_um[1:cells] - placed.y_um[1:]
    )
    assert moved.mean() < 0.2
    for new in (cells, cells + 1):
        assert abs(after.x_um[new] + 0.625 - wanted[0]) < 2
        assert abs(after.y_um[new] + 0.5 - wanted[1]) < 2


def test_an_old_cell_moves_where_a_point_is_given(placed: Placement) -> None:
    cells = placed.design.cells
    corner = (0.0, 0.0)
    points = {cells: corner, cells + 1: corner, 5: corner}
    after = place_changes(placed, changed(placed), points)
    assert after.x_um[5] < 3
    assert after.y_um[5] < 2


def test_a_new_cell_without_a_place_is_refused(placed: Placement) -> None:
    cells = placed.design.cells
    with pytest.raises(ValueError, match=f"where the new cell {cells + 1} goes"):
        place_changes(placed, changed(placed), {cells: (0.0, 0.0)})
    with pytest.raises(ValueError, match="does not follow from the placed one"):
        place_changes(placed, grid_netlist(3), {})


def test_a_net_is_measured_around_its_pins() -> None:
    """Two cells, in an even row and mirrored in an odd one, and a port."""
    netlist = grid_netlist(1)
    footprint = Footprint(
        width_um=1.0, height_um=1.0, pins={"A": (0.25, 0.1), "B": (0.5, 0.5), "Y": (0.75, 0.9)}
    )
    design = placeable(netlist, CELLS, ROW_UM, SITE_UM, {"NARROW": footprint, "WIDE": footprint})
    core = Core(width_um=4.0, rows=2, row_um=ROW_UM, site_um=SITE_UM)
    ports = np.array([[0.0, 0.0], [0.0, 0.0]])

    def length(y: float, flipped: bool) -> list[float]:
        placement = Placement(
            design=design,
            core=core,
            x_um=np.array([2.0]),
            y_um=np.array([y]),
            flipped=np.array([flipped]),
            port_xy_um=ports,
        )
        return sorted(placement.half_perimeters_um().tolist())

    assert length(0.0, False) == pytest.approx([2.35, 3.0])  # A at (2.25, 0.1), B at (2.5, 0.5)
    assert length(0.0, True) == pytest.approx([2.85, 3.0])
    assert length(1.0, False) == pytest.approx([4.0, 4.15])  # A at (2.25, 1.9)


def test_each_way_of_being_illegal_is_found() -> None:
    right = scattered(4)
    assert right.problems() == []
    x, y = right.x_um, right.y_um
    first = np.arange(len(x)) == 0
    core = right.core
    wrong = {
        "two cells overlap": right.moved(np.where(first, x[1], x), np.where(first, y[1], y)),
        "a cell is off its row": right.moved(x, np.where(first, y + 0.3, y)),
        "a cell is off its site": right.moved(np.where(first, x + 0.1, x), y),
        "a cell leaves its row": right.moved(np.where(first, core.width_um, x), y),
        "a cell is outside of the rows": right.moved(x, np.where(first, core.height_um, y)),
    }
    for problem, placement in wrong.items():
        assert problem in placement.problems()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"utilization": 0.0}, "utilization must be above 0"),
        ({"utilization": 1.2}, "utilization must be above 0 and at most 1, not 1.2"),
        ({"utilization": float("nan")}, "utilization must be above 0 and at most 1, not nan"),
        ({"aspect": 100.0}, "aspect of the core must be from 0.1 to 10"),
        ({"seed": -1}, "seed of a placement must be from 0 to"),
    ],
)
def test_options_that_no_placement_has_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        PlacementOptions(**options)


def test_cells_that_do_not_fit_are_refused() -> None:
    core = Core(width_um=2.0, rows=1, row_um=ROW_UM, site_um=SITE_UM)
    widths = np.array([1.0, 1.25])
    with pytest.raises(UserError, match="2 cells do not fit into 1 rows"):
        legalize(widths, core, np.zeros(2), np.zeros(2))


def test_a_cell_that_is_higher_than_a_row_or_has_no_size_is_refused() -> None:
    tall = Footprint(width_um=1.0, height_um=2.0, pins={})
    with pytest.raises(UserError, match=r"NARROW is 2 um high; accepted: a row's height, 1 um"):
        placeable(grid_netlist(2), CELLS, ROW_UM, SITE_UM, {"NARROW": tall})
    flat = {name: replace(cell, area_um2=0.0) for name, cell in CELLS.items()}
    with pytest.raises(UserError, match="has no area, and no LEF gives its size"):
        placeable(grid_netlist(2), flat, ROW_UM, SITE_UM)
