"""Oracle of ``softermax``, from docs/softmax.md."""

import math
from fractions import Fraction
from functools import cache
from typing import Any

import mpmath

from tests.oracles.rows import RowOracle, Score


@cache
def power(quarter: int) -> int:
    """Return ``round(2^(15 - j / 4))``."""
    with mpmath.workdps(50):
        return int(mpmath.nint(mpmath.power(2, 15 - mpmath.mpf(quarter) / 4)))


def reciprocal(t: int) -> int:
    n, low = divmod(t, 32)
    ends = [1 / (1 + Fraction(n + end, 4)) for end in (0, 1)]
    constant, slope = round(256 * ends[0]), round(1024 * (ends[0] - ends[1]))
    return (constant - slope * low // 128 + 1) // 2


class Oracle(RowOracle):
    """The unit's streams, whatever its buffer keeps."""

    def __init__(self, *, stores: str, **rows: Any) -> None:
        super().__init__(**rows)

    def results(self, beats: list[list[Score]]) -> list[int]:
        greatest, total = -32, 0
        for scores in beats:
            before = greatest
            for code, masked in scores:
                if not masked:
                    greatest = max(greatest, math.ceil(code / 4))
            added = sum(self.power(score, greatest) for score in scores)
            total = min(total // 2 ** (greatest - before) + added // 2**9, 2**16 - 1)
        if total == 0:
            return [0] * (len(beats) * self.lanes)
        place = total.bit_length() - 1
        r = reciprocal(int(Fraction(total, 2**place) * 128) - 128)
        return [
            math.floor(Fraction(self.power(score, greatest) * r, 2 ** (place + 9)) + Fraction(1, 2))
            for scores in beats
            for score in scores
        ]

    def power(self, score: Score, greatest: int) -> int:
        if score.masked:
            return 0
        shift: int = greatest - math.ceil(score.code / 4)
        return power(-score.code % 4) >> shift
