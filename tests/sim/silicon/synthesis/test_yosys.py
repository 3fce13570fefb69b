"""Which Yosys runs, and the table that compares two of them."""

import json
from pathlib import Path

import pytest

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.synthesis import yosys_compare
from consilico.sim.silicon.synthesis.synthesize import synthesize
from consilico.sim.silicon.synthesis.yosys import run_yosys, yosys_program, yosys_version
from consilico.sim.silicon.synthesis.yosys_compare import VersionRatio, comparison


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> str:
    program = folder / "my-yosys"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("YOSYS_EXE", str(program))
    return str(program)


def test_the_variable_chooses_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = fake(tmp_path, monkeypatch, "echo 'Yosys 0.99+3 (git sha1 0)'")
    assert yosys_program() == program
    assert yosys_version() == "0.99+3"


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOSYS_EXE", "/nowhere/yosys")
    with pytest.raises(UserError, match=r"^YOSYS_EXE names /nowhere/yosys, which is no program"):
        yosys_version()


def test_what_is_no_yosys_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, monkeypatch, "echo hello")
    with pytest.raises(ToolError, match=r"^yosys does not say its version: -V prints hello"):
        yosys_version()


def test_another_version_does_not_get_the_first_ones_netlist(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    design = "module top(input clk, d, output reg q); always @(posedge clk) q <= d; endmodule"
    kit = find_kit("nangate45")
    synthesize(design, "top", kit, 4.0)
    script = "case $1 in -V) echo 'Yosys 0.99';; *) echo no licence >&2; exit 1;; esac"
    fake(tmp_path, monkeypatch, script)
    with pytest.raises(ToolError, match=r"^mapping top \(.*\): yosys failed with status 1: no lic"):
        synthesize(design, "top", kit, 4.0)


def test_a_yosys_that_succeeds_and_writes_nothing_is_an_error(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    design = "module top(input d, output q); assign q = ~d; endmodule"
    fake(tmp_path, monkeypatch, "case $1 in -V) echo 'Yosys 0.99';; esac")
    with pytest.raises(ToolError, match=r"^mapping top \(.*\): yosys .* wrote no counts\.json"):
        synthesize(design, "top", find_kit("nangate45"), 4.0)


def test_what_a_run_writes_comes_back() -> None:
    made = run_yosys({"script.ys": "tee -q -o said.txt stat\n"})
    assert "Printing statistics" in made["said.txt"]
    assert "script.ys" not in made


def test_the_checked_in_comparison_is_of_every_unit_twice() -> None:
    table = comparison()
    assert table.versions == ("0.23", "0.70")
    assert len({row.unit for row in table.rows}) >= 10
    assert len(table.rows) == 2 * len({row.unit for row in table.rows})
    for ratio in table.ratios:
        assert 0.9 < ratio.area_um2 < 1.1
        assert 0.9 < ratio.path_ns < 1.1


def test_ratios_leave_out_what_one_version_could_not_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"area_um2": 100.0, "path_ns": 1.0, "cpu_s": 4.0}
    better = {"area_um2": 50.0, "path_ns": 2.0, "cpu_s": 1.0}
    rows = [
        {"unit": "a", "recipe": "area", "clock_ns": 4.0, "old": values, "new": better},
        {"unit": "b", "recipe": "area", "clock_ns": 4.0, "old": values, "new": None},
    ]
    table = tmp_path / "table.json"
    table.write_text(
        json.dumps({"machine": "", "date": "", "pdk": "", "versions": ["old", "new"], "rows": rows})
    )
    monkeypatch.setattr(yosys_compare, "TABLE", table)
    (ratio,) = comparison().ratios
    assert ratio == VersionRatio(recipe="area", units=1, area_um2=0.5, path_ns=2.0, cpu_s=0.25)


def test_no_history_is_left_in_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    run_yosys({"script.ys": "log said"})
    assert list(tmp_path.iterdir()) == []
