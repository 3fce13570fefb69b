"""Anyone's cocotb tests are run, counted and located; nothing passes that did not run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from consilico.cli import main

UNIT = ["--unit", "training/stochastic_round", "--set", "lanes=2"]
PASSES = """
import cocotb
from consilico.testing import Bench

@cocotb.test()
async def one_beat(dut):
    bench = await Bench.start(dut)
    dut.i__valid.value = 0
    assert len(bench.i.stream.layout.by_name) > 0

@cocotb.test(skip=True)
async def later(dut):
    pass
"""
FAILS = """
import random
import cocotb
from cocotb.triggers import Timer

@cocotb.test()
async def right(dut):
    await Timer(4, "ns")

@cocotb.test()
async def wrong(dut):
    await Timer(4, "ns")
    assert False, f"the answer is {random.randint(1, 10**9)}"
"""
# What the design does is never compared, or not all of it
FORGETS = """
import cocotb
from consilico.testing import Bench

async def sent(dut):
    bench = await Bench.start(dut)
    await bench.configure(k=11357, b=3000)
    await bench.send(score=1, mask=0)
    return bench

@cocotb.test()
async def never(dut):
    await sent(dut)

@cocotb.test()
async def once(dut):
    bench = await sent(dut)
    await bench.finish()
    await bench.send(score=2, mask=0)

@cocotb.test()
async def fails_by_itself(dut):
    await sent(dut)
    assert False, "of its own"

@cocotb.test()
async def compares(dut):
    bench = await sent(dut)
    await bench.drain()
    assert not bench.scoreboard.compare().mismatches
"""
COUNTER = """
module counter (input clk, output reg [3:0] count);
  reg [3:0] hidden = 3;
  initial count = 0;
  always @(posedge clk) begin count <= count + 1; hidden <= ~hidden; end
endmodule
"""
COUNTS = """
import cocotb
from cocotb.triggers import FallingEdge
from consilico.testing import ClockDomain

@cocotb.test()
async def counts(dut):
    domain = ClockDomain.of(dut)
    domain.start()
    for _ in range(5):
        await domain.settled()
    assert dut.count.value.to_unsigned() == 5, dut.count.value
    assert dut.hidden.value.is_resolvable
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a user's own folder, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_tests_that_pass_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my_test.py").write_text(PASSES)
    assert main(["test", "my_test.py", *UNIT, "--json", "-"]) == 0
    found = answer(capsys)
    assert (found["tests"], found["failed"], found["skipped"]) == (1, 0, 1)
    assert found["simulator"] == "icarus"
    assert {path.name for path in folder.iterdir()} == {"my_test.py"}


