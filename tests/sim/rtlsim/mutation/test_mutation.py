"""Mutants: one netlist with many faults, those that verification notices, those that are none."""

from dataclasses import replace

import numpy as np
import pytest

from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.processes import Limits
from consilico.sim.rtlsim.mutation import mutants as module
from consilico.sim.rtlsim.mutation.equivalence import equivalent_mutants
from consilico.sim.rtlsim.mutation.mutants import Mutants, make_mutants
from consilico.sim.rtlsim.mutation.score import mutation_score
from consilico.sim.units.stimulus import Kind, Stimulus
from tests.sim.rtlsim import toy

COUNT = 40
# The AND gate makes no difference: `a & b | b` is `b`
REDUNDANT = """\
module twice(input clk, input a, input b, output reg y, output z);
  wire same = (a & b) | b;
  always @(posedge clk) y <= a ^ same;
  assign z = y;
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


def test_a_fault_that_changes_nothing_is_proved_and_no_other() -> None:
    made = make_mutants([REDUNDANT], "twice", 16, seed=1)
    proved = equivalent_mutants(made, [each.number for each in made.mutations], "twice")
    of_and = [each for each in made.mutations if "of and" in each.change]
    idle = {each.number for each in of_and if each.change[0] == "A" or "always 0" in each.change}
    assert idle
    assert idle <= proved
    assert proved <= {each.number for each in of_and}


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
