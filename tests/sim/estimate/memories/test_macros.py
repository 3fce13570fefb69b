"""Macros of Hammer's ASAP7: a small package of the same shape, and the real one where it is."""

from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.estimate.memories.cost import buffer_cost
from consilico.sim.estimate.memories.macros import HOW_TO_GET, best_macro, find_macros

LIBERTY = """library (SRAM1RW64x8_PVT_{corner}) {{
  time_unit : "1ps"; voltage_unit : "1V"; capacitive_load_unit (1, ff); nom_voltage : 0.7;
  type (data) {{ base_type : array; data_type : bit; bit_width : 2; bit_from : 1; bit_to : 0; }}
  lu_table_template (delay) {{
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("10.0, 40.0"); index_2 ("1.0, 4.0");
  }}
  cell (SRAM1RW64x8) {{
    pin (CE) {{ direction : input; clock : true; capacitance : 13.0; }}
    bus (O) {{
      bus_type : data; direction : output;
      timing () {{
        related_pin : "CE"; timing_type : rising_edge;
        cell_rise (delay) {{ values ("{delay}, {delay}", "{delay}, {delay}"); }}
        cell_fall (delay) {{ values ("{delay}, {delay}", "{delay}, {delay}"); }}
      }}
    }}
  }}
}}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two macros: 64 x 8 and 256 x 8, the larger one denser."""
    folder = tmp_path / "hammer/technology/asap7/sram_compiler/memories"
    (folder / "lef").mkdir(parents=True)
    (tmp_path / "hammer/__init__.py").write_text("raise RuntimeError('is not to be imported')\n")
    for name, size in (("SRAM1RW64x8", "20.0 BY 40.0"), ("SRAM1RW256x8", "40.0 BY 60.0")):
        library = folder / "lib" / f"{name}_lib"
        library.mkdir(parents=True)
        for corner, delay in (("0P63V_100C", 200.0), ("0P77V_0C", 80.0)):
            text = LIBERTY.format(corner=corner, delay=delay).replace("SRAM1RW64x8", name)
            (library / f"{name}_PVT_{corner}.lib").write_text(text)
        (folder / "lef" / f"{name}_x4.lef").write_text(f"MACRO {name}\n  SIZE {size} ;\nEND\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_macros_are_found_and_the_smallest_outline_is_taken(package: Path) -> None:
    assert [(macro.words, macro.bits, macro.ports) for macro in find_macros()] == [
        (256, 8, "1rw"), (64, 8, "1rw"),
    ]  # fmt: skip
    small = best_macro(50, 8, "1rw")
    assert small is not None
    assert small.macro == "SRAM1RW64x8"
    assert small.area_um2 == pytest.approx(20 * 40 / 16)
    assert small.access_ns == pytest.approx({"0P63V_100C": 0.2, "0P77V_0C": 0.08})
    assert small.input_f == pytest.approx(13e-15)
    large = best_macro(256, 16, "1rw")
    assert large is not None
    assert (large.macro, large.count) == ("SRAM1RW256x8", 2)
    assert large.area_um2 == pytest.approx(2 * 40 * 60 / 16)


def test_ports_that_no_macro_has_give_none(package: Path) -> None:
    assert best_macro(64, 8, "1r1w") is None


def test_a_damaged_outline_is_named(package: Path) -> None:
    lef = package / "lef/SRAM1RW64x8_x4.lef"
    lef.write_text("MACRO SRAM1RW64x8\nEND\n")
    with pytest.raises(UserError, match=r"SRAM1RW64x8_x4\.lef: no SIZE of the macro$"):
        best_macro(64, 8, "1rw")


def test_a_library_without_delays_is_named(package: Path) -> None:
    for path in package.glob("lib/SRAM1RW64x8_lib/*.lib"):
        path.write_text(path.read_text().replace("timing_type : rising_edge", "timing_type : x"))
        text = path.read_text()
        path.write_text(text[: text.index("timing ()")] + "} } }\n")
    with pytest.raises(UserError, match=r"no delay from the clock to an output$"):
        best_macro(64, 8, "1rw")


def test_area_and_access_come_from_macros_where_they_are(package: Path) -> None:
    cost = buffer_cost(64, 8, "sram", "asap7")
    assert cost.area_um2.value == pytest.approx(50)
    assert cost.access_ns.to_json() == pytest.approx({"value": 0.14, "low": 0.08, "high": 0.2})
    assert cost.basis == "estimated"
    assert "dummies without layout" in cost.source


def test_without_the_package_figures_are_scaled_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("consilico.sim.estimate.memories.macros.find_macros", list)
    cost = buffer_cost(64, 8, "sram", "asap7")
    assert "scaled to 7 nm by Stillmaker and Baas" in cost.source
    assert HOW_TO_GET in cost.source
    assert 10 < cost.area_um2.value < 200


def test_macros_of_the_real_package() -> None:
    if not find_macros():
        pytest.skip(f"hammer-vlsi is not installed: {HOW_TO_GET}")
    assert len(find_macros()) == 57
    found = best_macro(256, 32, "1rw")
    assert found is not None
    assert found.area_um2 == pytest.approx(61.088 * 112.832 / 16)
