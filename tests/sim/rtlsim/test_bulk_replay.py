"""The bulk bench passes a right unit and finds each kind of fault."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from consilico.sim.rtlsim.builds import BuildError
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Dump, Replay, ReplayOutcome
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.stimulus import Kind, Ports, Stimulus
from tests.sim.rtlsim import toy

pytestmark = pytest.mark.usefixtures("cache")

STALLS = Replay(stall_in=64, stall_out=96, hang_cycles=2000)


def replay(
    sources: list[str],
    stimulus: Stimulus | None = None,
    run: Replay = STALLS,
    ports: Ports = toy.PORTS,
) -> ReplayOutcome:
    icarus = find_simulator("icarus")
    build = build_bulk(icarus, sources, toy.TOP, ports)
    return run_bulk(icarus, build, ports, stimulus or toy.stimulus(), run)


@pytest.mark.parametrize("stall_in", [0, 128])
@pytest.mark.parametrize("stall_out", [0, 128])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_right_unit_passes_and_every_result_is_accounted_for(
    stall_in: int, stall_out: int, seed: int
) -> None:
    stimulus = toy.stimulus()
    outcome = replay(
        toy.sources(), stimulus, Replay(stall_in=stall_in, stall_out=stall_out, seed=seed)
    )
    assert outcome.passed, outcome.problems
    assert outcome.beats_checked + outcome.beats_dropped == len(stimulus.expected)
    assert outcome.checked == outcome.beats_checked
    assert bool(outcome.events["gap_cycles"]) == bool(stall_in)
    assert bool(outcome.events["o_stall_cycles"]) == bool(stall_out)


def test_full_speed_takes_one_item_a_cycle_and_measures_latency() -> None:
    stimulus = toy.stimulus()
    outcome = replay(toy.sources(), stimulus, Replay())
    assert outcome.latency_cycles == 2
    assert outcome.events["i_stall_cycles"] == 0
    assert len(stimulus.kind) < outcome.cycles < len(stimulus.kind) + 80


def test_resets_and_reloads_fall_while_results_are_in_flight() -> None:
    outcome = replay(toy.sources())
    assert outcome.events["reset_in_flight"] > 0
    assert outcome.beats_dropped >= outcome.events["reset_in_flight"]
    assert outcome.events["config_in_flight"] > 0


def test_one_wrong_expected_bit_is_found_and_located() -> None:
    stimulus = toy.stimulus()
    stimulus.expected[-3, 1] ^= 0x80
    outcome = replay(toy.sources(), stimulus)
    assert (outcome.beats_wrong, outcome.mismatches) == (1, 1)
    assert outcome.first_mismatch is not None
    assert outcome.first_mismatch.index == len(stimulus.expected) - 3
    got, expected = int(outcome.first_mismatch.got, 16), int(outcome.first_mismatch.expected, 16)
    assert got ^ expected == 0x8000


FAULTS = [
    # what is wrong, in the Verilog this, becomes that, and a problem says
    ("payload bit unknown", "result <= product", "result <= {product[15:1], 1'bx}", "wrong"),
    ("valid unknown", "o__valid = full1", "o__valid = full1 & k[8]", "o__valid is unknown"),
    ("ready unknown", "i__ready = free0", "i__ready = free0 & k[8]", "i__ready is unknown"),
    (
        "valid dropped",
        "assign o__valid = full1",
        toy.FLICKERING_VALID,
        "o__valid dropped before o__ready",
    ),
    (
        "payload unstable",
        "o__payload = result",
        "o__payload = o__ready ? result : ~result",
        "o__payload changed before o__ready",
    ),
    ("input never taken", "i__ready = free0", "i__ready = 1'b0", "hang: i__ready stays low"),
    ("constants not taken", "cfg__ready = 1'b1", "cfg__ready = 1'b0", "hang: cfg__ready"),
    ("no result", "o__valid = full1", "o__valid = 1'b0", "hang: no result comes"),
    ("result lost", "free1 = o__ready | ~full1", "free1 = 1'b1", "hang: no result comes"),
    (
        "result twice",
        "full1 <= full0",
        "full1 <= full0 | (o__payload[0] === 1)",
        "without an accepted",
    ),
    ("no reset", "if (rst)", "if (1'b0)", "without an accepted input"),
    ("constant late", "result <= product", "result <= product / 3 * k", "wrong"),
    ("ends early", "wire gated;", "wire gated; initial #400 $finish;", "without a verdict"),
    ("dies", "wire gated;", "wire gated; initial #400 $fatal(1);", "the simulation failed"),
]


@pytest.mark.parametrize(("old", "new", "says"), [fault[1:] for fault in FAULTS])
def test_a_fault_is_found_and_named(old: str, new: str, says: str) -> None:
    outcome = replay(toy.sources(old, new))
    assert not outcome.passed
    assert outcome.mismatches > 0
    assert any(says in problem for problem in outcome.problems), outcome.problems


def test_constants_that_reach_results_in_flight_are_found_only_when_reloaded() -> None:
    late = toy.sources("result <= product", "result <= product * k")
    late[0] = late[0].replace("i__payload * (cfg__valid ? cfg__payload : k)", "i__payload")
    assert not replay(late).passed
    assert replay(late, toy.stimulus(rounds=1)).passed


def test_a_combinational_loop_ends_at_the_limit() -> None:
    endless = toy.sources("wire gated;", "wire gated; always @(posedge full1) forever k[0] = k[1];")
    outcome = replay(endless, run=dataclasses.replace(STALLS, limit_s=1.0))
    assert "did not end within 1 s" in outcome.problems[0]


def test_a_result_after_the_last_one_is_found() -> None:
    late = "reg [5:0] idle = 0; always @(posedge clk) idle <= i__valid ? 0 : idle + 1;"
    echo = toy.sources("wire gated;", f"wire gated; {late}")
    echo[0] = echo[0].replace("o__valid = full1", "o__valid = full1 | (idle == 40)")
    assert replay(toy.sources(), run=Replay()).passed
    outcome = replay(echo, run=Replay())
    assert outcome.violations == 1


def test_nothing_checked_is_not_a_pass() -> None:
    whole = toy.stimulus()
    kept = whole.kind != Kind.DATA
    empty = Stimulus(
        kind=whole.kind[kept],
        bits=whole.bits[kept],
        completes=whole.completes[kept],
        expected=whole.expected[:0],
        results=0,
        operations=0,
    )
    outcome = replay(toy.sources(), empty)
    assert outcome.problems == ()
    assert not outcome.passed


def test_a_unit_without_configuration_and_one_bit_wide() -> None:
    ports = Ports(i_width=1, o_width=1)
    verilog = f"""
        module {toy.TOP}(input clk, input rst, input i__payload, input i__valid, output i__ready,
                         output o__payload, output o__valid, input o__ready);
          assign i__ready = o__ready, o__valid = i__valid, o__payload = ~i__payload;
        endmodule"""
    bits = np.array([[0], [1], [1], [0]], dtype=np.uint8)
    stimulus = Stimulus(
        kind=np.zeros(4, dtype=np.uint8),
        bits=bits,
        completes=np.ones(4, dtype=np.uint16),
        expected=1 - bits,
        results=4,
        operations=4,
    )
    outcome = replay([verilog], stimulus, STALLS, ports)
    assert (outcome.checked, outcome.mismatches) == (4, 0)
    assert replay([verilog], stimulus, Replay(), ports).latency_cycles == 0


def test_a_dump_holds_the_cycles_between_two_items(tmp_path: Path) -> None:
    path = tmp_path / "toy.vcd"
    outcome = replay(toy.sources(), run=Replay(dump=Dump(path=path, first=50, last=150)))
    assert outcome.passed
    assert outcome.events["dump_cycles"] == 100
    text = path.read_text()
    assert "$scope module dut $end" in text
    code = next(line.split()[3] for line in text.splitlines() if line.endswith(" clk $end"))
    window = text[text.index("$dumpvars") : text.index("$dumpoff")]
    assert window.splitlines().count(f"1{code}") == 100


def test_verilog_that_does_not_compile_is_a_build_error() -> None:
    with pytest.raises(BuildError, match="icarus does not compile toy_multiply"):
        build_bulk(find_simulator("icarus"), ["module nonsense"], toy.TOP, toy.PORTS)
