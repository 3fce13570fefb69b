"""The cocotb testbench and its runner report faults, and never pass without having tested."""

import dataclasses
import os
from pathlib import Path

import pytest

from consilico.sim.base.errors import ToolError
from consilico.sim.rtlsim.builds import BuildError
from consilico.sim.rtlsim.cocotb_replay import build_cocotb, run_cocotb
from consilico.sim.rtlsim.replay import Replay, ReplayOutcome
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.stimulus import Stimulus
from tests.sim.rtlsim import toy

pytestmark = pytest.mark.usefixtures("cache")

STALLS = Replay(stall_in=64, stall_out=96, hang_cycles=500)


def replay(
    sources: list[str],
    stimulus: Stimulus | None = None,
    module: str = "consilico.sim.rtlsim.cocotb_testbench",
) -> ReplayOutcome:
    icarus = find_simulator("icarus")
    build = build_cocotb(icarus, sources, toy.TOP)
    items = stimulus or toy.stimulus(rounds=5)
    return run_cocotb(icarus, build, toy.TOP, toy.PORTS, items, STALLS, module)


def test_a_right_unit_passes_and_every_result_is_accounted_for() -> None:
    stimulus = toy.stimulus(rounds=4)
    outcome = replay(toy.sources(), stimulus)
    assert outcome.passed, outcome.problems
    assert outcome.beats_checked + outcome.beats_dropped == len(stimulus.expected)
    assert outcome.beats_dropped > 0


def test_one_wrong_expected_bit_is_found_and_located() -> None:
    stimulus = toy.stimulus(rounds=4)
    stimulus.expected[-3, 0] ^= 1
    outcome = replay(toy.sources(), stimulus)
    assert outcome.beats_wrong == 1
    assert not outcome.passed
    assert outcome.first_mismatch is not None
    assert outcome.first_mismatch.index == len(stimulus.expected) - 3
    got, expected = int(outcome.first_mismatch.got, 16), int(outcome.first_mismatch.expected, 16)
    assert got ^ expected == 1


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("result <= product", "result <= {product[15:1], 1'bx}", "wrong"),
        ("o__valid = full1", "o__valid = full1 & k[8]", "o__valid is unknown"),
        (
            "assign o__valid = full1",
            toy.FLICKERING_VALID,
            "o__valid dropped before o__ready",
        ),
        (
            "o__payload = result",
            "o__payload = o__ready ? result : ~result",
            "o__payload changed before o__ready",
        ),
        ("i__ready = free0", "i__ready = 1'b0", "hang: item 1 is not taken"),
        ("o__valid = full1", "o__valid = 1'b0", "hang: no result comes"),
        ("if (rst)", "if (1'b0)", "without an accepted input"),
        ("wire gated;", "wire gated; initial #400 $finish;", "results never came"),
    ],
)
def test_a_fault_is_found_and_named(old: str, new: str, says: str) -> None:
    outcome = replay(toy.sources(old, new))
    assert not outcome.passed
    assert any(says in problem for problem in outcome.problems), outcome.problems


@pytest.mark.parametrize("module", ["json", "there_is_no_such_module"])
def test_a_module_without_tests_is_a_failure(module: str) -> None:
    outcome = replay(toy.sources(), module=module)
    assert not outcome.passed
    assert outcome.checked == 0
    assert any("no cocotb test ran" in problem for problem in outcome.problems), outcome.problems


def test_a_skipped_test_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import cocotb\n@cocotb.test(skip=True)\nasync def skipped(dut):\n    pass\n"
    (tmp_path / "skipping_bench.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    outcome = replay(toy.sources(), module="skipping_bench")
    assert "no cocotb test ran" in outcome.problems


def test_settings_of_the_user_do_not_change_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCOTB_TEST_FILTER", "matches_nothing")
    monkeypatch.setenv("COCOTB_TEST_MODULES", "json")
    before = dict(os.environ)
    assert replay(toy.sources()).passed
    assert dict(os.environ) == before


def test_the_plain_loop_passes_a_right_unit_and_finds_a_wrong_bit() -> None:
    stimulus = toy.stimulus(rounds=2)
    kept = stimulus.kind != 2
    stimulus = dataclasses.replace(
        stimulus,
        kind=stimulus.kind[kept],
        bits=stimulus.bits[kept],
        completes=stimulus.completes[kept],
    )
    assert replay(toy.sources(), stimulus, "consilico.sim.rtlsim.plain_testbench").passed
    stimulus.expected[5, 0] ^= 1
    outcome = replay(toy.sources(), stimulus, "consilico.sim.rtlsim.plain_testbench")
    assert (outcome.beats_wrong, outcome.passed) == (1, False)


def test_a_simulation_that_stands_still_is_ended() -> None:
    icarus = find_simulator("icarus")
    sources = toy.sources("wire gated;", "wire gated; initial #400 while (1) k = k;")
    build = build_cocotb(icarus, sources, toy.TOP)
    run = dataclasses.replace(STALLS, limit_s=5)
    outcome = run_cocotb(icarus, build, toy.TOP, toy.PORTS, toy.stimulus(rounds=5), run)
    assert not outcome.passed
    assert "the simulation did not end within 5 s" in outcome.problems


def test_a_compiler_that_is_killed_says_nothing_about_the_verilog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "iverilog"
    program.write_text(
        '#!/bin/sh\nif [ "$1" = -V ]; then echo version 11.0; else kill -9 $PPID; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(ToolError, match=r"^icarus was killed by SIGKILL") as caught:
        build_cocotb(find_simulator("icarus"), toy.sources(), toy.TOP)
    assert not isinstance(caught.value, BuildError)


def test_verilog_that_does_not_compile_is_a_build_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="icarus does not compile toy_multiply"):
        build_cocotb(find_simulator("icarus"), ["module nonsense"], toy.TOP)
