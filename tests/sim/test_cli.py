"""The command line: JSON and tables, exit status, one line for what the user can mend."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.cli import main
from sim.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
UNIT = "consmax/log2"
VERIFIED = {
    "unit": UNIT,
    "config": {"lanes": 4},
    "seed": 7,
    "passed": True,
    "runs": [
        {
            "simulator": "icarus",
            "version": "11.0",
            "checked": 1000,
            "mismatches": 0,
            "seconds": 0.5,
            "checked_per_second": 2000.0,
        }
    ],
}
WATTS = {"internal_w": 4e-4, "switching_w": 2e-4, "leakage_w": 1e-5, "total_w": 6.1e-4}
IMPLEMENTED = {
    "unit": UNIT,
    "config": {"lanes": 1},
    "pdk": "nangate45",
    "corner": "typical",
    "area_um2": 1500.0,
    "path_ns": 1.05,
    "cells": 900,
    "power": WATTS,
    "energy_pj": 1.5,
    "activity": {"source": "model", "cycles": 5000},
    "tools": {},
}
POWER = WATTS | {"annotated_pins": 10, "unannotated_pins": 0}


class _PowerReport:
    def to_json(self) -> dict[str, Any]:
        return POWER


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], list[tuple[Any, ...]]]:
    """Replace a slow function by one that notes its arguments and returns (or raises) an answer."""

    def replace(name: str, answer: Any) -> list[tuple[Any, ...]]:
        calls: list[tuple[Any, ...]] = []

        def stand_in(*arguments: Any, **options: Any) -> Any:
            os.write(1, b"a tool talks\n")
            print("a library talks")
            calls.append((*arguments, options))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        monkeypatch.setattr(name, stand_in)
        return calls

    return replace


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sim.cli", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def _one_line(text: str) -> str:
    """The only line of ``text``, which names the program and shows no traceback."""
    assert text.count("\n") == 1, text
    assert text.startswith("consilico: ")
    return text.removeprefix("consilico: ").strip()


# Starting quickly


@pytest.mark.parametrize("arguments", [["--help"], ["list", "--help"], ["implement", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom sim.cli import main\n"
        f"status = main({arguments!r})\n"
        "heavy = {'torch', 'amaranth', 'matplotlib', 'numpy', 'plotly', 'cocotb', 'gguf'}\n"
        "print(status, sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stderr == "0 []\n"
    assert "Usage" in run.stdout


# list, generate: real


def test_list_gives_every_unit_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json", "-"]) == 0
    units = {unit["unit"]: unit for unit in json.loads(capsys.readouterr().out)}
    assert {"consmax/log2", "consmax/split"} <= set(units)
    lanes = units[UNIT]["parameters"]["lanes"]
    assert units[UNIT]["family"] == "attention"
    assert lanes["minimum"] == 1
    assert lanes["doc"]


def test_list_shows_people_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert UNIT in capsys.readouterr().out


def test_generate_prints_the_same_verilog_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", UNIT, "--set", "lanes=2"]) == 0
    first = capsys.readouterr().out
    assert main(["generate", UNIT, "--set", "lanes=2"]) == 0
    assert capsys.readouterr().out == first
    assert "module consmax_log2" in first
    assert main(["generate", UNIT]) == 0
    assert capsys.readouterr().out != first


def test_generate_writes_a_file_and_describes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.v"
    assert main(["generate", UNIT, "--set", "lanes=2", "-o", str(path), "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert path.read_text() == result["verilog"]
    assert result["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert result["config"]["lanes"] == 2


# verify, implement, power, report: the work itself replaced


def test_verify_hands_on_what_was_asked(
    fake: Callable[[str, Any], list[tuple[Any, ...]]], capsys: pytest.CaptureFixture[str]
) -> None:
    calls = fake("sim.rtlsim.verify.verify", VERIFIED)
    settings = ["--set", "lanes=4", "--sim", "icarus", "--sim", "icarus", "--seed", "7"]
    assert main(["verify", UNIT, *settings, "--json", "-"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == VERIFIED
    unit, config, simulators, seed, _ = calls[0]
    assert (unit.name, config.lanes, simulators, seed) == (UNIT, 4, ["icarus"], 7)


def test_verify_uses_both_simulators_by_default(
    fake: Callable[[str, Any], list[tuple[Any, ...]]],
) -> None:
    calls = fake("sim.rtlsim.verify.verify", VERIFIED)
    assert main(["verify", UNIT]) == 0
    assert calls[0][2] == ["icarus", "verilator"]


def test_a_failed_verification_is_status_1_and_still_written(
    fake: Callable[[str, Any], list[tuple[Any, ...]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = {"passed": False, "problems": ["icarus: beat 3 is 0x1, not 0x2", "x", "y"]}
    fake("sim.rtlsim.verify.verify", VERIFIED | wrong)
    assert main(["verify", UNIT, "--json", str(tmp_path / "x.json")]) == 1
    assert json.loads((tmp_path / "x.json").read_text())["passed"] is False
    captured = capsys.readouterr()
    assert "FAILED" in captured.out
    assert captured.err.splitlines()[-1] == (
        f"consilico: {UNIT} failed verification: icarus: beat 3 is 0x1, not 0x2 (and 2 more)"
    )


def test_implement_hands_on_what_was_asked(
    fake: Callable[[str, Any], list[tuple[Any, ...]]], capsys: pytest.CaptureFixture[str]
) -> None:
    calls = fake("sim.silicon.implement.implement", IMPLEMENTED)
    arguments = ["--pdk", "nangate45", "--clock-ns", "2.5", "--traffic", "normal", "--json", "-"]
    assert main(["implement", UNIT, *arguments]) == 0
    assert json.loads(capsys.readouterr().out) == IMPLEMENTED
    _, config, pdk, clock_ns, options = calls[0]
    assert (config.lanes, pdk, clock_ns, options["source"]) == (1, "nangate45", 2.5, "normal")


def test_a_path_longer_than_the_clock_is_status_1(
    fake: Callable[[str, Any], list[tuple[Any, ...]]], capsys: pytest.CaptureFixture[str]
) -> None:
    fake("sim.silicon.implement.implement", IMPLEMENTED)
    assert main(["implement", UNIT, "--clock-ns", "1.04"]) == 1
    assert f"{UNIT} needs 1.050 ns, the clock is 1.04 ns" in capsys.readouterr().err
    assert main(["implement", UNIT, "--clock-ns", "1.05"]) == 0


def test_power_hands_on_what_was_asked(
    fake: Callable[[str, Any], list[tuple[Any, ...]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = {name: tmp_path / name for name in ("n.v", "a.lib", "b.lib.gz", "a.vcd")}
    for path in files.values():
        path.write_text("")
    calls = fake("sim.silicon.power.analyse", _PowerReport())
    assert main(["power", *_power_arguments(files), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == POWER
    liberty = [files["a.lib"], files["b.lib.gz"]]
    expected = (files["n.v"], "dut", liberty, files["a.vcd"], "tb/dut", "clk", 2.0)
    assert calls[0][:-1] == expected


def _power_arguments(files: dict[str, Path]) -> list[str]:
    return [
        *("--netlist", str(files["n.v"]), "--top", "dut"),
        *("--liberty", str(files["a.lib"]), "--liberty", str(files["b.lib.gz"])),
        *("--activity", str(files["a.vcd"]), "--scope", "tb/dut"),
        *("--clock", "clk", "--period-ns", "2"),
    ]


def test_power_names_the_file_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / name for name in ("n.v", "a.lib", "b.lib.gz", "a.vcd")}
    for path in files.values():
        path.write_text("")
    files["b.lib.gz"].unlink()
    assert main(["power", *_power_arguments(files)]) == 2
    line = _one_line(capsys.readouterr().err)
    assert line == f"{files['b.lib.gz']}: No such file or directory"


@pytest.mark.parametrize("passed", [True, False])
def test_report_prints_its_path_last(
    fake: Callable[[str, Any], list[tuple[Any, ...]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    passed: bool,
) -> None:
    index = str(tmp_path / "index.html")
    calls = fake("reports.build.build_report", {"index": index, "passed": passed})
    assert main(["report", "-o", str(tmp_path)]) == (0 if passed else 1)
    assert capsys.readouterr().out.splitlines()[-1] == index
    assert calls[0][0] == tmp_path


def test_only_json_reaches_standard_output(
    fake: Callable[[str, Any], list[tuple[Any, ...]]], capfd: pytest.CaptureFixture[str]
) -> None:
    fake("sim.rtlsim.verify.verify", VERIFIED)
    assert main(["verify", UNIT, "--json", "-"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == VERIFIED
    assert "a tool talks" in err
    assert "a library talks" in err


def test_no_progress_is_shown_in_a_pipe(
    fake: Callable[[str, Any], list[tuple[Any, ...]]], capfd: pytest.CaptureFixture[str]
) -> None:
    calls = fake("sim.rtlsim.verify.verify", VERIFIED)
    main(["verify", UNIT])
    assert calls[0][-1] == {"progress": None}


# What the user can mend


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["command"]),
        (["synthesize"], ["synthesize"]),
        (["verify"], ["UNIT"]),
        (["verify", UNIT, "--sim", "vcs"], ["--sim", "vcs", "icarus", "verilator"]),
        (["verify", UNIT, "--seed", "x"], ["--seed", "integer"]),
        (["verify", UNIT, "--speed", "1"], ["--speed"]),
        (["verify", "softmax"], ["unknown unit 'softmax'", UNIT]),
        (["generate", UNIT, "--set", "lanes"], ["--set takes field=value, not 'lanes'"]),
        (["generate", UNIT, "--set", "lane=1"], ["unknown field 'lane'", "lanes"]),
        (["generate", UNIT, "--set", "lanes=0"], ["lanes must be an integer in [1, ", "not 0"]),
        (["implement", UNIT, "--clock-ns", "0"], ["--clock-ns", "above 0", "not 0"]),
        (["implement", UNIT, "--clock-ns", "nan"], ["--clock-ns", "nan"]),
        (["implement", UNIT, "--traffic", "x"], ["--traffic", "model", "normal", "synthetic"]),
        (["implement", UNIT, "--pdk", "sky999"], ["sky999", "nangate45"]),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(
    arguments: list[str],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    line = _one_line(captured.err)
    assert all(word in line for word in words), line
    assert captured.out == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("iverilog is not there:\n install it"), "iverilog is not there: install it"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "a.lib"), "a.lib: Permission denied"),
        (EOFError("Compressed file ended early"), "Compressed file ended early"),
        (
            ModuleNotFoundError("No module named 'gguf'", name="gguf"),
            "Python package gguf is missing; `consilico doctor` says more",
        ),
    ],
)
def test_what_goes_wrong_on_the_way_is_one_line_and_keeps_earlier_results(
    fake: Callable[[str, Any], list[tuple[Any, ...]]],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    error: Exception,
    line: str,
) -> None:
    earlier = tmp_path / "x.json"
    earlier.write_text("earlier")
    fake("sim.rtlsim.verify.verify", error)
    assert main(["verify", UNIT, "--json", str(earlier)]) == 2
    out, err = capfd.readouterr()
    assert err.splitlines()[-1] == f"consilico: {line}"
    assert "Traceback" not in err
    assert out == ""
    assert earlier.read_text() == "earlier"


def test_an_error_of_our_own_is_not_disguised(
    fake: Callable[[str, Any], list[tuple[Any, ...]]],
) -> None:
    fake("sim.rtlsim.verify.verify", ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        main(["verify", UNIT])


def test_an_interrupt_is_status_130(
    fake: Callable[[str, Any], list[tuple[Any, ...]]], capfd: pytest.CaptureFixture[str]
) -> None:
    fake("sim.rtlsim.verify.verify", KeyboardInterrupt())
    assert main(["verify", UNIT]) == 130
    assert capfd.readouterr().err.splitlines()[-1] == "consilico: interrupted"


def test_a_json_file_below_a_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["list", "--json", str(tmp_path / "file" / "x.json")]) == 2
    assert "cannot write" in _one_line(capsys.readouterr().err)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full exists only on Linux")
@pytest.mark.parametrize("command", ["list", "generate"])  # less, more than a buffer holds
def test_a_full_disk_behind_standard_output_is_one_line(command: str) -> None:
    arguments = ["list"] if command == "list" else ["generate", UNIT, "--set", "lanes=16"]
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "sim.cli", *arguments],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert _one_line(run.stderr) == "No space left on device"
    assert run.returncode == 2


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as broken:
        run = subprocess.run(
            [sys.executable, "-m", "sim.cli", "list"],
            cwd=ROOT,
            stdout=broken,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (run.returncode, run.stderr) == (1, "")


def test_the_program_s_exit_status_is_main_s() -> None:
    run = _run("list", "--unknown")
    assert run.returncode == 2
    assert "--unknown" in _one_line(run.stderr)
