"""Fronts against their definition, point by point and pair by pair."""

import numpy as np
import pytest

from consilico.sim.base.interval import Interval, exactly
from consilico.sim.explore.front import dominators, fronts, may_be_on_front, rank_inversions


def dominates(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one <= other).all() and (one < other).any())


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("levels", [3, 1000])
def test_the_front_is_what_no_point_dominates(objectives: int, levels: int) -> None:
    values = np.random.default_rng(1).integers(0, levels, (200, objectives)).astype(float)
    found = fronts(values)
    for place, point in enumerate(values):
        assert found[place] == (not any(dominates(other, point) for other in values))
    by = dominators(values, found)
    for place, other in enumerate(by):
        assert (other is None) == found[place]
        assert other is None or (found[other] and dominates(values[other], values[place]))


def test_points_with_common_errors_are_told_apart() -> None:
    """The second is worse at each end of its interval, though the intervals overlap."""
    some, every = may_be_on_front([[Interval(2, 1, 8)], [Interval(2.2, 1.1, 8.8)]])
    assert some.tolist() == [True, False]
    assert every.tolist() == [True, False]


def test_a_point_may_be_on_the_front_at_one_end_of_its_interval() -> None:
    points = [[Interval(2, 1, 9), exactly(1)], [Interval(3, 2, 4), exactly(1)]]
    some, every = may_be_on_front(points)
    assert some.tolist() == [True, True]
    assert every.tolist() == [False, False]


def test_pairs_that_change_places_are_counted() -> None:
    before, after = np.array([1.0, 2.0, 3.0, 3.0]), np.array([2.0, 1.0, 3.0, 4.0])
    found = rank_inversions("area", ("one", "two"), [7, 8, 9, 10], before, after)
    assert (found.pairs, found.of, found.examples) == (1, 5, ((7, 8),))


def test_many_inversions_name_those_that_are_furthest_apart() -> None:
    before = np.array([float(value) for value in range(1, 101)])
    found = rank_inversions("area", ("one", "two"), list(range(100)), before, before[::-1])
    assert (found.pairs, found.of, len(found.examples)) == (4950, 4950, 5)
    assert found.examples[0] == (0, 99)
