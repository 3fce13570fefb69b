"""What a cell is for is found from what its Liberty says; what does not fit is refused."""

from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.kits.derive import fanout_of_four
from consilico.sim.silicon.kits.kit import liberty_kit
from consilico.sim.silicon.kits.roles import Role, check_roles
from consilico.sim.silicon.liberty.read import read_liberty
from tests.sim.silicon.small import BASE, BUF, DFF, INV, LATCH, cell, flop, latch, write


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "cache"))


def roles(tmp_path: Path, *cells: str) -> dict[str, Role]:
    return dict(liberty_kit([write(tmp_path / "small.lib", *cells)]).roles)


def test_the_least_that_a_library_must_have_gives_its_roles(tmp_path: Path) -> None:
    found = roles(tmp_path, *BASE)
    pins = {"enable": "G", "data": "D", "output": "Q"}
    assert found == {
        "driver": Role(cell="BUF", pins={}),
        "latch_high": Role(cell="LATCH", pins=pins),
        "latch_low": Role(cell="LATCH", pins=pins, inverted=("enable",)),
    }


def test_without_a_buffer_the_inverter_drives(tmp_path: Path) -> None:
    assert roles(tmp_path, INV, DFF, LATCH)["driver"].cell == "INV"


@pytest.mark.parametrize(
    ("carry", "total", "inverted"),
    [
        ("(A B) + (C (A + B))", "A ^ B ^ C", ()),
        ("!((A B) + (C (A + B)))", "!(A ^ B ^ C)", ("carry", "sum")),
        ("!((A B) + (C (A + B)))", "A ^ B ^ C", ("carry",)),
    ],
)
def test_a_full_adder_is_one_by_its_functions(
    tmp_path: Path, carry: str, total: str, inverted: tuple[str, ...]
) -> None:
    adder = cell("ADD", 9, A="", B="", C="", X=carry, Y=total)
    role = roles(tmp_path, *BASE, adder)["full_adder"]
    assert dict(role.pins) == {"a": "A", "b": "B", "c": "C", "carry": "X", "sum": "Y"}
    assert role.inverted == inverted


def test_what_only_resembles_a_full_adder_is_none(tmp_path: Path) -> None:
    half = cell("ADD", 9, A="", B="", C="", X="A B", Y="A ^ B ^ C")
    complement = cell("ADC", 9, A="", B="", C="", X="(A B) + (!C (A + B))", Y="A ^ B ^ !C")
    assert "full_adder" not in roles(tmp_path, *BASE, half, complement)


def test_ties_and_the_smaller_of_two_buffers(tmp_path: Path) -> None:
    ties = cell("TIE", 1, H="1", L="0")
    found = roles(tmp_path, *BASE, cell("BUF_SMALL", 1.5, A="", Y="A"), ties)
    assert found["driver"].cell == "BUF_SMALL"
    assert dict(found["tie_high"].pins) == {"output": "H"}
    assert dict(found["tie_low"].pins) == {"output": "L"}


def test_a_flip_flop_with_a_reset_alone_has_it_tied(tmp_path: Path) -> None:
    reset = flop("DFFR", 9, more='clear : "!RN"; preset : "S";', RN="", S="")
    role = roles(tmp_path, INV, BUF, LATCH, reset)["flop"]
    assert dict(role.pins) == {"clock": "CK", "data": "D", "output": "Q"}
    assert (role.high, role.low) == (("RN",), ("S",))


def test_a_plain_flip_flop_is_left_to_the_mapper(tmp_path: Path) -> None:
    assert "flop" not in roles(tmp_path, *BASE, flop("DFFR", 5, more='clear : "R";', R=""))


def test_a_scan_flip_flop_alone_is_used_with_the_scan_off(tmp_path: Path) -> None:
    scan = flop("SDFF", 9, next_state="(SE SI) + (!SE D)", SE="", SI="")
    role = roles(tmp_path, INV, BUF, LATCH, scan)["flop"]
    assert dict(role.pins) == {"clock": "CK", "data": "D", "output": "Q"}
    assert set(role.low) == {"SE", "SI"}


def test_a_low_latch_is_preferred_to_an_inverted_clock(tmp_path: Path) -> None:
    low = latch("LATL", 7, enable="!G", more='clear : "R";', R="")
    role = roles(tmp_path, *BASE, low)["latch_low"]
    assert (role.cell, role.inverted, role.low) == ("LATL", (), ("R",))


