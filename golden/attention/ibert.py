"""Specify ``ibert``: the integer softmax of I-BERT (arXiv 2101.01321, section 3.5).

Exponentials are ``2 ** -q * p(r)`` with a polynomial ``p`` of degree 2, in integers that depend on
the scale of the scores. This is what the authors' code computes (transformers,
``ibert/quant_modules.py``, ``IntSoftmax``), in integers of any width where that code has float32.
Exponentials are requantized to 16 bits, as there; the greatest one of each row is 1, and so is the
range of that format. What is our choice: scores have 16 bits (theirs have 32; with 8, which may be
asked for, ln 2 is a few steps of a score); the polynomial's value keeps 18 bits of those of its
greatest one, and the multiplier of the requantization has 16 bits in place of 31 and is truncated;
the requantization rounds half up in place of half to even; a result of 256 does not occur.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from consilico.golden.attention.rows import RowConfig
from consilico.golden.config import choice
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "FACTOR_BITS",
    "MOST_QUOTIENT",
    "MULTIPLIER_BITS",
    "NUMERATOR_BITS",
    "POWER_BITS",
    "IbertConfig",
    "IbertConstants",
    "exponential",
    "ibert",
    "ibert_constants",
]

POWER_BITS: Final = 15  # of an exponential
MULTIPLIER_BITS: Final = 16
MOST_QUOTIENT: Final = 30  # powers of two that an exponential is divided by
NUMERATOR_BITS: Final = 32  # the factor of a row is 2 ** 32 divided by its sum
FACTOR_BITS: Final = 18  # of the factor, as the greatest exponential is more than 1 / 2
_KEPT_BITS = 18  # of the polynomial's value, if it has more
_A, _B = Fraction("0.35815147"), Fraction("0.96963238")  # of the polynomial a x^2 + b x + 1
_LN2 = Fraction("0.6931")


@dataclass(frozen=True, kw_only=True)
class IbertConfig(RowConfig):
    """Configuration of ``ibert``: rows of INT16 scores as published, or of INT8 ones."""

    scores: str = choice("int16", ("int16", "int8"), "bits of a score; int8 is not I-BERT's")

    @property
    def score_width(self) -> int:
        """Return the number of bits of a score, which is signed."""
        return 16 if self.scores == "int16" else 8

    @property
    def result_width(self) -> int:
        """Return the number of bits of a result, unsigned with 8 fraction bits."""
        return 8

    @property
    def polynomial_width(self) -> int:
        """Return the number of bits of the constant ``c``: 32, as I-BERT has it, or 16."""
        return 2 * self.score_width

    @property
    def kept_width(self) -> int:
        """Return the number of bits that are kept of the polynomial's value."""
        return min(self.polynomial_width, _KEPT_BITS)

    @property
    def sum_width(self) -> int:
        """Return the number of bits of the sum of a row as long as the buffer."""
        return POWER_BITS + (self.row - 1).bit_length()

    @property
    def least_scale(self) -> float:
        """Return the least scale, natural units per code, whose ``c`` fits its bits."""
        return math.sqrt(1 / (_A * (1 << self.polynomial_width)))


@dataclass(frozen=True, kw_only=True)
class IbertConstants:
    """Constants of the polynomial and of the requantization, as a head's scale gives them.

    Where rows have constants of their own, they are int64 tensors of shape ``(rows, 1, 1)``.
    """

    ln2: int | Tensor  # in steps of a score
    b: int | Tensor
    c: int | Tensor
    align: int | Tensor  # leading zeros of ``c``
    multiplier: int | Tensor


def ibert_constants(scale: float, config: IbertConfig) -> IbertConstants:
    """Return the constants of a scale.

    Args:
        scale: Natural units per code of a score.
        config: The unit.

    Raises:
        ValueError: If ``c`` does not fit its bits, or a score counts more than 1.
    """
    step = Fraction(scale)
    if not 0 < step <= 1 or (1 / (_A * step**2)) >= 1 << config.polynomial_width:
        raise ValueError(
            f"scale must be above {config.least_scale:.3g} and at most 1 per code of "
            f"{config.scores}, not {scale:g}"
        )
    exact = 1 / (_A * step**2)
    c = math.floor(exact)
    return IbertConstants(
        ln2=math.ceil(_LN2 / step),
        b=math.floor(_B / _A / step),
        c=c,
        align=config.polynomial_width - c.bit_length(),
        multiplier=math.floor((2**POWER_BITS - 1) * 2 ** c.bit_length() / exact),
    )


def exponential(excess: Tensor, constants: IbertConstants, config: IbertConfig) -> Tensor:
    """Return exponentials in steps of 1 / 32767.

    Args:
        excess: By how much the greatest score of the row exceeds each one, int64, any shape that
            goes with that of the constants.
        constants: Those of a scale.
        config: The unit.
    """
    ln2 = torch.as_tensor(constants.ln2)
    limited = torch.minimum(excess, MOST_QUOTIENT * ln2)
    quotient = limited // ln2.clamp(min=1)
    rest = quotient * ln2 - limited  # above -ln 2, at most 0
    value = (rest + constants.b) * rest + constants.c
    kept = value << constants.align >> config.polynomial_width - config.kept_width
    # one bit guards the rounding, half up
    guarded = kept * constants.multiplier >> config.kept_width - 1 + quotient
    return (guarded + 1) >> 1


def ibert(score: Tensor, mask: Tensor, constants: IbertConstants, config: IbertConfig) -> Tensor:
    """Compute results as ``ibert`` does, bit for bit.

    Args:
        score: Codes, int64, shape ``(rows, beats, lanes)``.
        mask: Bool, same shape; True: the score takes no part, and its result is 0. A row that is
            shorter than others is filled up with masked beats.
        constants: Those of a scale; what others give means nothing.
        config: The unit.

    Returns:
        Results with 8 fraction bits, int64, same shape.
    """
    least = -(1 << config.score_width - 1)
    greatest = torch.where(mask, least, score).amax(dim=(1, 2), keepdim=True)
    excess = (greatest - score).clamp(min=0)
    power = torch.where(mask, 0, exponential(excess, constants, config))
    total = power.sum(dim=(1, 2), keepdim=True)
    factor = (1 << NUMERATOR_BITS) // total.clamp(min=1)
    return power * factor >> NUMERATOR_BITS - config.result_width
