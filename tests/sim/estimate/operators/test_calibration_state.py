"""What is said of a table that was measured on other Verilog than the tree's."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consilico.cli import main
from consilico.hw.verilog import without_lint_pragmas
from consilico.sim.estimate.operators import calibration_state, estimate
from consilico.sim.estimate.operators.calibration_state import (
    other_verilog,
    sha256_of_verilog,
    units_measured_otherwise,
)
from consilico.sim.estimate.operators.measurements import MeasuredConfig, read_measurements
from consilico.sim.units.catalogue import find_unit

NAME = "training/stochastic_round"
UNIT = find_unit(NAME)


TABLE = read_measurements("nangate45")


def row(**changes: Any) -> MeasuredConfig:
    config = UNIT.config()
    (first, *_) = (row for row in TABLE.configs if row.unit == NAME)
    like = replace(
        first,
        config=config.to_json(),
        verilog_sha256=sha256_of_verilog(UNIT, config),
        area_um2=1.0,
    )
    return replace(like, **changes)


def test_the_hash_is_that_of_the_file_in_rtl_without_its_lint_pragmas() -> None:
    text = (Path(__file__).parents[4] / "rtl" / f"{UNIT.module_name}.v").read_text()
    design = without_lint_pragmas(text).encode()
    assert row().verilog_sha256 == hashlib.sha256(design).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"verilog_sha256": "of another state"},
        {"unit": "training/gone"},
        {"config": {"lanes": 1, "gone": 2}},
        {"config": {"lanes": -1}},
    ],
)
def test_a_row_of_other_verilog_is_found(changes: dict[str, Any]) -> None:
    other = row(**changes)
    assert other_verilog([row(), other]) == [other]


def test_a_unit_is_judged_by_its_smallest_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(area_um2=9.0, verilog_sha256="of another state"), row(area_um2=2.0)]
    monkeypatch.setattr(
        calibration_state, "read_measurements", lambda pdk: replace(TABLE, configs=tuple(rows))
    )
    units_measured_otherwise.cache_clear()
    assert units_measured_otherwise("nangate45") == ()
    rows[1] = row(area_um2=2.0, verilog_sha256="of another state")
    units_measured_otherwise.cache_clear()
    assert units_measured_otherwise("nangate45") == (NAME,)
    assert units_measured_otherwise("nangate45", "matmul/dot") == ()
    units_measured_otherwise.cache_clear()


def test_an_estimate_says_that_its_unit_was_measured_on_other_verilog(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for others, said in (((), False), ((NAME,), True)):
        monkeypatch.setattr(estimate, "units_measured_otherwise", lambda *_, found=others: found)
        assert main(["estimate", NAME]) == 0
        assert ("was calibrated with other Verilog" in capsys.readouterr().out) == said
