"""Conditions of a space: what they tell, and that a user's text is never executed."""

from typing import Any

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.explore.constraints import read_constraint

VALUES: dict[str, Any] = {"tiles": 4, "rows": 64, "weights": "2:4", "lanes": 0}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("tiles * rows <= 256", True),
        ("tiles * rows < 256", False),
        ("1 < tiles < 4", False),
        ("rows // 10 == 6 and rows % 10 == 4", True),
        ("-tiles + rows / 2 == 28", True),
        ('weights == "2:4"', True),
        ('weights in ["int8", "2:4"]', True),
        ('weights not in ("int8", "2:4")', False),
        ('not (weights != "2:4" or lanes > 0)', True),
        ("lanes == 0 or rows / lanes > 1", True),  # what decides already ends it
    ],
)
def test_a_condition_is_what_python_says_of_it(text: str, holds: bool) -> None:
    assert read_constraint(text, VALUES).holds(VALUES) is holds
    assert bool(eval(text, {}, VALUES)) is holds


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "tiles.__class__",
        "tiles ** 9 ** 9",
        "tiles[0]",
        "[x for x in rows]",
        "lambda: 1",
        "tiles if rows else lanes",
        "tiles := 3",
        "f'{tiles}'",
        "True",
        "tiles <",
        "",
        "(" * 500 + "1" + ")" * 500,
        "1 + " * 600 + "1",
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^constraint .*; accepted: names, numbers"):
        read_constraint(text, VALUES)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"tile is unknown; accepted: tiles, rows, weights, lanes"):
        read_constraint("tile > 1", VALUES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tiles / lanes > 1", "division by zero"),
        ("weights > 3", "not supported between"),
        ("weights * 1000000000 == 1", "weights \\* 1000000000 needs numbers"),
    ],
)
def test_what_cannot_be_computed_names_the_condition(text: str, words: str) -> None:
    constraint = read_constraint(text, VALUES)
    with pytest.raises(UserError, match=f"constraint .*: .*{words}"):
        constraint.holds(VALUES)
