"""Oracle of ``training/blockwise_quantize``, from docs/training.md."""

import math
from bisect import bisect
from fractions import Fraction
from functools import cache

from tests.oracles.code_book import book
from tests.oracles.payload import Fields, floor_log2, join


def reciprocal(significand: int) -> int:
    """Return ``floor(65536 / m + 1/2)``."""
    return math.floor(Fraction(65536, significand) + Fraction(1, 2))


@cache
def quotient(state: int, absmax: int) -> Fraction:
    """Return the magnitude of a state divided by the maximum, as step 2 says."""
    exponents = state >> 7 & 255, absmax >> 7 & 255
    if 0 in exponents:
        return Fraction(0)
    product = Fraction((128 + (state & 127)) * reciprocal(128 + (absmax & 127)), 65536)
    unit = Fraction(2) ** (floor_log2(product) - 7)
    rounded = math.floor(product / unit + Fraction(1, 2)) * unit
    result = rounded * Fraction(2) ** (exponents[0] - exponents[1])
    return Fraction(0) if result < Fraction(2) ** -126 else min(result, Fraction(1))


@cache
def nearest(number: Fraction, code: str) -> int:
    """Return the code of the nearest value; of two equally near, of that nearer to zero."""
    values = book(code)
    above = bisect(values, number, hi=255)
    return min((max(above - 1, 0), above), key=lambda n: (abs(values[n] - number), abs(values[n])))


class Oracle:
    """The unit's streams."""

    def __init__(self, *, lanes: int, code: str) -> None:
        self.lanes, self.code = lanes, code

    def configure(self, payload: int) -> None:
        self.absmax = Fields(payload).unsigned(16)

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        return [join((self.coded(fields.unsigned(16)), 8) for _ in range(self.lanes))]

    def reset(self) -> None:
        """Keep the maximum; nothing else is held from beat to beat."""

    def coded(self, state: int) -> int:
        magnitude = quotient(state & 0x7FFF, self.absmax)
        return nearest(-magnitude if state >> 15 else magnitude, self.code)
