"""Oracle of ``sole``, from docs/softmax.md."""

import math
from fractions import Fraction

from tests.oracles.rows import RowOracle, Score


def exponent(difference: int) -> int:
    """Return ``k`` of a difference of references."""
    product = difference + difference // 2 - difference // 16
    return min(math.floor(Fraction(product, 16) + Fraction(1, 2)), 15)


class Oracle(RowOracle):
    """The unit's streams."""

    def results(self, beats: list[list[Score]]) -> list[int]:
        greatest, total = -128, 0
        for scores in beats:
            shown = [score.code for score in scores if not score.masked]
            new = max([greatest, *shown])
            total //= 2 ** exponent(new - greatest)
            total += sum(2 ** (15 - exponent(new - code)) for code in shown)
            greatest = new
        if total == 0:
            return [0] * (len(beats) * self.lanes)
        place = total.bit_length() - 1
        numerator = 291 if Fraction(total, 2**place) >= Fraction(3, 2) else 419
        return [
            0 if score.masked else self.result(numerator, greatest - score.code, place)
            for scores in beats
            for score in scores
        ]

    def result(self, numerator: int, difference: int, place: int) -> int:
        shifted = numerator // 2 ** (exponent(difference) + place - 15)
        return math.floor(Fraction(shifted, 2) + Fraction(1, 2))
