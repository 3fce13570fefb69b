"""Mutants: one netlist with many faults, those that verification notices, those that are none."""

from dataclasses import replace

import numpy as np
import pytest

from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.processes import Limits
from consilico.sim.rtlsim.mutation import mutants as module
from consilico.sim.rtlsim.mutation.equivalence import Comparator, MutantComparison
from consilico.sim.rtlsim.mutation.mutants import Mutants, make_mutants
from consilico.sim.rtlsim.mutation.score import mutation_score
from consilico.sim.units.stimulus import Kind, Stimulus
from tests.sim.rtlsim import toy

COUNT = 40
# The AND gate makes no difference: `a & b | b` is `b`
REDUNDANT = """\
module twice(input clk, input rst, input i__valid, output i__ready, input [1:0] i__payload,
             output reg o__valid, input o__ready, output reg o__payload);
  wire a = i__payload[0], b = i__payload[1];
  wire same = (a & b) | b;
  assign i__ready = 1'b1;
  always @(posedge clk) o__payload <= a ^ same;
  always @(posedge clk) o__valid <= i__valid;
endmodule
"""


def of_toy(count: int = COUNT) -> Mutants:
    return make_mutants(toy.sources(), toy.TOP, count, seed=1)


def test_every_mutant_is_a_number_a_line_and_a_change() -> None:
    made = of_toy()
    assert [each.number for each in made.mutations] == list(range(1, COUNT + 1))
    assert all(
        each.line is None or 1 <= each.line <= toy.VERILOG.count("\n") for each in made.mutations
    )
    assert sum(each.line is not None for each in made.mutations) > COUNT / 2
    assert len({each.change for each in made.mutations}) > COUNT / 2
    assert 1 << made.width > COUNT
    assert f"module {toy.TOP}_mutants(" in made.verilog


def test_the_line_of_an_operator_is_its_own_and_not_that_of_its_instance() -> None:
    instance = "inner one(.a(i__payload[0]), .b(i__payload[1]), .y(o__payload));"
    outer = f"module outer(input [1:0] i__payload, output o__payload);\n{instance}\nendmodule\n"
    inner = "module inner(input a, input b, output y);\n  assign y = (a ^ b) & a;\nendmodule\n"
    made = make_mutants([outer + inner], "outer", 6, seed=1)
    assert {each.line for each in made.mutations if " of " in each.change} == {5}


def test_another_seed_chooses_other_places() -> None:
    other = make_mutants(toy.sources(), toy.TOP, COUNT, seed=2)
    assert other.mutations != of_toy().mutations


def test_a_design_with_fewer_places_gives_fewer_mutants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LIST_LIMITS", Limits(wall_s=60, cpu_s=1))
    made = make_mutants([REDUNDANT], "twice", 512, seed=1)
    assert 0 < len(made.mutations) < 512


def test_no_mutants_are_refused() -> None:
    with pytest.raises(UserError, match="at least 1, not 0"):
        make_mutants(toy.sources(), toy.TOP, 0, seed=1)


# Only 1 and 2 are ever stored, so bits 0 and 1 differ, which a comparator looks at
REACHED = """\
module steps(input clk, input rst, input i__valid, output i__ready, input i__payload,
             output o__valid, input o__ready, output o__payload);
  reg [1:0] state;
  reg full;
  wire free = o__ready | ~full;
  wire hot = state[0] ^ state[1];
  assign i__ready = free;
  assign o__valid = full;
  assign o__payload = state[1] & hot;
  always @(posedge clk)
    if (rst) begin
      state <= 2'd1;
      full <= 1'b0;
    end else if (free) begin
      full <= i__valid;
      if (i__valid) state <= i__payload ? 2'd2 : 2'd1;
    end
endmodule
"""
# The clock gate and a latch of generated Verilog
GATED = """\
module gated(input clk, input rst, input i__valid, output i__ready, input i__payload,
             output o__valid, input o__ready, output o__payload);
  reg full, held, value, write, stored;
  always @* if (!clk) held = i__valid & i__ready;
  wire gclk = clk & held;
  always @(posedge gclk) value <= i__payload;
  always @(posedge clk) begin
    full <= !rst & (i__valid | (full & ~o__ready));
    write <= i__valid & i__ready;
  end
  always @* if (write & ~clk) stored = value;
  assign i__ready = o__ready | ~full;
  assign o__valid = full;
  assign o__payload = stored;
endmodule
"""


# Every beat reads a word and writes it anew; where they are is nobody's concern
WORDS = """\
module words(input clk, input rst, input i__valid, output i__ready, input [1:0] i__payload,
             output o__valid, input o__ready, output o__payload);
  reg full, shown;
  reg [1:0] row;
  reg [3:0] stored;
  wire free = o__ready | ~full;
  wire take = i__valid & free;
  wire [1:0] step = row + 2'd1;
  wire [1:0] next = i__payload[1] ? 2'd0 : step;
  assign i__ready = free;
  assign o__valid = full;
  assign o__payload = shown;
  always @(posedge clk) begin
    if (rst) full <= 1'b0;
    else if (free) full <= i__valid;
    if (take) begin
      row <= next;
      shown <= stored[next];
      stored[next] <= i__payload[0];
    end
  end
endmodule
"""


