"""The command line: JSON and tables, exit status, one line for what the user can mend."""

import hashlib
import importlib.metadata
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import consilico
from consilico.cli import main
from consilico.commands.output import working
from consilico.reports.build import ReportAnswer
from consilico.sim.rtlsim.failures import Failure, FieldDifference
from consilico.sim.rtlsim.points import Exemption
from consilico.sim.rtlsim.proofs.prove import Proof, Proofs
from consilico.sim.rtlsim.verify import SimulatorRun, Verification
from consilico.sim.silicon.implementation import (
    EquivalenceCheck,
    GateLevelCheck,
    Implementation,
    TrafficActivity,
)
from consilico.sim.silicon.power.report import Power

ROOT = Path(__file__).resolve().parents[2]
UNIT = "consmax/log2"
Fake = Callable[[str, Any], list[tuple[Any, ...]]]
VERIFIED = Verification(
    unit=UNIT,
    config={"lanes": 4},
    seed=7,
    verilog_sha256="0" * 64,
    runs=(
        SimulatorRun(
            simulator="icarus", version="11.0", checked=1000, mismatches=0, seconds=0.5,
            benches=(), coverage={},
        ),
    ),
    coverage={},
    uncovered=(),
    latency_cycles={"declared": 2, "icarus": 2},
    problems=(),
)  # fmt: skip
WATTS = {"internal_w": 4e-4, "switching_w": 2e-4, "leakage_w": 1e-5, "total_w": 6.1e-4}
IMPLEMENTED = Implementation(
    unit=UNIT, config={"lanes": 1}, pdk="nangate45", corner="typical", voltage_v=1.1, clock_ns=4.0,
    area_um2=1500.0, area_by_class_um2={"flip-flops": 500.0, "combinational": 1000.0},
    area_by_module_um2={"consmax_log2": 1500.0}, area_of_modules_kept_um2=1500.0,
    area_by_purpose_um2={"registers": 500.0, "rest": 1000.0}, cells=900,
    cells_by_type={"INV_X1": 900}, path_ns=1.05, path_cells=("INV_X1",), meets_clock=True,
    power=Power(4e-4, 2e-4, 1e-5), power_by_class_w={"combinational": 6.1e-4}, annotated_pins=10,
    unannotated_pins=0, energy_pj=1.5, operation="result", energy_per_operation_pj=1.5,
    activity=TrafficActivity(
        source="model", cycles=5000, results=4000, operations=4000, toggles=1e6, masked=0
    ),
    gate_level=GateLevelCheck(checked=8192, mismatches=0, power_up="unknown"),
    equivalence=EquivalenceCheck(method="simulation", proof=None, results_compared=8192),
    cross_check="not measured", assumptions={"clock": "ideal"}, notes=(), tools={},
    verilog_sha256="0" * 64,
)  # fmt: skip
POWER = WATTS | {"annotated_pins": 10, "unannotated_pins": 0}


def head(command: str) -> dict[str, Any]:
    """Return the keys that every JSON answer begins with."""
    return {"schema": f"consilico.{command}/1", "version": consilico.__version__}


class _PowerReport:
    def to_json(self) -> dict[str, Any]:
        return POWER


# Starting quickly


