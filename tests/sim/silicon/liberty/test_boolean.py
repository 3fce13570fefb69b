"""Liberty expressions: meaning, probability, difference, unateness."""

import itertools

import numpy as np
import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.boolean import parse_function


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("!a", lambda a: not a),
        ("a'", lambda a: not a),
        ("(!a)'", lambda a: a),
        ("a b", lambda a, b: a and b),
        ("a*b + c", lambda a, b, c: (a and b) or c),
        ("a | b & !c", lambda a, b, c: a or (b and not c)),
        ("a ^ b c", lambda a, b, c: (a != b) and c),
        ("((a & b') | 0) 1", lambda a, b: a and not b),
        ("!(a[1] + b) c'", lambda a, b, c: not (a or b) and not c),
    ],
)
def test_expressions_mean_what_liberty_says(text: str, meaning: object) -> None:
    function = parse_function(text)
    assert callable(meaning)
    for number, row in enumerate(itertools.product((0, 1), repeat=len(function.variables))):
        expected = bool(meaning(*reversed(row)))
        assert function.table[number] == expected, row


def test_probability_of_independent_pins() -> None:
    function = parse_function("a b + c")
    found = function.probability({"a": 0.5, "b": 0.5, "c": np.array([0.0, 0.2, 1.0])})
    np.testing.assert_allclose(found, [0.25, 0.4, 1.0])


def test_difference_is_where_the_output_follows_the_input() -> None:
    difference = parse_function("a b").difference("a")
    assert difference.probability({"a": 0.9, "b": 0.25}) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("text", "sense"),
    [("a b", "positive_unate"), ("!(a b)", "negative_unate"), ("a ^ b", "non_unate")],
)
def test_sense(text: str, sense: str) -> None:
    assert parse_function(text).sense("a") == sense


@pytest.mark.parametrize("text", ["a &", "(a", "a)", "", "a ? b", "& a"])
def test_a_broken_expression_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="cannot read the Liberty expression"):
        parse_function(text)
