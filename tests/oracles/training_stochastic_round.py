"""Oracle of ``training/stochastic_round``, from docs/training.md."""

import math
from fractions import Fraction

from tests.oracles.payload import Fields, clamp, join
from tests.oracles.random_words import Generator


class Oracle:
    """The unit's streams."""

    def __init__(
        self, *, lanes: int, random_bits: int, width: int, fraction: int, result_width: int
    ) -> None:
        self.width, self.fraction, self.result_width = width, fraction, result_width
        self.random_bits = random_bits
        self.generator = Generator(lanes=lanes, random_bits=random_bits)

    def configure(self, payload: int) -> None:
        self.generator.seed(Fields(payload).unsigned(31))

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        words = self.generator.words()
        self.generator.move()
        results = [self.rounded(fields.signed(self.width), word) for word in words]
        return [join((result, self.result_width) for result in results)]

    def reset(self) -> None:
        """Keep the state of the generator."""

    def rounded(self, bits: int, r: int) -> int:
        v = Fraction(bits, 2**self.fraction)
        h = Fraction(1, 2) if self.fraction > self.random_bits else Fraction(0)
        return clamp(math.floor(v + (r + h) / 2**self.random_bits), self.result_width)
