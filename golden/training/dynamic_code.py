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


def dynamic_code_book(*, signed: bool) -> Tensor:
    """The 256 values of the dynamic data type in rising order, float32; the index is the code.

    Signed (first moment): code 127 is 0, code 255 is 1, the least value is -0.993.
    Unsigned (second moment): code 0 is 0, code 255 is 1.
    """
    return torch.tensor([float(value) for value in values(signed=signed)], dtype=torch.float32)


def nearest_code(normalized: Tensor, *, signed: bool) -> Tensor:
    """Code of the value nearest to each number; of two equally near ones, that nearer to zero.

    Args:
        normalized: States divided by the absolute maximum of their block, any shape and float
            type. Numbers beyond the greatest or least value get its code.
        signed: Which code book.

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
    """The code book in bf16: 256 bit patterns with sign, rounded to nearest even."""
    positive = magnitude_bits(signed=signed)
    negative = [bits | 0x8000 for bits in positive[-2:0:-1]] if signed else []
    return negative + positive


@dataclass(frozen=True, kw_only=True)
class BlockwiseConfig(Config):
    """Parameters that the two units for 8-bit optimizer states share."""

    lanes: int = integer(8, 1, 64, "states a cycle")
    code: str = choice("signed", ("signed", "unsigned"), "code book: first or second moment")

    @property
    def signed(self) -> bool:
        """Whether the code book has negative values."""
        return self.code == "signed"
