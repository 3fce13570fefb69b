"""Oracle of ``training/weight_update``, from docs/training.md."""

import math
from fractions import Fraction

from tests.oracles.payload import Fields, clamp, join, value
from tests.oracles.random_words import Generator


class Oracle:
    """The unit's streams."""

    def __init__(self, *, lanes: int, random_bits: int) -> None:
        self.lanes, self.random_bits = lanes, random_bits
        self.generator = Generator(lanes=lanes, random_bits=random_bits)

    def configure(self, payload: int) -> None:
        fields = Fields(payload)
        content, seeds = fields.unsigned(31), fields.unsigned(1)
        if seeds:
            self.generator.seed(content)
        else:
            self.factor = value(content & 0xFFFF)

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        self.generator.move()
        codes = [
            self.updated(fields.signed(8), value(fields.unsigned(16)), word)
            for word in self.generator.words()
        ]
        return [join((code, 8) for code in codes)]

    def reset(self) -> None:
        """Keep the constants and the state of the generator."""

    def updated(self, code: int, update: Fraction, r: int) -> int:
        product = update * self.factor
        if abs(product) >= 2**8:
            return 127 if product > 0 else -128
        units = math.floor(abs(product) * 2**self.random_bits + Fraction(1, 2))
        rounded = Fraction(units if product > 0 else -units, 2**self.random_bits)
        return clamp(math.floor(code + rounded + Fraction(r, 2**self.random_bits)), 8)