@pytest.mark.parametrize("arguments", [["--help"], ["list", "--help"], ["implement", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom consilico.cli import main\n"
        f"status = main({arguments!r})\n"
        "heavy = {'torch', 'amaranth', 'matplotlib', 'numpy', 'plotly', 'cocotb', 'gguf'}\n"
        "print(status, sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stderr == "0 []\n"
    assert "Usage" in run.stdout


def test_the_version_is_printed_and_is_that_of_the_package(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"consilico {consilico.__version__}\n"
    assert consilico.__version__ == importlib.metadata.version("consilico")


def test_the_package_runs_as_a_module() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "consilico", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert (run.returncode, run.stdout) == (0, f"consilico {consilico.__version__}\n")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("consilico mem", "memory\nmemory-sweep\n"),
        ("consilico verify --se", "--set\n--seed\n"),
        ("consilico verify consmax/", "consmax/base2\nconsmax/log2\nconsmax/split\n"),
    ],
)
def test_a_shell_completes_commands_options_and_units(typed: str, offered: str) -> None:
    environment = os.environ | {
        "_CONSILICO_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
    }
    run = subprocess.run(
        [sys.executable, "-m", "consilico"],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (0, offered)


# list, generate: real


def test_list_gives_every_unit_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json", "-"]) == 0
    units = {unit["unit"]: unit for unit in json.loads(capsys.readouterr().out)["units"]}
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


def test_verify_hands_on_what_was_asked(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    calls = fake("consilico.sim.rtlsim.verify.verify", VERIFIED)
    settings = ["--set", "lanes=4", "--sim", "icarus", "--sim", "icarus", "--seed", "7"]
    assert main(["verify", UNIT, *settings, "--json", "-"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == head("verify") | VERIFIED.to_json()
    unit, config, simulators, seed, _, failures, _ = calls[0]
    assert (unit.name, config.lanes, simulators, seed) == (UNIT, 4, ["icarus"], 7)
    assert failures is None


def test_verify_explains_failures_and_says_what_is_not_covered(
    fake: Fake, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    failure = Failure(
        what="wrong: data", bench="icarus, full speed",
        fields={"lane3/data": FieldDifference(got="5", expected="7", ulp=-2)}, results_wrong=12,
        worst_ulp=4, mean_ulp=1.5, cycle=9, time_ns=48, items=3, stimulus="one.json",
        waveform="one.vcd", replay=f"consilico verify {UNIT} --sim icarus --replay one.json",
    )  # fmt: skip
    exempt = (Exemption(point="stream/reset_in_flight", why="it holds nothing"),)
    wrong = replace(VERIFIED, problems=("wrong",), failures=(failure,), exempt=exempt)
    calls = fake("consilico.sim.rtlsim.verify.verify", wrong)
    assert main(["verify", UNIT, "--failures", str(tmp_path)]) == 1
    assert calls[0][5] == tmp_path
    printed = capsys.readouterr().out
    for part in (
        "wrong: data (icarus, full speed)", "at 48 ns, cycle 9, of a stimulus of 3 items",
        "lane3/data", "-2", "12 results are wrong like this, by up to 4 ulp, 1.5 in the mean",
        "one.vcd", "--replay one.json", "stream/reset_in_flight   it holds nothing",
    ):  # fmt: skip
        assert part in printed


def test_verify_replays_a_stimulus_file(fake: Fake, tmp_path: Path) -> None:
    calls = fake("consilico.sim.rtlsim.verify.replay_file", VERIFIED)
    path = tmp_path / "one.json"
    assert main(["verify", UNIT, "--sim", "icarus", "--replay", str(path)]) == 0
    unit, _, text, simulators, replayed, _, _ = calls[0]
    assert (unit.name, simulators, replayed) == (UNIT, ["icarus"], path)
    assert "module consmax_log2" in text


def test_verify_uses_both_simulators_by_default(
    fake: Fake,
) -> None:
    calls = fake("consilico.sim.rtlsim.verify.verify", VERIFIED)
    assert main(["verify", UNIT]) == 0
    assert calls[0][2] == ["icarus", "verilator"]


def test_a_broken_promise_is_status_1_and_names_the_property(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    held = Proof(
        name="valid_held", statement="it stays", verdict="proved", engine="abc pdr",
        depth_cycles=None, seconds=0.1,
    )  # fmt: skip
    lost = replace(held, name="nothing_lost", verdict="failed", depth_cycles=7)
    result = Proofs(unit=UNIT, config={}, verilog_sha256="0", proofs=(held, lost))
    calls = fake("consilico.sim.rtlsim.proofs.prove.prove", result)
    assert main(["prove", UNIT, "--limit", "5"]) == 1
    assert calls[0][2] == 5
    captured = capsys.readouterr()
    assert "FAILED in cycle 7" in captured.out
    assert captured.err.splitlines()[-1] == (
        f"consilico: {UNIT} breaks a promise: nothing_lost: it stays (in cycle 7)"
    )


def test_a_failed_verification_is_status_1_and_still_written(
    fake: Fake,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = replace(VERIFIED, problems=("icarus: beat 3 is 0x1, not 0x2", "x", "y"))
    fake("consilico.sim.rtlsim.verify.verify", wrong)
    assert main(["verify", UNIT, "--json", str(tmp_path / "x.json")]) == 1
    assert json.loads((tmp_path / "x.json").read_text())["passed"] is False
    captured = capsys.readouterr()
    assert "FAILED" in captured.out
    assert captured.err.splitlines()[-1] == (
        f"consilico: {UNIT} failed verification: icarus: beat 3 is 0x1, not 0x2 (and 2 more)"
    )


def test_implement_hands_on_what_was_asked(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    calls = fake("consilico.sim.silicon.implement.implement", IMPLEMENTED)
    arguments = ["--pdk", "nangate45", "--clock-ns", "2.5", "--traffic", "normal", "--json", "-"]
    assert main(["implement", UNIT, *arguments]) == 0
    assert json.loads(capsys.readouterr().out) == head("implement") | IMPLEMENTED.to_json()
    _, config, pdk, clock_ns, options = calls[0]
    assert (config.lanes, pdk.name, clock_ns, options["source"]) == (1, "nangate45", 2.5, "normal")


def test_a_path_longer_than_the_clock_is_status_1(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    missed = replace(IMPLEMENTED, clock_ns=1.04, meets_clock=False)
    fake("consilico.sim.silicon.implement.implement", missed)
    assert main(["implement", UNIT, "--clock-ns", "1.04"]) == 1
    assert f"{UNIT} needs 1.050 ns, the clock is 1.04 ns" in capsys.readouterr().err
    fake("consilico.sim.silicon.implement.implement", IMPLEMENTED)
    assert main(["implement", UNIT, "--clock-ns", "1.05"]) == 0


def test_power_hands_on_what_was_asked(
    fake: Fake,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = {name: tmp_path / name for name in ("n.v", "a.lib", "b.lib.gz", "a.vcd")}
    for path in files.values():
        path.write_text("")
    fake("consilico.sim.silicon.liberty.read.read_liberty", SimpleNamespace(cells={}))
    read = fake("consilico.sim.silicon.netlist.elaborated.plain_netlist", [files["n.v"]])
    calls = fake("consilico.sim.silicon.power.analysis.analyze_power", _PowerReport())
    assert main(["power", *_power_arguments(files), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == head("power") | POWER
    liberty = [files["a.lib"], files["b.lib.gz"]]
    expected = ([files["n.v"]], "dut", liberty, files["a.vcd"], "tb/dut", "clk", 2.0)
    assert read[0][:2] == ([files["n.v"]], "dut")
    assert calls[0][:-1] == expected


def _power_arguments(files: dict[str, Path]) -> list[str]:
    return [
        *("--netlist", str(files["n.v"]), "--top", "dut"),
        *("--liberty", str(files["a.lib"]), "--liberty", str(files["b.lib.gz"])),
        *("--activity", str(files["a.vcd"]), "--scope", "tb/dut"),
        *("--clock", "clk", "--period-ns", "2"),
    ]


@pytest.mark.parametrize("passed", [True, False])
def test_report_prints_its_path_last(
    fake: Fake,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    passed: bool,
) -> None:
    index = str(tmp_path / "index.html")
    problems = () if passed else ("verify a unit: it differs",)
    answer = ReportAnswer(
        index=index, passed=passed, targets=3, targets_met=2, targets_missed=1, problems=problems,
        checked=4, not_measured=5,
    )  # fmt: skip
    calls = fake("consilico.reports.build.build_report", answer)
    arguments = ["report", UNIT, "--pdk", "nangate45", "--full", "-o", str(tmp_path)]
    assert main(arguments) == (0 if passed else 1)
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == index
    assert ("verify a unit: it differs" in said.err) is not passed
    folder, request, *_ = calls[0]
    assert folder == tmp_path
    assert [unit.name for unit in request.units] == [UNIT]
    assert (request.kits, request.full, request.everything) == (("nangate45",), True, False)


def test_only_json_reaches_standard_output(fake: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    fake("consilico.sim.rtlsim.verify.verify", VERIFIED)
    assert main(["verify", UNIT, "--json", "-"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == head("verify") | VERIFIED.to_json()
    assert "a tool talks" in err
    assert "a library talks" in err


def test_progress_in_a_pipe_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with working() as progress:
        for done in range(5):
            progress("simulating", done, 5)
            now += 15
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "simulating: 0 of 5",
        "simulating: 2 of 5, 30 s so far, about 45 s left",
        "simulating: 4 of 5, 60 s so far, about 15 s left",
    ]


def test_progress_is_shown_on_a_terminal() -> None:
    code = (
        "from consilico.commands.output import working\n"
        "with working() as progress:\n    progress('simulating', 1, 2)\n    print('noise')\n"
        "print('result')"
    )
    terminal, other_end = pty.openpty()
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=other_end, text=True
    )
    os.close(other_end)
    shown = ""
    with suppress(OSError):  # how a terminal says that its other end is closed
        while part := os.read(terminal, 4096):
            shown += part.decode(errors="replace")
    os.close(terminal)
    assert run.stdout == "result\n"
    assert "simulating" in shown
    assert "1/2" in shown
    assert "noise" in shown
