"""Cells that can stand in for each other: found by what they do, not by their names."""

from pathlib import Path

import pytest

from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.liberty.strengths import Strengths
from tests.sim.silicon.libraries import liberty
from tests.sim.silicon.small import BASE, cell, flop, latch, write


@pytest.fixture
def strengths(tmp_path: Path) -> Strengths:
    more = (
        cell("QUUX", 3, A="", Y="A'"),  # an inverter, whatever it is called
        cell("INV_B", 3, B="", Y="!B"),
        cell("INV_OLD", 3, "dont_use : true;", A="", Y="!A"),
        cell("NAND", 2, A="", B="", Y="!(A B)"),
        cell("NAND_L", 4, A="", B="", Y="!B + !A"),
        cell("NOR", 2, A="", B="", Y="!(A + B)"),
        cell("HUGE", 9, A="", Y="A"),
        cell("LAZY", 2, A="", Y="A", Z="A"),
        flop("DFF_4", 9),
        flop("DFFN", 8, next_state="!D"),
        latch("LATCH_N", 6, enable="!G"),
    )
    return Strengths(read_liberty([write(tmp_path / "small.lib", *BASE, *more)]).cells)


def test_cells_of_one_function_and_the_same_pins_are_one_group(strengths: Strengths) -> None:
    assert strengths.of("INV") == ("INV", "QUUX")
    assert strengths.of("NAND") == ("NAND", "NAND_L")
    assert strengths.of("NAND_L") == strengths.of("NAND")
    assert strengths.of("DFF") == ("DFF", "DFF_4")


def test_other_pins_functions_and_states_are_other_groups(strengths: Strengths) -> None:
    for name in ("INV_B", "NOR", "DFFN", "LATCH", "LATCH_N", "LAZY"):
        assert strengths.of(name) == (name,)


def test_a_cell_that_is_not_to_be_used_stands_in_for_none(strengths: Strengths) -> None:
    assert "INV_OLD" not in strengths.of("INV_OLD")


def test_buffers_come_by_size(strengths: Strengths) -> None:
    assert strengths.buffers == ("BUF", "HUGE")


@pytest.mark.parametrize(
    ("kit", "one", "other", "apart"),
    [
        ("nangate45", "FA_X1", None, "HA_X1"),
        ("nangate45", "DFF_X1", "DFF_X2", "SDFF_X1"),
        ("nangate45", "CLKGATE_X1", "CLKGATE_X8", "CLKGATETST_X1"),
        ("asap7", "INVx1_ASAP7_75t_R", "INVx13_ASAP7_75t_R", "BUFx2_ASAP7_75t_R"),
        ("ihp", "sg13g2_nand2_1", "sg13g2_nand2_2", "sg13g2_nor2_1"),
    ],
)
def test_strengths_of_real_kits(kit: str, one: str, other: str | None, apart: str) -> None:
    found = Strengths(read_liberty(liberty(kit)).cells).of(one)
    assert one in found
    assert other is None or other in found
    assert apart not in found