def test_a_failing_test_is_status_1_with_its_message_and_waveform(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "my_test.py").write_text(FAILS)
    status = main(["test", "my_test.py", *UNIT, "--waves", "--junit", "j.xml", "--json", "-"])
    assert status == 1
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (found["tests"], found["failed"]) == (2, 1)
    assert "AssertionError: the answer is" in found["cases"][1]["message"]
    assert captured.err.startswith("consilico: my_test.py: wrong: AssertionError: the answer is")
    assert (folder / "my_test-icarus.fst").stat().st_size > 100
    suite = ElementTree.parse(folder / "j.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


def test_a_test_that_compares_nothing_fails(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "my_test.py").write_text(FORGETS)
    assert main(["test", "my_test.py", "--unit", "consmax/log2", "--json", "-"]) == 1
    cases = json.loads(capsys.readouterr().out)["cases"]
    says = {case["name"]: case["message"] for case in cases}
    assert "beats that nothing was compared for: await bench.finish()" in says["never"]
    assert "the test ended with 1 beats" in says["once"]
    assert "of its own" in says["fails_by_itself"]
    assert says["compares"] == ""


def test_the_seed_repeats_a_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my_test.py").write_text(FAILS)

    def message(seed: int) -> str:
        arguments = ["test", "my_test.py", *UNIT, "--testcase", "wrong", "--seed", str(seed)]
        assert main([*arguments, "--json", "-"]) == 1
        return str(json.loads(capsys.readouterr().out)["cases"][0]["message"])

    assert message(1) == message(1) != message(2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no test ran"),
        ("import cocotb\n@cocotb.test(skip=True)\nasync def t(dut): 1\n", "no test ran; 1 skip"),
        ("import there_is_no_such_module\n", "No module named 'there_is_no_such_module'"),
        (
            "import cocotb\n@cocotb.test()\nasync def t(dut): import os; os._exit(0)\n",
            "no test ran",
        ),
    ],
)
def test_nothing_passes_that_did_not_run(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    (folder / "my_test.py").write_text(text)
    assert main(["test", "my_test.py", *UNIT, "--json", "-"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["tests"] == 0
    assert says in captured.err


def test_a_test_that_never_ends_is_ended(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "import cocotb\n@cocotb.test()\nasync def t(dut):\n    while True: pass\n"
    (folder / "my_test.py").write_text(text)
    assert main(["test", "my_test.py", *UNIT, "--limit", "4"]) == 1
    assert "the simulation did not end within 4 s" in capsys.readouterr().err


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_anyone_s_verilog_is_tested_with_its_signals(folder: Path, simulator: str) -> None:
    (folder / "counter.v").write_text(COUNTER)
    (folder / "counts.py").write_text(COUNTS)
    rtl = ["--rtl", "counter.v", "--top", "counter", "--sim", simulator]
    assert main(["test", "counts.py", *rtl]) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["my_test.py"], "name what to test"),
        (["none.py", *UNIT], "none.py"),
        (["random.py", *UNIT], "Python has a module random of its own"),
        (["my-test.py", *UNIT], "must be a Python file whose name can be imported"),
        (["my_test.py", "--rtl", "my_test.py"], "needs --top MODULE"),
        (["my_test.py", "--rtl", "my_test.py", "--top", "t"], "no module 't' is defined"),
        (["my_test.py", "--set", "lanes=2"], "--set is for a unit"),
    ],
)
def test_what_cannot_be_run_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    for name in ("my_test.py", "random.py", "my-test.py"):
        (folder / name).write_text(PASSES)
    assert main(["test", *arguments]) == 2
    assert says in capsys.readouterr().err


PYTEST_FILE = """
def test_unit(simulate):
    run = simulate("my_bench.py", unit="training/stochastic_round", config={"lanes": 2})
    assert run.tests == 1
"""


def in_pytest(folder: Path, *arguments: str) -> str:
    """Run pytest as a user does, in a process of its own, and return what it prints."""
    (folder / "test_mine.py").write_text(PYTEST_FILE)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "consilico.sim.rtlsim.testing.pytest_plugin", *arguments),
        ],
        cwd=folder,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_fixture_runs_tests_on_each_simulator_named(folder: Path) -> None:
    (folder / "my_bench.py").write_text(PASSES)
    said = in_pytest(folder, "-v", "-v", "--consilico-sim", "icarus")
    assert "test_unit[icarus] PASSED" in said
    assert "1 passed" in said


def test_the_fixture_fails_with_the_message_and_keeps_a_waveform(folder: Path) -> None:
    (folder / "my_bench.py").write_text(FAILS)
    said = in_pytest(folder, "--basetemp", str(folder / "kept"))
    assert "1 of 2 cocotb tests failed" in said
    assert "wrong: AssertionError: the answer is" in said
    waves = list((folder / "kept").rglob("*.fst"))
    assert len(waves) == 1
    assert f"waveform: {waves[0]}" in said


def test_the_fixture_fails_if_no_test_ran(folder: Path) -> None:
    (folder / "my_bench.py").write_text("")
    said = in_pytest(folder)
    assert "no cocotb test ran" in said
    assert "1 failed" in said


def test_an_unknown_simulator_is_one_line(folder: Path) -> None:
    (folder / "my_bench.py").write_text(PASSES)
    said = in_pytest(folder, "--consilico-sim", "questa")
    assert "unknown simulator 'questa'; there are: icarus, verilator" in said
    assert "Traceback" not in said
