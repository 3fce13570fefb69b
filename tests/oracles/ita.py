"""Oracle of ``ita``, from docs/softmax.md."""

import math
from fractions import Fraction
from typing import Any

from tests.oracles.rows import RowOracle, Score


class Oracle(RowOracle):
    """The unit's streams."""

    def __init__(self, *, fraction: int, **rows: Any) -> None:
        super().__init__(**rows)
        self.fraction = fraction

    def shift(self, difference: int) -> int:
        return (
            math.floor(Fraction(difference, 32) + Fraction(1, 2)) if self.fraction else difference
        )

    def results(self, beats: list[list[Score]]) -> list[int]:
        greatest, total = -128, 0
        for scores in beats:
            shown = [score.code for score in scores if not score.masked]
            new = max([greatest, *shown])
            added = sum(256 // 2 ** self.shift(new - code) for code in shown)
            total = (total // 2 ** self.shift(new - greatest) + added) % 2**19
            greatest = new
        quotient = min(65280 // total, 255) if total else 0
        return [
            0 if score.masked else quotient // 2 ** self.shift(greatest - score.code)
            for scores in beats
            for score in scores
        ]