def test_a_latch_with_an_area_is_preferred_to_one_without(tmp_path: Path) -> None:
    assert roles(tmp_path, *BASE, latch("FREE", None))["latch_high"].cell == "LATCH"
    kit = liberty_kit([write(tmp_path / "small.lib", INV, BUF, DFF, latch("FREE", None))])
    assert kit.roles["latch_high"].cell == "FREE"
    assert kit.notes == ("FREE has no area in the Liberty of small: it counts as 0",)


def clock_gate(kind: str, **more: str) -> str:
    pins = {
        "CK": "@clock_gate_clock_pin : true;",
        "E": "@clock_gate_enable_pin : true;",
        "GCK": "@clock_gate_out_pin : true;",
    }
    text = cell("CG", 9, f"clock_gating_integrated_cell : {kind};", **{**pins, **more})
    output = "direction : output; clock_gate_out"
    return text.replace("direction : input; capacitance : 2; clock_gate_out", output)


def test_a_clock_gate_is_one_by_its_attributes(tmp_path: Path) -> None:
    role = roles(tmp_path, *BASE, clock_gate("latch_posedge"))["clock_gate"]
    assert dict(role.pins) == {"clock": "CK", "enable": "E", "output": "GCK"}
    test = clock_gate("latch_posedge_precontrol", TE="@clock_gate_test_pin : true;")
    assert roles(tmp_path, *BASE, test)["clock_gate"].low == ("TE",)


@pytest.mark.parametrize("kind", ["latch_negedge", "none_posedge"])
def test_a_clock_gate_of_another_kind_is_not_used(tmp_path: Path, kind: str) -> None:
    assert "clock_gate" not in roles(tmp_path, *BASE, clock_gate(kind))


@pytest.mark.parametrize(
    "mark",
    [
        "dont_use : true;",
        'is_isolation_cell : "true";',
        "is_level_shifter : true;",
        "always_on : true;",
        "pad_cell : true;",
        "switch_cell_type : coarse_grain;",
    ],
)
def test_cells_that_the_liberty_sets_apart_are_not_used(tmp_path: Path, mark: str) -> None:
    found = roles(tmp_path, *BASE, cell("APART", 0.5, mark, A="", Y="A"))
    assert found["driver"].cell == "BUF"
    used = liberty_kit([tmp_path / "small.lib"]).mapping_liberty.read_text()
    assert "cell (BUF)" in used
    assert "APART" not in used


def test_a_three_state_buffer_is_not_used(tmp_path: Path) -> None:
    assert roles(tmp_path, *BASE, cell("TBUF", 1, A="", Y='A@three_state : "!A";'))[
        "driver"
    ].cell == ("BUF")


def test_load_and_target_follow_from_the_inverter(tmp_path: Path) -> None:
    kit = liberty_kit([write(tmp_path / "small.lib", *BASE)])
    assert kit.load_ff == 8.0  # four inputs of 2 fF
    assert kit.target_ns == 2.0  # 40 delays of 0.05 ns
    inverter = read_liberty([tmp_path / "small.lib"]).cells["INV"]
    delay_s, input_f = fanout_of_four(inverter)
    assert delay_s == pytest.approx(0.05e-9)
    assert input_f == pytest.approx(2e-15)
    assert (kit.corner, kit.voltage_v, kit.node_nm) == ("tt_1p2", 1.2, None)


def test_a_named_cell_or_pin_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    cells = read_liberty([write(tmp_path / "small.lib", *BASE)]).cells
    gone = {"driver": Role(cell="BUF_X9", pins={})}
    with pytest.raises(UserError, match="process kit k: driver names the cell BUF_X9, which"):
        check_roles("k", gone, cells)
    pin = {"latch_low": Role(cell="LATCH", pins={"enable": "GN", "data": "D", "output": "Q"})}
    with pytest.raises(UserError, match="with the input pin GN; its inputs are: G, D"):
        check_roles("k", pin, cells)
    tied = {"driver": Role(cell="BUF", pins={}, low=("Y",))}
    with pytest.raises(UserError, match="with the input pin Y; its inputs are: A"):
        check_roles("k", tied, cells)
    check_roles("k", {"driver": Role(cell="BUF", pins={})}, cells)
