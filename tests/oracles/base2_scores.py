"""Oracle of ``base2_scores``, from docs/softmax.md."""

import math
from fractions import Fraction

from tests.oracles.payload import Fields, join


class Oracle:
    """The unit's streams."""

    def __init__(self, *, lanes: int, score_integer: int) -> None:
        self.lanes, self.width = lanes, score_integer + 2

    def configure(self, payload: int) -> None:
        self.k = Fraction(Fields(payload).unsigned(12), 2**12)

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        scores = [fields.signed(8) for _ in range(self.lanes)]
        masks = [fields.unsigned(1) for _ in range(self.lanes)]
        results = [self.result(score) % 2**self.width for score in scores]
        last = fields.unsigned(1)
        return [
            join([*((bits, self.width) for bits in results), *((m, 1) for m in masks), (last, 1)])
        ]

    def reset(self) -> None:
        """Keep the constant; nothing else is held from beat to beat."""

    def result(self, score: int) -> int:
        end = 1 << (self.width - 1)
        code = math.floor(4 * self.k * score + Fraction(1, 2))
        return min(max(code, -end), end - 1)
