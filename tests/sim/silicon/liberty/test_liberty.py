"""The Liberty reader: units, groups, several files, damage."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.library import Library, Table
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
