"""Liberty that other tools write, that nobody should write, and that would give wrong figures.

Each text stands for a kind of fault. The six files in ``cases/`` are whole small libraries.
"""

from pathlib import Path

import numpy as np
import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.kits.kit import liberty_kit
from consilico.sim.silicon.liberty.boolean import parse_function, verilog_expression
from consilico.sim.silicon.liberty.library import Library
from consilico.sim.silicon.liberty.merge import read_library_text
from consilico.sim.silicon.liberty.read import read_liberty
from tests.sim.silicon.small import BASE, HEAD, INV, write
from tests.sim.silicon.tiny import LIBRARY

CASES = Path(__file__).parent / "cases"


def read_all(path: Path) -> Library:
    library = read_liberty([path])
    assert all(library.cells[name].name == name for name in library.cells)
    return library


def changed(tmp_path: Path, old: str, new: str) -> Path:
    """The tiny library with its first ``old`` replaced."""
    text = LIBRARY.read_text()
    assert old in text
    path = tmp_path / "bad.lib"
    path.write_bytes(text.replace(old, new, 1).encode())
    return path


@pytest.mark.parametrize("name", ["bom", "continued"])
def test_a_mark_or_a_continued_line_changes_nothing(name: str) -> None:
    library = read_all(CASES / f"{name}.lib")
    assert library.cells["DFF"].area_um2 == 4.5
    assert library.cells["INV"].pins["A"].capacitance_f == pytest.approx(1.5e-15)
    assert library.cells["NAND2"].leakage_w == pytest.approx(15e-9)


def test_lines_are_counted_as_they_stand_after_a_continued_one(tmp_path: Path) -> None:
    text = (CASES / "continued.lib").read_text().replace('next_state : "D"', 'next_state : "DD"')
    path = tmp_path / "a.lib"
    path.write_text(text)
    with pytest.raises(UserError, match=r"a\.lib:7: cell DFF: ff names 'DD'"):
        read_all(path)


@pytest.mark.parametrize("end", ["\\\r\n", "\\ \t\n", "\\\n\\\n"])
def test_a_line_may_be_continued_anywhere(tmp_path: Path, end: str) -> None:
    path = changed(tmp_path, "area : 1.0", f"area {end}: {end} 1.0 {end}")
    assert read_all(path).cells["INV"].area_um2 == 1.0
    merged = read_library_text([path]).render("tiny")
    assert "\\\n" not in merged.partition("values")[0]
    assert "\v" not in merged


def test_a_variable_is_applied_for_us_and_for_the_mapper() -> None:
    library = read_all(CASES / "variables.lib")
    assert library.cells["INV"].pins["A"].capacitance_f == pytest.approx(1.65e-15)
    assert library.cells["NAND2"].pins["A"].capacitance_f == pytest.approx(1.6e-15)
    merged = read_library_text([CASES / "variables.lib"])
    assert "capacitance : 0.00165" in merged.cells["INV"]
    assert " k " not in merged.head


@pytest.mark.parametrize(
    ("variables", "used", "area"),
    [
        ("k = 2;", "k", 2.0),
        ("k = 2; j = k * 3 ;", "(j - 1) / k + .5", 3.0),
        ("kk = 2;", "-kk * -4e0", 8.0),
        ("", "3 * 2", 6.0),
    ],
)
def test_expressions_have_their_value(
    tmp_path: Path, variables: str, used: str, area: float
) -> None:
    path = changed(tmp_path, "area : 1.0", f"area : {used}")
    path.write_text(path.read_text().replace("nom_voltage", f"{variables} nom_voltage", 1))
    assert read_all(path).cells["INV"].area_um2 == pytest.approx(area)


@pytest.mark.parametrize("used", ["k k", "k **2", "1 / (k - k)", "q", "k * 1e999", "__import__"])
def test_what_is_no_expression_of_numbers_is_refused(tmp_path: Path, used: str) -> None:
    path = changed(tmp_path, "area : 1.0", f"area : {used}")
    path.write_text(path.read_text().replace("nom_voltage", "k = 2; nom_voltage", 1))
    with pytest.raises(UserError, match=r"bad\.lib:15: cell INV: area: not a number"):
        read_all(path)


