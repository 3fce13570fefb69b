"""Define the dynamic 8-bit data type of optimizer states.

The interval below 1 has seven decades. Each decade is cut into equal steps, twice as many as the
decade below it has, and a code stands for the middle of a step. Zero and 1 are added. This module
gives the values as exact fractions, as tensors and as bf16 bit patterns.

Source: Dettmers, Lewis, Shleifer and Zettlemoyer, arXiv 2110.02861, section 2.1 ("dynamic tree
quantization" after Dettmers, arXiv 1511.04561). The numbers of steps are those of
``create_dynamic_map`` in the authors' library bitsandbytes, so that codes can be exchanged with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from consilico.golden.config import Config, choice, integer
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "DECADES",
    "BlockwiseConfig",
    "book_bits",
    "dynamic_code_book",
    "magnitude_bits",
    "magnitudes",
    "nearest_code",
    "values",
]

DECADES = 7


def magnitudes(*, signed: bool) -> list[Fraction]:
    """Return the magnitudes that have a code, in rising order: zero, the seven decades, 1.

    Args:
        signed: The decades have 1, 2, 4, ... 64 steps (129 magnitudes in all); unsigned, twice as
            many (256).
    """
    found = [Fraction(0)]
    for decade in range(DECADES):
        steps = 1 << (decade + (not signed))
        for step in range(steps):
            middle = Fraction(1, 10) + Fraction(9, 10) * Fraction(2 * step + 1, 2 * steps)
            found.append(middle / 10 ** (DECADES - 1 - decade))
    return [*found, Fraction(1)]


def magnitude_bits(*, signed: bool) -> list[int]:
    """Return the magnitudes as bf16 bit patterns, rounded to nearest even."""
    found = [0]
    for value in magnitudes(signed=signed)[1:]:
        exponent = 0
        while value < Fraction(1, 1 << -exponent):
            exponent -= 1
        # a significand that rounds up to 256 carries into the exponent by itself
        found.append((exponent + 126 << 7) + round(value * 2 ** (7 - exponent)))
    return found


def values(*, signed: bool) -> list[Fraction]:
    """Return the 256 values in rising order, so that the index is the code; -1 has no code."""
    positive = magnitudes(signed=signed)
    negative = [-value for value in positive[-2:0:-1]] if signed else []
    return negative + positive


def dynamic_code_book(*, signed: bool) -> Tensor:
    """Return the 256 values of the dynamic data type in rising order; the index is the code.

    The tensor is float32. In the signed book (first moment) code 127 is 0, code 255 is 1 and the
    least value is -0.993. In the unsigned book (second moment) code 0 is 0 and code 255 is 1.
    """
    return torch.tensor([float(value) for value in values(signed=signed)], dtype=torch.float32)


def nearest_code(normalized: Tensor, *, signed: bool) -> Tensor:
    """Return the code of the value nearest to each number; ties go to the value nearer to zero.

    Args:
        normalized: States divided by the absolute maximum of their block, any shape and float type.
            Numbers beyond the greatest or the least value get its code.
        signed: Which code book to use.

    Returns:
        uint8, same shape.
    """
    exact = values(signed=signed)
    middles = torch.tensor(
        [float((low + high) / 2) for low, high in pairwise(exact)],
        dtype=torch.float64,
    )
    wide = normalized.double()
    # bucketize puts a number equal to a middle below it, with right=True above it
    above = torch.bucketize(wide, middles, right=False)
    below = torch.bucketize(wide, middles, right=True)
    return torch.where(wide >= 0, above, below).to(torch.uint8)


def book_bits(*, signed: bool) -> list[int]:
    """Return the code book as 256 bf16 bit patterns with sign, rounded to nearest even."""
    positive = magnitude_bits(signed=signed)
    negative = [bits | 0x8000 for bits in positive[-2:0:-1]] if signed else []
    return negative + positive


@dataclass(frozen=True, kw_only=True)
class BlockwiseConfig(Config):
    """Parameters that the two units for 8-bit optimizer states share."""

    lanes: int = integer(8, 1, 64, "states per cycle")
    code: str = choice(
        "signed", ("signed", "unsigned"), "code book: signed for first moments, unsigned for second"
    )

    @property
    def signed(self) -> bool:
        """Return whether the code book has negative values."""
        return self.code == "signed"
