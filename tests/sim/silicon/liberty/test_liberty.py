"""The Liberty reader: units, groups, several files, damage."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.library import Library, Table
from consilico.sim.silicon.liberty.merge import read_library_text
from consilico.sim.silicon.liberty.read import read_liberty
from tests.sim.silicon.libraries import liberty
from tests.sim.silicon.tiny import LIBRARY


@pytest.fixture(scope="module")
def tiny() -> Library:
    return read_liberty([LIBRARY])


CAP = "capacitive_load_unit (1, pf);"


def damaged(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bad.lib"
    path.write_text(text)
    return path


def test_values_come_in_si_units(tiny: Library) -> None:
    inverter = tiny.cells["INV"]
    assert tiny.voltage_v == 2.0
    assert inverter.area_um2 == 1.0
    assert inverter.pins["A"].capacitance_f == pytest.approx(2e-15)
    assert [item.when for item in inverter.leakage] == ["A", "!A"]
    assert [item.value_w for item in inverter.leakage] == pytest.approx([10e-9, 30e-9])
    rise = inverter.pins["Y"].internal_power[0].rise
    assert rise is not None
    assert rise.axes == ("slew", "load")
    np.testing.assert_allclose(rise.values, [[4e-15, 8e-15], [6e-15, 10e-15]])
    np.testing.assert_allclose(rise.indices[0], [0, 1e-9])
    np.testing.assert_allclose(rise.indices[1], [0, 10e-15])


def test_units_other_than_the_usual(tmp_path: Path) -> None:
    text = LIBRARY.read_text().replace('"1ns"', '"10ps"').replace("(1, ff)", "(2, pf)")
    library = read_liberty([damaged(tmp_path, text.replace('"1nW"', '"100uW"'))])
    inverter = library.cells["INV"]
    assert inverter.pins["A"].capacitance_f == pytest.approx(4e-12)
    assert inverter.leakage_w == pytest.approx(20e-4)
    arc = inverter.pins["Y"].timing[0]
    assert arc.fall_transition is not None
    assert arc.fall_transition.values == pytest.approx(0.05 * 10e-12)
    energy = inverter.pins["A"].internal_power[0].rise
    assert energy is not None
    assert energy.values == pytest.approx(2e-12)  # load unit x volt squared


def test_flip_flop_latch_and_gate_are_described(tiny: Library) -> None:
    (flop,) = tiny.cells["DFF"].sequential
    assert (flop.kind, flop.clocked_on, flop.next_state, flop.clear) == ("ff", "CK", "D", "R'")
    assert flop.states == ("IQ", "IQN")
    (latch,) = tiny.cells["LATCH"].sequential
    assert (latch.kind, latch.enable, latch.data_in) == ("latch", "G", "D")
    gate = tiny.cells["CG"]
    assert gate.clock_gate == "latch_posedge"
    assert gate.sequential[0].inputs == ("CK", "E")
    assert gate.pins["GCK"].clock_gate_role == "out"
    assert gate.pins["GCK"].state_function == "CK * IQ"
    assert gate.pins["IQ"].direction == "internal"
    assert tiny.cells["DFF"].dont_use
    assert not tiny.cells["INV"].dont_use


def test_buses_become_bits_and_defaults_apply(tiny: Library) -> None:
    memory = tiny.cells["RAM"]
    assert memory.macro
    assert memory.buses == {"A": ("A[1]", "A[0]")}
    assert memory.pins["A[0]"].capacitance_f == pytest.approx(3e-15)
    assert memory.pins["A[1]"].capacitance_f == pytest.approx(4e-15)
    assert memory.pins["A[1]"].direction == "input"
    assert memory.supply_pins == {"VDD": "primary_power"}
    assert tiny.cells["DFF"].pins["R"].capacitance_f == pytest.approx(0.5e-15)


LIMITS = """
  default_max_transition : 0.4; default_max_capacitance : 30; default_max_fanout : 6;
  default_fanout_load : 2;