def compared(text: str, top: str) -> tuple[Comparator, dict[str, int]]:
    """Return a comparator of the mutants of a design, and their numbers by what they change."""
    made = make_mutants([text], top, 64, seed=1)
    return Comparator(made, top), {each.change: each.number for each in made.mutations}


def test_a_fault_that_changes_nothing_is_proved_and_no_other() -> None:
    made = make_mutants([REDUNDANT], "twice", 16, seed=1)
    comparator = Comparator(made, "twice")
    proved = {each.number for each in made.mutations if comparator.alike(each.number)}
    of_and = [each for each in made.mutations if "of and" in each.change]
    idle = {each.number for each in of_and if each.change[0] == "A" or "always 0" in each.change}
    assert idle
    assert idle <= proved
    assert proved <= {each.number for each in of_and}


def test_a_fault_that_no_reached_state_shows_is_proved() -> None:
    comparator, numbers = compared(REACHED, "steps")
    always = numbers["Y[0] of xor (hot[0]) is always 1"]
    assert not comparator.alike(always)
    assert comparator.compared(always).verdict == "equivalent"


def test_words_in_another_order_are_proved_the_same() -> None:
    """Which is so once the row has been set; what it is when power comes counts for nothing."""
    comparator, numbers = compared(WORDS, "words")
    other = numbers["Y[1] of ternary (next[1]) is inverted"]
    assert comparator.compared(other).verdict == "equivalent"
    stuck = numbers["Y[1] of ternary (next[1]) is always 1"]
    assert comparator.compared(stuck).verdict == "differs"


def test_a_fault_that_shows_is_found_with_its_cycle() -> None:
    comparator, numbers = compared(REACHED, "steps")
    found = comparator.compared(numbers["Y[0] of xor (hot[0]) is always 0"])
    assert found == MutantComparison(verdict="differs", cycles=2)


def test_clock_gates_and_latches_are_followed() -> None:
    comparator, numbers = compared(GATED, "gated")
    assert comparator.compared(0).verdict == "equivalent"
    # the latch must be shut while what it stores may change, and must not hold what it likes
    early = numbers["B[0] of and is inverted"]
    assert comparator.compared(early).verdict == "differs"
    stuck = numbers["Q[0] of auto (o__payload[0]) is always 0"]
    assert comparator.compared(stuck).verdict == "differs"


def test_a_clock_that_ticks_in_vain_is_a_difference() -> None:
    """What the register takes then is not stored, so results are those of the design."""
    comparator, numbers = compared(GATED, "gated")
    found = comparator.compared(numbers["B[0] of and (held[0]) is always 1"])
    assert found.verdict == "differs"


def test_wrapped_designs_get_faults_in_the_design_only() -> None:
    inner = '`line 7 "mine.v" 0\n' + REDUNDANT
    outer = """\
module around(input clk, input rst, input i__valid, output i__ready, input [1:0] i__payload,
              output o__valid, input o__ready, output o__payload);
  wire ready;
  assign i__ready = ready & ~rst;
  twice inner(clk, rst, i__valid, ready, i__payload, o__valid, o__ready, o__payload);
endmodule
"""
    made = make_mutants([inner], "around", 8, seed=1, sound=outer)
    assert {each.file for each in made.mutations} == {"mine.v"}
    assert {each.line for each in made.mutations} <= {9, 10, 11, 12, 13}


def test_verification_notices_faults(cache: object) -> None:
    """One mutant takes a beat a cycle later where `o` stalls, which the toy does not exclude."""
    unit, config = toy.unit(), toy.ToyConfig(rounds=6)
    result = mutation_score(unit, config, COUNT, seed=1)
    assert result.mutants == COUNT
    assert result.killed + result.equivalent + len(result.survived) == COUNT
    assert len(result.survived) <= 1, result.survived
    assert result.score is not None
    assert result.score > 0.95
    assert sum(result.killed_by.values()) == result.killed


def test_a_stimulus_that_shows_little_leaves_survivors_with_their_lines() -> None:
    def zeros(config: toy.ToyConfig, seed: int) -> Stimulus:
        whole = toy.stimulus(seed, rounds=4)
        bits = np.where((whole.kind == Kind.DATA)[:, None], 0, whole.bits)
        return replace(whole, bits=bits, expected=np.zeros_like(whole.expected))

    unit = replace(toy.unit(), vectors=zeros)
    result = mutation_score(unit, toy.ToyConfig(rounds=4), 12, seed=1)
    assert result.score is not None
    assert result.score < 0.9
    assert any(survivor.line is not None for survivor in result.survived)


def test_a_unit_that_fails_without_a_fault_has_no_score() -> None:
    with pytest.raises(CheckFailed, match="fails without a mutation: latency is 2"):
        mutation_score(toy.unit(latency=3), toy.ToyConfig(rounds=4), COUNT, seed=1)
