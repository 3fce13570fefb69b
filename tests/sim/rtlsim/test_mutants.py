"""Mutants: single changes are made, killed, or proved to change nothing."""

import random

import pytest

from consilico.sim.base.errors import CheckFailed
from consilico.sim.rtlsim import mutants
from consilico.sim.rtlsim.mutants import Mutation, mutation_score, mutations, proved_equivalent
from consilico.sim.units.catalogue import find_unit
from tests.sim.rtlsim import toy

TEXT = """\
module m(a, b, y);
  wire [3:0] a = 4'h0;
  reg \\$auto$x  = 0;
  assign y = a + b;
  assign z = c ? 4'h5 : ~ b;
  always @(posedge clk)
    q <= y;
  always @* begin
    if (\\$auto$x ) begin end
    if (z) begin
"""


def test_operators_constants_choices_and_conditions_are_changed_and_nothing_else() -> None:
    found = {(place.line, place.old, place.new) for place in mutations(TEXT, random.Random(1))}
    constants = {place for place in found if place[1] == "5"}
    assert found - constants == {
        (4, "+", "-"),
        (5, "~ ", ""),
        (5, "? 4'h5 : ~ b", "? ~ b : 4'h5"),
        (10, "(z)", "(!(z))"),
    }
    assert len(constants) == 1
    assert constants.pop()[2] in {"4", "7", "1", "d"}


def test_a_mutation_changes_its_place_only() -> None:
    place = Mutation(line=4, column=16, old="+", new="-")
    assert place.apply(TEXT) == TEXT.replace("a + b", "a - b")


def test_the_harness_kills_mutants(cache: object) -> None:
    result = mutation_score(toy.unit(), toy.ToyConfig(rounds=6), count=3, seed=2)
    assert len(result.mutants) == 3
    assert result.survived == 0
    assert result.killed > 0
    assert result.score == 1.0


def test_a_unit_that_is_wrong_to_begin_with_has_no_score(
    cache: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutants, "verilog", lambda unit, config: "\n".join(WRONG))
    with pytest.raises(CheckFailed, match="fails without a mutation"):
        mutation_score(toy.unit(), toy.ToyConfig(), count=3, seed=1)


WRONG = toy.sources("o__payload = result", "o__payload = result + 1")


def test_a_change_that_cannot_be_seen_is_proved_equivalent() -> None:
    original = "\n".join(toy.sources())
    same = original.replace("free1 | ~full0", "~(full0 & ~free1)")
    other = original.replace("free1 | ~full0", "free1 & ~full0")
    assert len({original, same, other}) == 3
    assert proved_equivalent(original, same, toy.TOP)
    assert not proved_equivalent(original, other, toy.TOP)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["consmax/log2", "consmax/split"])
def test_most_mutants_of_a_unit_are_killed(name: str) -> None:
    """Not all: a change that only shows in states never reached is not proved equivalent."""
    unit = find_unit(name)
    result = mutation_score(unit, unit.config(), count=20, seed=3)
    assert result.killed + result.survived >= 8, result.mutants
    assert result.score is not None
    assert result.score >= 0.85, result.mutants
