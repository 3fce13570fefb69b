"""DEF: what is written is read back, and what is missing is named."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.layout.def_file import read_def, write_def
from consilico.sim.silicon.layout.lef import RoutingLayer
from consilico.sim.silicon.layout.place import PlacementOptions, place
from consilico.sim.silicon.layout.placement import Placement
from consilico.sim.silicon.netlist.write import PlainNames
from tests.sim.silicon.layout.grid import grid_design


@pytest.fixture(scope="module")
def placed() -> Placement:
    found = place(grid_design(4), PlacementOptions())
    return replace(found, flipped=np.arange(found.design.cells) % 2 == 1)


@pytest.fixture
def text(placed: Placement) -> str:
    return write_def(placed, PlainNames(placed.design.netlist), "core")


def read(text: str, placed: Placement, folder: Path) -> Placement:
    path = folder / "grid.def"
    path.write_text(text)
    return read_def(path, placed.design, PlainNames(placed.design.netlist))


def test_the_placement_that_is_written_is_read_back(
    placed: Placement, text: str, tmp_path: Path
) -> None:
    again = read(text, placed, tmp_path)
    np.testing.assert_allclose(again.x_um, placed.x_um, atol=6e-4)
    np.testing.assert_allclose(again.y_um, placed.y_um, atol=6e-4)
    np.testing.assert_array_equal(again.flipped, placed.flipped)
    assert again.core == placed.core
    assert again.wirelength_um == pytest.approx(placed.wirelength_um, rel=1e-3)


def test_all_orientations_and_every_pin_are_written(placed: Placement, text: str) -> None:
    for orientation in ("N", "FN", "FS", "S"):
        assert f") {orientation} ;" in text
    nets = [line for line in text.splitlines() if line.startswith("  (")]
    assert len(nets) == len(placed.design.nets)
    assert sum(line.count("( ") for line in nets) == len(placed.design.pin_object)


def test_with_layers_ports_are_pins_where_tracks_cross(placed: Placement, tmp_path: Path) -> None:
    layers = [
        RoutingLayer(name=name, horizontal=way, pitch_um=0.2, offset_um=0.1, width_um=0.06)
        for name, way in (("m1", True), ("m2", False), ("m3", True))
    ]
    text = write_def(placed, PlainNames(placed.design.netlist), "core", layers)
    count = int((placed.core.width_um - 0.1) / 0.2) + 1
    assert f"TRACKS X 100 DO {count} STEP 200 LAYER m2 ;" in text
    pins = re.findall(r"LAYER (m\d) \( -30 -30 \) \( 30 30 \) \+ PLACED \( (\d+) (\d+) \)", text)
    assert len(pins) == len(placed.design.ports)
    assert {name for name, _, _ in pins} == {"m2", "m3"}
    assert all(int(x) % 200 == int(y) % 200 == 100 for _, x, y in pins)
    again = read(text, placed, tmp_path)
    np.testing.assert_allclose(again.port_xy_um, placed.port_xy_um, atol=0.11)


def test_cells_that_are_not_ours_and_escapes_do_no_harm(
    placed: Placement, text: str, tmp_path: Path
) -> None:
    filled = text.replace(
        "COMPONENTS 16 ;", "COMPONENTS 17 ;\n- FILLER_0 FILL1 + SOURCE DIST + PLACED ( 0 0 ) N ;"
    )
    again = read(filled.replace("- c0_0 ", "- c0\\_0 "), placed, tmp_path)
    np.testing.assert_allclose(again.x_um, placed.x_um, atol=6e-4)


def test_places_count_from_the_corner_of_the_rows_within_a_die(
    placed: Placement, text: str, tmp_path: Path
) -> None:
    width, height = placed.core.width_um * 1000, placed.core.height_um * 1000
    die = f"( 0 0 ) ( {width:.0f} {height:.0f} )"
    assert die in text
    again = read(text.replace(die, f"( -700 -900 ) ( {width + 1:.0f} 99000 )"), placed, tmp_path)
    np.testing.assert_allclose(again.x_um, placed.x_um, atol=6e-4)
    assert again.core == placed.core


def test_places_count_from_the_corner_of_a_die_without_rows(
    placed: Placement, text: str, tmp_path: Path
) -> None:
    width, height = placed.core.width_um * 1000, placed.core.height_um * 1000
    die = f"( 0 0 ) ( {width:.0f} {height:.0f} )"
    assert die in text
    without = "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("ROW ")
    )
    moved = without.replace(die, f"( -500 -1000 ) ( {width - 500:.0f} {height - 1000:.0f} )")
    again = read(moved, placed, tmp_path)
    np.testing.assert_allclose(again.x_um, placed.x_um + 0.5, atol=6e-4)
    np.testing.assert_allclose(again.y_um, placed.y_um + 1.0, atol=6e-4)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DIEAREA", "AREA", "is no DEF file"),
        ("MICRONS 1000", "MICRONS 0", "is no DEF file"),
        ("- c0_0 ", "- other ", "does not place the cell c0_0"),
        ("- left[2] ", "- lost ", r"does not place the port left\[2\]"),
    ],
)
def test_what_is_missing_is_named(
    placed: Placement, text: str, tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in text
    with pytest.raises(UserError, match=message):
        read(text.replace(old, new), placed, tmp_path)
