"""Oracle of ``sole``, from docs/softmax.md."""

import math
from fractions import Fraction
from typing import Any

from tests.oracles.rows import RowOracle, Score


def exponent(difference: int) -> int:
    """Return ``k`` of a difference of references."""
    product = difference + difference // 2 - difference // 16
    return min(math.floor(Fraction(product, 16) + Fraction(1, 2)), 15)


class Oracle(RowOracle):
    """The unit's streams."""

    def __init__(self, *, stores: str, **rows: Any) -> None:
        super().__init__(**rows)
        self.stores_exponents = stores == "exponents"

    def results(self, beats: list[list[Score]]) -> list[int]:
        greatest, total = -128, 0
        so_far = []
        for scores in beats:
            shown = [score.code for score in scores if not score.masked]
            new = max([greatest, *shown])
            total //= 2 ** exponent(new - greatest)
            total += sum(2 ** (15 - exponent(new - code)) for code in shown)
            greatest = new
            so_far.append(new)
        if total == 0:
            return [0] * (len(beats) * self.lanes)
        place = total.bit_length() - 1
        numerator = 291 if Fraction(total, 2**place) >= Fraction(3, 2) else 419
        return [
            0 if score.masked else self.result(numerator, self.exponent(*known), place)
            for scores, top in zip(beats, so_far, strict=True)
            for score in scores
            for known in [(score.code, top, greatest)]
        ]

    def exponent(self, code: int, so_far: int, greatest: int) -> int:
        """Return the exponent of a score, given the maximum when it came, and that of the row."""
        if self.stores_exponents:
            return exponent(so_far - code) + exponent(greatest - so_far)
        return exponent(greatest - code)

    def result(self, numerator: int, k: int, place: int) -> int:
        shifted = numerator // 2 ** (k + place - 15)
        return math.floor(Fraction(shifted, 2) + Fraction(1, 2))
