"""What is said of each table of measurements: of the tree's Verilog and code, or of another."""

from dataclasses import replace

import pytest

from consilico.reports import calibration_check
from consilico.reports.calibration_check import TableState
from consilico.sim.estimate.operators.ladder_table import read_ladder
from consilico.sim.estimate.operators.measurements import read_measurements
from consilico.sim.estimate.operators.tables import read_calibration

STATE = TableState(table="t.json", rows=5, unlike=(), unlike_rows=0)


@pytest.mark.parametrize(
    ("states", "status", "lines"),
    [
        ([STATE], 0, ["t.json: 5 rows, all of the tree's state"]),
        (
            [
                STATE,
                TableState(
                    table="u.json", rows=5, unlike=("a", "b"), unlike_rows=3, remedy="make it"
                ),
            ],
            1,
            [
                "t.json: 5 rows, all of the tree's state",
                "u.json: 3 of 5 rows are of another state; a, b; `make it` measures them",
            ],
        ),
        (
            [TableState(table="v.json", rows=4, unlike=(), unlike_rows=0, unknown_rows=4)],
            0,
            ["v.json: 4 rows, 4 of them without a hash: not known"],
        ),
    ],
)
def test_the_check_prints_a_line_for_each_table_and_fails_for_other_states(
    states: list[TableState],
    status: int,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(calibration_check, "table_states", lambda: iter(states))
    assert calibration_check.main() == status
    assert capsys.readouterr().out.splitlines() == lines


def test_an_altered_primitive_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    table = read_measurements("nangate45")
    (row,) = (row for row in table.primitives if row.name == "and_or/4")
    altered = replace(
        table, primitives=(replace(row, verilog_sha256="of another text"),), configs=()
    )
    monkeypatch.setattr(calibration_check, "read_measurements", lambda pdk: altered)
    state = calibration_check._operator_table("nangate45")
    assert (state.unlike, state.unlike_rows) == (("and_or/4",), 1)


def test_costs_that_were_fitted_by_other_formulas_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = read_calibration("nangate45").fitted_sha256
    for found, unlike in ((stored, 0), ("by other formulas", 1)):
        monkeypatch.setattr(calibration_check, "fitted_digest", lambda table, found=found: found)
        assert calibration_check._fitted_costs("nangate45").unlike_rows == unlike


def test_a_layout_of_other_verilog_and_factors_of_other_layouts_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = read_ladder("nangate45")
    assert table is not None
    (row,) = (row for row in table.rows if (row.unit, row.purpose) == ("matmul/dot", "fit"))
    altered = replace(table, rows=(replace(row, verilog_sha256="of another text"),))
    monkeypatch.setattr(calibration_check, "read_ladder", lambda pdk: altered)
    layouts, factors = calibration_check._layouts("nangate45")
    assert (layouts.unlike, layouts.rows, layouts.unlike_rows) == (("matmul/dot",), 1, 1)
    assert factors.unlike_rows == 1


def test_a_kit_that_was_not_laid_out_has_no_line_for_it() -> None:
    assert list(calibration_check._layouts("osu018")) == []