"""
PINS = """
  cell (LIMITED) {
    pin (A) { direction : input; max_transition : 0.3; fanout_load : 5; }
    pin (B) { direction : input; }
    pin (Y) { direction : output; max_capacitance : 12; max_fanout : 3; }
    pin (Z) { direction : output; }
    bus (Q) {
      bus_type : pair; direction : output; max_capacitance : 7;
      pin (Q[0]) { max_capacitance : 8; }
    }
  }
}
"""


def test_limits_are_those_of_the_pin_or_of_an_output_by_default(tmp_path: Path) -> None:
    text = LIBRARY.read_text().replace("nom_voltage", f"{LIMITS} nom_voltage", 1)
    path = damaged(tmp_path, text[: text.rindex("}")] + PINS)
    pins = read_liberty([path]).cells["LIMITED"].pins
    assert [pins[name].max_transition_s for name in "AB"] == [pytest.approx(0.3e-9), None]
    assert [pins[name].max_transition_s for name in "YZ"] == [pytest.approx(0.4e-9)] * 2
    assert [pins[name].max_capacitance_f for name in "ABYZ"] == [
        None, None, pytest.approx(12e-15), pytest.approx(30e-15),
    ]  # fmt: skip
    assert [pins[f"Q[{bit}]"].max_capacitance_f for bit in (1, 0)] == pytest.approx([7e-15, 8e-15])
    assert [pins[name].max_fanout for name in "AYZ"] == [None, 3, 6]
    assert [pins[name].fanout_load for name in "AB"] == [5, 2]


def test_a_library_without_limits_has_none(tiny: Library) -> None:
    pin = tiny.cells["INV"].pins["Y"]
    assert (pin.max_capacitance_f, pin.max_transition_s, pin.max_fanout) == (None, None, None)
    assert pin.fanout_load == 1


def test_a_limit_that_is_no_number_is_refused(tmp_path: Path) -> None:
    text = LIBRARY.read_text().replace(
        'direction : output; function : "!A";', "direction : output; max_capacitance : -3;"
    )
    with pytest.raises(UserError, match=r"max_capacitance in cell INV is -3; accepted: 0 to"):
        read_liberty([damaged(tmp_path, text)]).cells["INV"]


def test_default_limits_in_which_merged_files_differ_go_to_the_pins(tmp_path: Path) -> None:
    """As in ASAP7, whose first file allows slews of 4 ns and the others of 0.32."""
    head = LIBRARY.read_text()
    first, second = tmp_path / "first.lib", tmp_path / "second.lib"
    first.write_text(head.replace("nom_voltage", "default_max_transition : 4; nom_voltage", 1))
    start = "default_max_transition : 0.32; default_max_fanout : 6; nom_voltage"
    text = head[: head.index("  cell (INV)")].replace("nom_voltage", start, 1)
    second.write_text(text + PINS)
    merged = damaged(tmp_path, read_library_text([first, second]).render("merged"))
    cells, apart = read_liberty([merged]).cells, read_liberty([first, second]).cells
    assert cells["INV"].pins["Y"].max_transition_s == pytest.approx(4e-9)
    assert cells["INV"].pins["Y"].max_fanout is None
    for name, pin in cells["LIMITED"].pins.items():
        other = apart["LIMITED"].pins[name]
        assert (pin.max_transition_s, pin.max_fanout) == (other.max_transition_s, other.max_fanout)
    assert cells["LIMITED"].pins["Z"].max_transition_s == pytest.approx(0.32e-9)
    assert cells["LIMITED"].pins["Y"].max_fanout == 3


@pytest.mark.parametrize(
    ("kit", "cell", "output", "capacitance_ff", "transition_ns", "fanout"),
    [
        ("nangate45", "CLKGATE_X1", "GCK", 60.7, 0.198535, None),
        ("sky130", "sky130_fd_sc_hd__inv_1", "Y", 61.7, 1.49835, None),
        ("asap7", "INVx1_ASAP7_75t_R", "Y", 46.08, 0.32, None),
        ("ihp", "sg13g2_inv_1", "Y", 300, 2.5074, 8),
    ],
)
def test_limits_of_real_kits(
    kit: str,
    cell: str,
    output: str,
    capacitance_ff: float,
    transition_ns: float,
    fanout: float | None,
) -> None:
    pin = read_liberty(liberty(kit)).cells[cell].pins[output]
    assert pin.max_capacitance_f == pytest.approx(capacitance_ff * 1e-15, rel=2e-3)
    assert pin.max_transition_s == pytest.approx(transition_ns * 1e-9, rel=1e-3)
    assert pin.max_fanout == fanout


def test_one_group_for_two_related_pins_gives_two_arcs(tiny: Library) -> None:
    assert [arc.related_pin for arc in tiny.cells["AND2"].pins["Y"].timing] == ["A", "B"]


def test_tables_interpolate_and_continue_beyond_their_ends() -> None:
    table = Table(
        axes=("slew", "load"),
        indices=(np.array([0.0, 1.0]), np.array([0.0, 10.0])),
        values=np.array([[4.0, 8.0], [6.0, 10.0]]),
    )
    found = table.lookup(np.array([0.0, 0.5, 2.0, -1.0]), np.array([5.0, 0.0, 10.0, 20.0]))
    np.testing.assert_allclose(found, [6.0, 5.0, 12.0, 10.0])


def test_each_file_of_a_library_has_its_own_units(tmp_path: Path) -> None:
    other = tmp_path / "other.lib.gz"
    text = LIBRARY.read_text().replace("(1, ff)", "(1, pf)").replace("cell (AND2)", "cell (NEW)")
    other.write_bytes(gzip.compress(text.encode()))
    library = read_liberty([LIBRARY, other])
    assert library.cells["NEW"].pins["A"].capacitance_f == pytest.approx(1e-12)
    assert library.cells["INV"].pins["A"].capacitance_f == pytest.approx(2e-15)
    assert "AND2" in library.cells
    assert len(library.cells) == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"bad\.lib:1: the Liberty file is empty"),
        ("hello { }", r"bad\.lib:1: a Liberty file begins with library"),
        ("library (x) {\n nom_voltage : 1;\n}\n", r"bad\.lib:1: library 'x' has no cells"),
        ("library (x) {\n cell (a) {\n area : 1;\n", r"bad\.lib:2: this group is never closed"),
        ('library (x) {\n cell (a) {\n f : "b;\n}\n}', r"bad\.lib:3: a string is not closed"),
        (f"library (x) {{\n {CAP} nom_voltage : y;\n cell (a) {{ }}\n}}", "not a number: 'y'"),
        (f'library (x) {{\n {CAP} time_unit : "1h"; cell (a) {{ }}\n}}', "1: unknown unit '1h'"),
        ("library (x) {\n /* so on\n cell (a) { }\n}", r"bad\.lib:2: this comment is never closed"),
        ("library (x) {\n cell (a) { }\n}\nlibrary (y) { }", r"bad\.lib:4: text after the end"),
        ("library (x) {\n cell (a) { }\n} }", r"bad\.lib:3: text after the end"),
        (
            'library (x) {\n include_file ("more.lib");\n cell (a) { }\n}',
            r"bad\.lib:2: include_file",
        ),
        ("library (x) {\n nom_voltage = 1.1;\n cell (a) { }\n}", "2: cannot read 'nom_voltage = "),
        ("library (x) {\n k = j * 2;\n cell (a) { }\n}", r"bad\.lib:2: cannot read 'k = j"),
        ("\xff\xfel\0i\0b\0", "is UTF-16; accepted: ASCII or UTF-8"),
    ],
)
def test_a_damaged_library_is_refused_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "bad.lib"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=message):
        read_liberty([path])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'values ("0.1, 0.3")',
            'values ("0.1, x")',
            r"bad\.lib:29: rise_transition by_load: .*'x'",
        ),
        ('values ("0.1, 0.3")', 'values ("0.1")', r"has 1 values, its axes need 2"),
        ("area : 1.0;", "area = 1.0;", r"bad\.lib:16: this is not Liberty"),
    ],
)
def test_damage_in_a_cell_shows_when_the_cell_is_used(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    library = read_liberty([damaged(tmp_path, LIBRARY.read_text().replace(old, new, 1))])
    assert library.cells["AND2"].area_um2 == 2.0
    with pytest.raises(UserError, match=message):
        library.cells["INV"]


def test_a_cut_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.lib.gz"
    path.write_bytes(gzip.compress(LIBRARY.read_bytes())[:-40])
    with pytest.raises(UserError, match=r"cannot read the Liberty file .*cut\.lib\.gz"):
        read_liberty([path])


def test_every_cell_of_nangate45_reads() -> None:
    library = read_liberty(liberty("nangate45"))
    assert library.voltage_v == pytest.approx(1.1)
    assert len(library.cells) == 135
    assert sum(cell.area_um2 for cell in library.cells.values()) == pytest.approx(417.088, abs=1e-3)
    flops = [c.name for c in library.cells.values() if c.sequential and not c.clock_gate]
    assert "DFF_X1" in flops
    assert library.cells["DFF_X1"].pins["CK"].clock


@pytest.mark.parametrize(("kit", "cells"), [("sky130", 428), ("asap7", 202), ("ihp", 84)])
def test_every_cell_of_the_other_kits_reads(kit: str, cells: int) -> None:
    library = read_liberty(liberty(kit))
    assert len(list(library.cells.values())) == cells