def test_a_missing_unit_is_refused_and_never_assumed() -> None:
    with pytest.raises(UserError, match=r"no_cap_unit\.lib:1: .*capacitive_load_unit is missing"):
        read_liberty([CASES / "no_cap_unit.lib"])


def test_a_missing_unit_of_leakage_matters_where_there_is_leakage(tmp_path: Path) -> None:
    path = changed(tmp_path, 'leakage_power_unit : "1nW";', "")
    with pytest.raises(UserError, match=r"leakage_power_unit is missing"):
        read_all(path)
    none = write(tmp_path / "none.lib", INV, head=HEAD.replace('leakage_power_unit : "1nW";', ""))
    assert read_all(none).cells["INV"].leakage_w is None


@pytest.mark.parametrize(
    ("text", "farad"), [("(1, ff)", 1), ('(1,"fF")', 1), ("(0.5, pF)", 500), ("(2 , FF)", 2)]
)
def test_units_may_be_spelled_in_several_ways(tmp_path: Path, text: str, farad: float) -> None:
    path = changed(tmp_path, "(1, ff)", text)
    assert read_all(path).cells["INV"].pins["A"].capacitance_f == pytest.approx(2e-15 * farad)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("(1, ff)", "(0, ff)", "unknown unit '0ff'"),
        ("(1, ff)", "(1)", r"capacitive_load_unit is \(1\)"),
        ("(1, ff)", "(-1, ff)", "unknown unit"),
        ("(1, ff)", "(inf, ff)", r"capacitive_load_unit is \(inf, ff\)"),
        ('"1ns"', '"1.2.3ns"', "unknown unit"),
        ('"1ns"', '"1nF"', "unknown unit '1nF'; accepted: such as 1ns"),
        ('"1nW"', '"1MW"', "unknown unit '1MW'"),
        ("nom_voltage : 2.0", "nom_voltage : 0", "nominal voltage is 0 V"),
        ("nom_voltage : 2.0", "nom_voltage : -1.1", "nominal voltage is -1.1 V"),
        ("nom_voltage : 2.0", "nom_voltage : 1e999", "nom_voltage: not a number"),
        ("nom_voltage : 2.0", "nom_voltage : 2.0; nom_voltage : 1.0", "two values: '2.0' and"),
        ("(1, ff);", "(1, ff); capacitive_load_unit (1, pf);", "capacitive_load_unit twice"),
        (
            'index_1 ("0, 10")',
            'index_1 ("10, 0")',
            "9: lu_table_template by_load: index_1 does not",
        ),
        ('index_1 ("0, 10")', 'index_1 ("0, x")', "by_load: index_1: not a number: 'x'"),
        ("cell (INV)", "cell (IN V)", "a cell has one name"),
        ("cell (INV)", "cell ()", "a cell has one name"),
        ("cell (INV)", "cell (INV, INV2)", "a cell has one name"),
        (
            "lu_table_template (by_load)",
            'lu_table_template (by_load) { index_1 ("0, 9"); } lu_table_template (by_load)',
            "lu_table_template by_load: defined in line 9, too, and differently",
        ),
    ],
)
def test_what_all_cells_share_must_be_right(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        read_liberty([changed(tmp_path, old, new)])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("area : 1.0", "area : -1", "cell INV: area is -1; accepted: 0 to"),
        ("area : 1.0", "area : nan", "cell INV: area: not a number: 'nan'"),
        ("area : 1.0", "area : 1_0", "cell INV: area: not a number: '1_0'"),
        ("area : 1.0", "area : 1e30", r"cell INV: area is 1e30; accepted: 0 to 1e\+12"),
        ("area : 1.0", "area : 1.0; area : 2.0", "cell INV gives area two values"),
        ("leakage_power : 20", "leakage_power : -7e9", "INV: cell_leakage_power is -7e9; accepted"),
        ("leakage_power : 20", "leakage_power : inf", "cell_leakage_power: not a number: 'inf'"),
        ("value : 10", "value : -10", "value in cell INV is -10; accepted"),
        ("value : 10", "valu : 10", "value in cell INV: not a number: ''"),
        ("capacitance : 2", "capacitance : -50", "pin A: capacitance in cell INV is -50; accepted"),
        ("capacitance : 2", "capacitance : 1e999", "not a number: '1e999'"),
        ("capacitance : 2", "capacitance : 1e14", "capacitance in cell INV is 1e14; accepted"),
        ("direction : input", "direction : inputt", "pin A has the direction 'inputt'; accepted"),
        ("direction : input;", "", "pin A has no direction; accepted"),
        ('function : "!A"', 'function : "!B"', "pin Y names 'B', which is neither a pin nor"),
        ('when : "A"', 'when : "A & C"', "leakage_power names 'C', which is neither"),
        ('related_pin : "A"', 'related_pin : "X"', "pin Y names 'X', which is neither a pin nor"),
        ('values ("0.1, 0.3")', 'values ("0.1, -0.3")', "rise_transition by_load: -3e-10 s in its"),
        ('values ("0.1, 0.3")', 'values ("0.1, nan")', "values: not a number: 'nan'"),
        ('values ("0.1, 0.3")', 'values ("0.1, 1e999")', "values: not a number: '1e999'"),
        ('values ("0.1, 0.3")', 'values ("0.1, 0_3")', "values: not a number: '0_3'"),
        ('values ("0.1, 0.3")', 'values ("0.1, 1e13")', "10000 s in its values; accepted: 0 to"),
        ('values ("0.1, 0.3")', 'values ("")', "values has no numbers"),
        ('values ("0.1, 0.3")', 'values ("0.1, 0.3"); values ("1, 3")', "gives values twice"),
        ('values ("0.1, 0.3")', 'values ("0.1, 0.3, 0.5")', "it has 3 values, its axes need 2"),
        ('values ("0.1, 0.3")', 'index_1 (""); values ("0.1, 0.3")', "index_1 has no numbers"),
        ('values ("0.1, 0.3")', 'index_1 ("0, nan"); values ("1, 3")', "index_1: not a number"),
        ('values ("0.1, 0.3")', 'index_1 ("-1, 1"); values ("1, 3")', "index_1 begins below 0"),
        ("(by_load) { values", "(by_moon) { values", "by_moon: there is no such table template"),
        ("fall_power (scalar)", "rise_power (scalar)", "rise_power scalar: twice in one"),
        ('values ("1")', 'values ("-50")', r"cell INV: pin A has an internal energy of -5e-14 J"),
        ('values ("1")', 'values ("nan")', "values: not a number: 'nan'"),
        ("pin (A) {", "pin () {", "a pin is called ''"),
        ("cell_leakage_power", "include_file (x); cell_leakage_power", "include_file"),
    ],
)
def test_a_figure_that_cannot_be_is_refused_by_cell(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    library = read_liberty([changed(tmp_path, old, new)])
    assert library.cells["RAM"].macro
    with pytest.raises(UserError, match=rf"bad\.lib:\d+: .*{says}"):
        library.cells["INV"]


@pytest.mark.parametrize(
    ("cell", "old", "new", "says"),
    [
        ("DFF", 'clocked_on : "CK";', "", "ff IQ: in cell DFF: clocked_on is missing"),
        ("DFF", "ff (IQ, IQN)", "ff (IQ)", "in cell DFF: it names no state and its complement"),
        ("LATCH", 'enable : "G";', "", "latch IQ: in cell LATCH: enable is missing"),
        ("RAM", "bit_from : 1;", "bit_from : one;", "type pair: bit_from is 'one'; accepted"),
        ("RAM", "bit_from : 1;", "bit_from : 999999999;", "has too many bits; accepted: 65,536"),
        ("RAM", "pin (A[1])", "pin (A[999999999:0])", "has too many bits; accepted: 65,536"),
        ("RAM", "pin (A[1])", "pin (B)", "bus A has no bit B"),
    ],
)
def test_states_and_buses_are_checked(
    tmp_path: Path, cell: str, old: str, new: str, says: str
) -> None:
    library = read_liberty([changed(tmp_path, old, new)])
    with pytest.raises(UserError, match=says):
        library.cells[cell]


def test_a_negative_figure_is_refused_by_cell_and_value() -> None:
    library = read_liberty([CASES / "negative.lib"])
    with pytest.raises(UserError, match=r"negative\.lib:4: pin A: capacitance in cell INV is -50;"):
        library.cells["INV"]


def test_a_cell_defined_twice_is_refused_by_name_and_lines() -> None:
    with pytest.raises(
        UserError, match=r"twice\.lib:12: cell INV: defined at .*twice\.lib:4, too; accepted: once"
    ):
        read_liberty([CASES / "twice.lib"])


def test_a_pin_defined_twice_is_refused_by_name_and_lines(tmp_path: Path) -> None:
    text = (CASES / "twice.lib").read_text()
    path = tmp_path / "twice.lib"
    path.write_text(text.replace("cell (INV) { area : 9.0", "cell (INV2) { area : 9.0"))
    library = read_liberty([path])
    assert library.cells["INV"].area_um2 == 0.5
    with pytest.raises(
        UserError, match="12: cell INV2: pin A is defined in line 12 and in line 12; accepted: once"
    ):
        library.cells["INV2"]


def test_small_negative_energies_are_usual(tmp_path: Path) -> None:
    path = changed(tmp_path, 'values ("1")', 'values ("-30")')  # of 10 fF at 2 V, which hold 40 fJ
    energy = read_all(path).cells["INV"].pins["A"].internal_power[0].rise
    assert energy is not None
    assert energy.values == pytest.approx(-30e-15)


def test_templates_of_delay_and_of_power_may_share_a_name(tmp_path: Path) -> None:
    path = changed(tmp_path, "power_lut_template (by_both)", "power_lut_template (by_load)")
    path.write_text(path.read_text().replace("rise_power (by_both)", "rise_power (by_load)"))
    pin = read_all(path).cells["INV"].pins["Y"]
    rise, power = pin.timing[0].rise_transition, pin.internal_power[0].rise
    assert rise is not None
    assert power is not None
    assert (rise.axes, power.axes) == (("load",), ("slew", "load"))


@pytest.mark.parametrize(
    "text", ["(" * 4000 + "A" + ")" * 4000, "!" * 8000 + "A", "A" + "'" * 8000]
)
def test_a_function_may_be_nested_deeply(text: str) -> None:
    function = parse_function(text)
    assert function.variables == ("A",)
    np.testing.assert_array_equal(function.table, [False, True])
    assert "\\A " in verilog_expression(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("(" * 4000 + "A", r"cannot read the Liberty expression '\({77}\.\.\.' at its end"),
        ("+".join(f"A{index}" for index in range(40)), "has 40 variables; accepted: 16"),
        ("A " * 9000, "has 18,000 characters; accepted: 16,384"),
    ],
)
def test_a_function_that_cannot_be_tabulated_is_refused(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse_function(text)


def test_a_damaged_cell_does_not_reach_the_mapper(tmp_path: Path) -> None:
    path = write(tmp_path / "a.lib", *BASE)
    path.write_text(path.read_text().replace("area : 2;", "area = 2;"))
    with pytest.raises(UserError, match=r"a\.lib:\d+: this is not Liberty"):
        liberty_kit([path])


@pytest.mark.parametrize("odd", ["odd ( { ) ;", "odd ( } ) ;", "odd ( } { ) ;"])
def test_braces_among_arguments_are_refused(tmp_path: Path, odd: str) -> None:
    with pytest.raises(UserError, match=r"bad\.lib:\d+: "):
        read_all(changed(tmp_path, "pin (A) {", f"{odd} pin (A) {{"))
