"""Nearest dynamic code of a number in [0, 1]: a straight line for each run of mantissas.

In a decade the code grows in equal steps, and so does the mantissa in a binade. So within a binade
the nearest code is ``(slope * mantissa + offset) >> SHIFT`` but for a bend where two decades meet:
a few dozen pairs of small integers and one multiplier of 7 bits take the place of 128 or 255
thresholds. Lines are fitted here to the code book itself and hold for every bf16 number; a run
ends where no line fits.
"""

from bisect import bisect_left
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from consilico.golden.training.dynamic_code import magnitudes

__all__ = ["LEAST_EXPONENT", "SHIFT", "Line", "lines"]

SHIFT = 12
LEAST_EXPONENT = 96  # below, every number is nearest to zero; 5 bits hold the exponents to 127
_ONE = 127  # exponent of 1


class Line(NamedTuple):
    """From a mantissa on, until the next line of the same exponent."""

    mantissa: int
    slope: int
    offset: int


def _indices(signed: bool) -> list[list[int]]:
    """Index of the nearest magnitude for each exponent below that of 1, and each mantissa."""
    numbers = magnitudes(signed=signed)
    middles = [(low + high) / 2 for low, high in pairwise(numbers)]
    return [
        [
            bisect_left(middles, Fraction(128 + mantissa, 128) * Fraction(2) ** (exponent - _ONE))
            for mantissa in range(128)
        ]
        for exponent in range(LEAST_EXPONENT, _ONE)
    ]


def _simplest(low: int, high: int) -> int:
    """The number in ``[low, high]`` with the most trailing zeros."""
    for zeros in range(high.bit_length(), -1, -1):
        if (found := -(-low >> zeros) << zeros) <= high:
            return found
    raise AssertionError("an empty range has no number")


@cache
def lines(*, signed: bool) -> dict[int, list[Line]]:
    """Lines of each exponent from ``LEAST_EXPONENT`` to 126, exact for every mantissa.

    ``(slope * mantissa + offset) >> SHIFT`` is the index of the nearest of
    :func:`consilico.golden.training.dynamic_code.magnitudes`; of two equally near, the lesser.
    """
    slopes = np.arange(1 << SHIFT)
    found: dict[int, list[Line]] = {}
    for exponent, indices in enumerate(_indices(signed), LEAST_EXPONENT):
        found[exponent] = []
        start = 0
        while start < 128:
            low = np.full(len(slopes), -(1 << 30))
            high = np.full(len(slopes), 1 << 30)
            end = start
            while end < 128:
                least = (indices[end] << SHIFT) - slopes * end
                lower, upper = np.maximum(low, least), np.minimum(high, least + (1 << SHIFT) - 1)
                if not (lower <= upper).any():
                    break
                low, high, end = lower, upper, end + 1
            fits = np.flatnonzero(low <= high)
            slope = _simplest(int(fits[0]), int(fits[-1]))
            if low[slope] > high[slope]:
                slope = int(fits[0])
            found[exponent].append(Line(start, slope, _simplest(int(low[slope]), int(high[slope]))))
            start = end
    return found
