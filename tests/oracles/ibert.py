"""Oracle of ``ibert``, from docs/softmax.md."""

import math
from fractions import Fraction
from typing import Any

from tests.oracles.payload import Fields
from tests.oracles.rows import RowOracle, Score

HALF = Fraction(1, 2)


class Oracle(RowOracle):
    """The unit's streams."""

    def __init__(self, *, scores: str, **rows: Any) -> None:
        super().__init__(**rows)
        self.score_bits = int(scores.removeprefix("int"))

    def configure(self, payload: int) -> None:
        bits, fields = self.score_bits, Fields(payload)
        self.ln2, self.b = fields.unsigned(bits - 1), fields.unsigned(bits + 1)
        self.c = fields.unsigned(2 * bits)
        self.align = fields.unsigned({8: 4, 16: 5}[bits])
        self.multiplier = fields.unsigned(16)

    def exponential(self, difference: int) -> int:
        d = min(difference, 30 * self.ln2)
        q = d // self.ln2
        r = q * self.ln2 - d
        z = (r + self.b) * r + self.c
        width = 2 * self.score_bits
        kept = min(width, 18)
        v = math.floor(Fraction(z * 2**self.align, 2 ** (width - kept)))
        return math.floor(Fraction(v * self.multiplier, 2 ** (kept + q)) + HALF)

    def results(self, beats: list[list[Score]]) -> list[int]:
        scores = [score for beat in beats for score in beat]
        shown = [score.code for score in scores if not score.masked]
        if not shown:
            return [0] * len(scores)
        greatest = max(shown)
        exponentials = [
            0 if score.masked else self.exponential(greatest - score.code) for score in scores
        ]
        factor = 2**32 // sum(exponentials)
        return [e * factor // 2**24 for e in exponentials]
