"""Pareto fronts of points that are known with error bars, and how stages disagree on their order.

Smaller is better in every objective.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval

__all__ = ["RankInversions", "dominators", "fronts", "may_be_on_front", "rank_inversions"]

_EXAMPLES = 5

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RankInversions(Facts):
    """Pairs of points whose order in an objective one stage sees otherwise than the next."""

    objective: str
    before: str
    after: str
    pairs: int  # that change places
    of: int  # pairs that have an order in both
    examples: tuple[tuple[int, int], ...]  # points: the better one before, the better one after


def fronts(values: Values) -> NDArray[np.bool_]:
    """Tell which points no other one dominates: none is as good in all, and better in one.

    Args:
        values: Shape ``[points, objectives]``.

    Returns:
        Shape ``[points]``. Points with equal values are all on it, or none.
    """
    left = np.lexsort(values.T[::-1])  # who dominates a point comes before it
    place = 0
    while place < len(left):  # the first ones, up to this place, are on the front
        own, point = values[left], values[left[place]]
        left = left[(own < point).any(axis=1) | (own == point).all(axis=1)]
        place += 1
    on_front = np.zeros(len(values), dtype=np.bool_)
    on_front[left] = True
    return on_front


def may_be_on_front(
    figures: Sequence[Sequence[Interval]],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which points may be on the front, and which are on it, wherever the truth lies.

    What an interval comes from, such as the price of a bit of SRAM, is common to all points. So an
    objective is at the low ends, at the values or at the high ends of all points at once, and
    each objective is where it is by itself. A point that is on one of these fronts may be on it; a
    point that is on each of them is on it.

    Args:
        figures: Objectives of each point.

    Returns:
        Both of shape ``[points]``.
    """
    ends = np.array([[(f.low, f.value, f.high) for f in point] for point in figures])
    some, every = np.zeros(len(ends), dtype=np.bool_), np.ones(len(ends), dtype=np.bool_)
    exact = (ends == ends[:, :, :1]).all(axis=(0, 2))  # of which all ends are the same
    for choice in product(*(range(1 if same else 3) for same in exact)):
        found = fronts(np.stack([ends[:, k, end] for k, end in enumerate(choice)], axis=1))
        some, every = some | found, every & found
    return some, every


def dominators(values: Values, on_front: NDArray[np.bool_]) -> list[int | None]:
    """Return for each point the first one of the front that dominates it, None for those on it."""
    front = np.flatnonzero(on_front)
    best = values[front]
    found: list[int | None] = []
    for place, point in enumerate(values):
        if on_front[place]:
            found.append(None)
            continue
        better = (best <= point).all(axis=1) & (best < point).any(axis=1)
        found.append(int(front[np.argmax(better)]))
    return found


def rank_inversions(
    objective: str, stages: tuple[str, str], names: Sequence[int], before: Values, after: Values
) -> RankInversions:
    """Count the pairs of points that two stages order differently.

    Args:
        objective: What the values are of.
        stages: Names of both.
        names: Index of each point.
        before: Values on the first stage, shape ``[points]``.
        after: Values on the second, likewise.
    """
    pairs = ordered = 0
    examples: list[tuple[float, int, int]] = []
    for place in range(len(names)):
        first = np.sign(before[place + 1 :] - before[place])
        second = np.sign(after[place + 1 :] - after[place])
        ordered += int(((first != 0) & (second != 0)).sum())
        for other in np.flatnonzero(first * second < 0) + place + 1:
            pairs += 1
            # by how much they are apart at least, on one of the stages
            gap = min(
                abs(values[other] / values[place] - 1) if values[place] else 0.0
                for values in (before, after)
            )
            won, lost = (place, other) if before[place] < before[other] else (other, place)
            examples.append((-gap, names[won], names[lost]))
            if len(examples) > 4 * _EXAMPLES:
                examples = sorted(examples)[:_EXAMPLES]
    return RankInversions(
        objective=objective, before=stages[0], after=stages[1], pairs=pairs, of=ordered,
        examples=tuple((won, lost) for _, won, lost in sorted(examples)[:_EXAMPLES]),
    )  # fmt: skip
