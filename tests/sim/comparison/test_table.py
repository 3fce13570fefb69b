"""The table of measured comparisons: what is read of it, and what is left to measure."""

import json
from pathlib import Path

import pytest

from consilico.sim.base.errors import CheckFailed
from consilico.sim.base.interval import exactly
from consilico.sim.comparison import measure, table
from consilico.sim.comparison.measure import STUDY, ComparisonCase, todo
from consilico.sim.comparison.table import MeasuredRow, MeasuredRows, measured_comparison
from tests.sim.comparison.small_table import small_row, small_rows


def test_a_table_goes_through_json_and_comes_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(table, "TABLE", tmp_path / "measured.json")
    assert table.measured_rows() == MeasuredRows()
    table.TABLE.write_text(json.dumps(small_rows().to_json()))
    assert table.measured_rows() == small_rows()


def test_a_row_takes_the_place_of_the_one_of_the_same_key() -> None:
    before = small_rows()
    found = before.added([small_row("softermax", "latch", logic=900.0, more=500.0)])
    assert len(found.rows) == len(before.rows)
    assert [row.found.area_um2.logic for row in found.rows if row.found.buffer == "latch"] == [900]


def test_a_comparison_is_put_together_from_rows() -> None:
    units = ("consmax/log2", "softermax", "softermax+base2_scores", "ita")
    found = measured_comparison(units, table=small_rows())
    assert found is not None
    assert [(row.unit, row.buffer) for row in found.rows] == [
        ("consmax/log2", None), ("softermax", "latch"), ("softermax", "none"),
        ("softermax+base2_scores", "latch"), ("softermax+base2_scores", "none"),
    ]  # fmt: skip
    assert {(each.unit, each.buffer): each.area for each in found.ratios} == {
        ("softermax", "latch"): exactly(15.0), ("softermax", "none"): exactly(10.0),
        ("softermax+base2_scores", "latch"): exactly(15.5),
        ("softermax+base2_scores", "none"): exactly(10.5),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("units", "options"),
    [
        (("ita", "softermax"), {}),
        (("softermax", "ita"), {}),
        (("softermax", "consmax/log2"), {"clock_ns": 2.0}),
        (("softermax", "consmax/log2"), {"traffic": "model"}),
        (("softermax", "consmax/log2"), {"rung": "cells"}),
        (("softermax", "consmax/log2"), {"lanes": (16,)}),
    ],
)
def test_what_was_not_measured_is_no_comparison(
    units: tuple[str, ...], options: dict[str, object]
) -> None:
    assert measured_comparison(units, table=small_rows(), **options) is None  # type: ignore[arg-type]


def test_what_is_known_of_the_verilog_of_now_is_not_measured_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measure, "other_verilog", lambda rows: [])
    assert todo(MeasuredRows()) == [*STUDY]
    left = todo(small_rows())
    assert ComparisonCase(unit="consmax/log2") not in left
    assert ComparisonCase(unit="softermax", buffers=("latch",)) not in left
    assert ComparisonCase(unit="softermax") in left  # the SRAM next to the logic is missing
    assert ComparisonCase(unit="softermax", buffers=("flop",)) in left
    monkeypatch.setattr(measure, "other_verilog", lambda rows: rows)
    assert todo(small_rows()) == [*STUDY]


def test_what_fails_does_not_keep_the_others_from_being_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "measured.json"
    monkeypatch.setattr(table, "TABLE", path)
    monkeypatch.setattr(measure, "TABLE", path)
    monkeypatch.setattr(measure, "other_verilog", lambda rows: [])
    monkeypatch.setattr(
        measure, "STUDY", (ComparisonCase(unit="ita"), ComparisonCase(unit="consmax/log2"))
    )

    def measured(case: ComparisonCase) -> list[MeasuredRow]:
        if case.unit == "ita":
            raise CheckFailed("the netlist of ita is wrong")
        return [small_row(case.unit, None, logic=100.0)]

    monkeypatch.setattr(measure, "measured", measured)
    assert measure.main([]) == 1
    assert [row.unit for row in table.measured_rows().rows] == ["consmax/log2"]
    assert "the netlist of ita is wrong" in capsys.readouterr().err
