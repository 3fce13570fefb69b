"""Pictures of a placement: every cell once, in the color of its module or of its power."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from consilico.sim.silicon.layout.picture import cell_modules, module_picture, power_picture
from consilico.sim.silicon.layout.place import PlacementOptions, place
from consilico.sim.silicon.layout.placement import Placement
from consilico.sim.silicon.netlist.netlist import Instance, Netlist
from tests.sim.silicon.layout.grid import CELLS, grid_design

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def placed() -> Placement:
    return place(grid_design(4), PlacementOptions())


def drawn(svg: str) -> dict[str, list[tuple[float, float, float]]]:
    """Return x, y and width of the cells by color, and check that the text is XML."""
    found = {}
    for path in ET.fromstring(svg).iter(f"{SVG}path"):
        shapes = re.findall(r"M([\d.-]+) ([\d.-]+)h([\d.]+)", path.get("d", ""))
        found[path.get("fill", "")] = [(float(x), float(y), float(w)) for x, y, w in shapes]
    del found["#1c2128"]  # ports
    return found


def chain(*paths: str, names: dict[str, int] | None = None) -> Netlist:
    """Return cells one after the other, each driving the next."""
    return Netlist(
        top="chain",
        net_count=len(paths) + 3,
        names=names or {},
        ports={},
        instances=[
            Instance(name=path, module="", cell="NARROW", pins={"A": index + 2, "Y": index + 3})
            for index, path in enumerate(paths)
        ],
    )


def test_cells_without_a_name_belong_where_their_nearest_neighbors_do() -> None:
    netlist = chain("lane0.reg", "_1_", "_2_", "_3_", "_4_", "lane1.bits[0].latch")
    assert cell_modules(netlist, CELLS) == ["lane0"] * 3 + ["lane1"] * 3


def test_the_net_that_a_cell_drives_says_where_it_belongs() -> None:
    netlist = chain("_0_", "_1_", names={"sum": 3, "lane2.sum": 4})
    assert cell_modules(netlist, CELLS) == ["lane2", "lane2"]


def test_cells_of_the_top_alone_have_no_module() -> None:
    assert cell_modules(chain("_0_", "_1_"), CELLS) == ["", ""]


def test_every_cell_is_drawn_once_where_it_lies(placed: Placement) -> None:
    modules = ["a", "b<&"] * 8
    svg = module_picture(placed, modules, "grid: modules & more")
    found = drawn(svg)
    assert [len(shapes) for shapes in found.values()] == [8, 8]
    places = sorted(shape for shapes in found.values() for shape in shapes)
    wanted = sorted(
        zip(placed.x_um.tolist(), placed.y_um.tolist(), placed.design.widths_um, strict=True)
    )
    np.testing.assert_allclose(places, wanted, atol=0.13)
    texts = [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]
    assert texts == ["grid: modules & more", "a: 8 cells", "b<&: 8 cells"]


def test_more_modules_than_colors_are_counted_together(placed: Placement) -> None:
    svg = module_picture(placed, [f"m{index}" for index in range(15)] + [""], "grid")
    texts = [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]
    assert "4 other modules: 4 cells" in texts
    assert texts[-1] == "of no module: 1 cells"
    assert texts.index("m2: 1 cells") < texts.index("m10: 1 cells")


def test_cells_are_darker_the_more_power_they_take_per_area(placed: Placement) -> None:
    area = placed.design.widths_um * placed.core.row_um
    power = area * 1e-9
    power[:4] *= 1000
    power[4] = 0.0
    found = drawn(power_picture(placed, power.tolist(), "grid: power"))
    assert sorted(len(shapes) for shapes in found.values()) == [4, 12]
    assert len(found["#0a2c45"]) == 4
    # without any power nothing is dark
    assert list(drawn(power_picture(placed, [0.0] * 16, "grid"))) == ["#eef4fa"]
