"""The dynamic 8-bit data type as exact numbers, no torch: what tensors and hardware are made of.

Seven decades below 1, each cut into equal steps, twice as many in every higher decade; a value is
the middle of a step. Zero and 1 are added.

Source: Dettmers, Lewis, Shleifer and Zettlemoyer, arXiv 2110.02861, section 2.1 ("dynamic tree
quantization" after Dettmers, arXiv 1511.04561); the counts of steps are those of the authors'
library bitsandbytes, ``create_dynamic_map``, so that codes can be exchanged with it.
"""

from fractions import Fraction

__all__ = ["DECADES", "magnitude_bits", "magnitudes", "values"]

DECADES = 7


def magnitudes(*, signed: bool) -> list[Fraction]:
    """Magnitudes that have a code, in rising order: zero, the decades, 1.

    Args:
        signed: A decade has 1, 2, 4, ... 64 steps (129 magnitudes); unsigned, twice as many (256).
    """
    found = [Fraction(0)]
    for decade in range(DECADES):
        steps = 1 << (decade + (not signed))
        for step in range(steps):
            middle = Fraction(1, 10) + Fraction(9, 10) * Fraction(2 * step + 1, 2 * steps)
            found.append(middle / 10 ** (DECADES - 1 - decade))
    return [*found, Fraction(1)]


def magnitude_bits(*, signed: bool) -> list[int]:
    """The magnitudes as bf16 bit patterns, rounded to nearest even."""
    found = [0]
    for value in magnitudes(signed=signed)[1:]:
        exponent = 0
        while value < Fraction(1, 1 << -exponent):
            exponent -= 1
        # a significand that rounds up to 256 carries into the exponent by itself
        found.append((exponent + 126 << 7) + round(value * 2 ** (7 - exponent)))
    return found


def values(*, signed: bool) -> list[Fraction]:
    """The 256 values in rising order, so that the index is the code; -1 has none."""
    positive = magnitudes(signed=signed)
    negative = [-value for value in positive[-2:0:-1]] if signed else []
    return negative + positive
