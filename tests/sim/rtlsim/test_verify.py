"""The verdict: both simulators on one small unit, and everything that must spoil it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.base.results import computed_anew
from consilico.sim.rtlsim import judge
from consilico.sim.rtlsim import verify as module
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk, run_script
from consilico.sim.rtlsim.plan import COCOTB, has_cocotb, planned
from consilico.sim.rtlsim.profiles import PROFILES
from consilico.sim.rtlsim.replay import Replay
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.rtlsim.verify import Verification, check, verify
from tests.sim.rtlsim import toy

TEXT = "\n".join(toy.sources())
CONFIG = toy.ToyConfig()


@pytest.fixture(scope="module")
def both() -> Verification:
    """Verdict of both simulators, made anew; what is compiled stays in the cache of all tests."""
    with computed_anew("verify"):
        return check(toy.unit(), CONFIG, TEXT, ["icarus", "verilator"], 7)


def test_a_simulator_alone_replays_all_that_it_can() -> None:
    unit = toy.unit()
    stimulus = unit.vectors(CONFIG, 1)
    assert [has_cocotb(name, [name]) for name in ("icarus", "verilator")] == [True, True]
    for name in ("icarus", "verilator"):
        plans = [each.name for each in planned(unit, CONFIG, stimulus, 1, [name])[name]]
        assert {profile.name for profile in PROFILES} < set(plans)


def test_a_right_unit_passes_on_both_simulators(both: Verification) -> None:
    assert both.problems == ()
    assert both.passed
    assert [run.simulator for run in both.runs] == ["icarus", "verilator"]
    for run in both.runs:
        assert run.checked > 0
        assert run.mismatches == 0
        assert run.checked_per_second == run.checked / run.seconds
        names = [bench.bench for bench in run.benches]
        profiles = [profile.name for profile in PROFILES]
        if run.simulator == "icarus":  # what it leaves to Verilator is said
            del profiles[2:]
        assert names[: 1 + len(profiles)] == ["full speed", *profiles]
        assert (names[-1] == COCOTB) is (run.simulator == "icarus")
        assert run.rate is not None
        assert run.rate.cycles == run.rate.declared_cycles > 300
    assert both.latency_cycles == {"declared": 2, "icarus": 2, "verilator": 2}


def test_a_register_that_only_its_initial_value_sets_is_found() -> None:
    """No reset sets it: in silicon it holds anything."""
    text = TEXT.replace("reg full0, full1;", "reg full0, full1; \n  reg [7:0] \\a.never  = 8'h00;")
    text = text.replace("result <= product;", "result <= product + \\a.never ;")
    unit, config = toy.unit(), toy.ToyConfig(rounds=3)
    assert check(unit, config, text, ["verilator"], 1, powered=True).passed
    found = check(unit, config, text, ["verilator"], 1)
    assert any("wrong" in problem for problem in found.problems)


def test_declarations_of_registers_lose_their_initial_values_only() -> None:
    kept = "  reg [7:0] a ;\n  wire b = 1'h0;\n  if (c) d <= 1'h0;\n"
    text = "  reg \\a$1  = 1'h0;\n  output reg [3:0] q = 4'h7;\n  reg x;\n"
    stripped = "  reg \\a$1  ;\n  output reg [3:0] q ;\n  reg x;\n"
    assert judge.without_power(kept + text) == kept + stripped


def test_what_is_left_to_the_quicker_simulator_is_said(both: Verification) -> None:
    icarus, verilator = ({bench.bench for bench in run.benches} for run in both.runs)
    left = {name.removesuffix(", 2").removesuffix(", 3") for name in verilator - icarus}
    assert left >= {profile.name for profile in PROFILES}
    said = {each.point for each in both.exempt}
    assert {f"icarus, {name}" for name in left} <= said
    assert icarus - verilator == {COCOTB}
    assert f"verilator, {COCOTB}" in said


def test_both_simulators_see_the_same_cycles(both: Verification) -> None:
    icarus, verilator = (
        {bench.bench: (bench.cycles, bench.beats_checked) for bench in run.benches}
        for run in both.runs
    )
    del icarus[COCOTB]
    assert icarus
    assert icarus.items() <= verilator.items()


def test_coverage_holds_the_units_points_and_the_streams(both: Verification) -> None:
    expected = {"odd_constant", "zero", "stream/reset_in_flight", "stream/config_in_flight"}
    assert expected <= set(both.coverage)
    assert all(both.coverage.values())
    assert both.uncovered == ()


def test_verilator_finds_a_wrong_bit(both: Verification) -> None:
    assert both.passed
    verilator = find_simulator("verilator")
    stimulus = toy.stimulus()
    stimulus.expected[7, 1] ^= 4
    build = build_bulk(verilator, [TEXT], toy.TOP, toy.PORTS)
    outcome = run_bulk(verilator, build, toy.PORTS, stimulus, Replay(stall_in=64, stall_out=64))
    assert (outcome.beats_wrong, outcome.passed) == (1, False)
    assert outcome.first_mismatch is not None
    assert outcome.first_mismatch.index == 7


def on_icarus(text: str = TEXT, **changes: Any) -> Verification:
    return check(toy.unit(**changes), CONFIG, text, ["icarus"], 7)


@pytest.mark.usefixtures("cache")
def test_the_generated_verilog_is_what_verify_checks() -> None:
    steps: list[tuple[int, int]] = []
    result = verify(
        toy.unit(), CONFIG, ["icarus"], 7, lambda name, done, total: steps.append((done, total))
    )
    assert result.passed, result.problems
    assert steps == [(done, 8) for done in range(1, 9)]


@pytest.mark.usefixtures("cache")
def test_a_wrong_latency_spoils_the_verdict() -> None:
    result = on_icarus(latency=3)
    assert result.problems == ("icarus, full speed: latency is 2 cycles, declared 3",)
    assert not result.passed


@pytest.mark.usefixtures("cache")
def test_a_coverage_point_never_hit_spoils_the_verdict() -> None:
    result = on_icarus(coverage=("odd_constant", "negative"))
    assert result.uncovered == ("negative",)
    assert result.coverage["negative"] == 0
    assert not result.passed


@pytest.mark.usefixtures("cache")
def test_a_unit_that_never_stalls_its_input_leaves_back_pressure_uncovered() -> None:
    """A stream that ignores back-pressure loses results, and the event never happens."""
    text = "\n".join(toy.sources("free1 = o__ready | ~full1", "free1 = 1'b1"))
    result = on_icarus(text)
    assert "stream/i_stall_cycles" in result.uncovered
    assert result.runs[0].mismatches > 0


@pytest.mark.usefixtures("cache")
def test_verilog_that_does_not_compile_is_a_verdict_not_a_crash() -> None:
    result = on_icarus("module nonsense")
    assert not result.passed
    assert "does not compile" in result.problems[0]


@pytest.mark.usefixtures("cache")
def test_a_pass_is_cached_and_a_failure_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "\n".join(toy.sources("o__payload = result", "o__payload = result ^ 1"))
    passed, failed = on_icarus(), on_icarus(broken)
    assert (passed.passed, failed.passed) == (True, False)
    runs: list[str] = []

    def counted(*arguments: Any, **settings: Any) -> Any:
        runs.append("run")
        return run_script(*arguments, **settings)

    monkeypatch.setattr(judge, "run_script", counted)
    assert on_icarus() == passed
    assert runs == []
    assert not on_icarus(broken).passed
    assert runs


@pytest.mark.usefixtures("cache")
def test_simulators_that_differ_in_cycles_spoil_the_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    icarus = find_simulator("icarus")
    monkeypatch.setattr(module, "find_simulator", lambda name: icarus)
    cycles = iter(range(100))

    def drifting(*arguments: Any, **settings: Any) -> Any:
        return replace(run_script(*arguments, **settings), last_cycle=next(cycles))

    monkeypatch.setattr(judge, "run_script", drifting)
    result = check(toy.unit(), CONFIG, TEXT, ["icarus", "verilator"], 7)
    assert [p for p in result.problems if "differ in cycles" in p]


def test_a_missing_simulator_is_the_users_to_mend(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(cache))
    with pytest.raises(UserError, match="iverilog"):
        on_icarus()


def test_no_simulator_at_all_is_refused() -> None:
    with pytest.raises(UserError, match="at least one simulator"):
        check(toy.unit(), CONFIG, TEXT, [], 7)


@pytest.mark.usefixtures("cache")
def test_a_simulation_without_an_end_is_not_given_to_cocotb() -> None:
    """Cocotb has no limit of its own: a combinational loop would keep it for ever."""
    text = "\n".join(toy.sources("wire gated;", "wire gated; initial #400 $finish;"))
    result = on_icarus(text)
    assert not result.passed
    assert [bench.bench for bench in result.runs[0].benches] == ["full speed"]
