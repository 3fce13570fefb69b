"""Specify ``sole``: E2Softmax, powers of two and a division of logarithms (arXiv 2510.17189).

Every exponential is rounded to a power of two, whose exponent has 4 bits, and so is the sum but for
its second bit. The paper was read in excerpts and in implementations by others. What is our choice:
scores have 4 fraction bits; the sum has 15 and is as wide as a row can make it; it is rescaled by
the exponent of what the maximum grows by; results are rounded half up to 8 fraction bits. The paper
keeps the 4-bit exponents of a row next to the maxima that they are relative to, one per beat here;
keeping the scores takes less where few of them come per beat, and rounds an exponent once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from consilico.golden.attention.rows import RowConfig, RunningSum, running_sum
from consilico.golden.config import choice
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "LEAST",
    "MOST_EXPONENT",
    "NUMERATORS",
    "SCORE_FRACTION",
    "SUM_FRACTION",
    "SoleConfig",
    "exponent_of",
    "row_sum",
    "sole",
]

LEAST: Final = -128  # the maximum begins here
SCORE_FRACTION: Final = 4  # fraction bits of a score, which is in natural units
MOST_EXPONENT: Final = 15  # of an exponential, which is at least 2 ** -15
SUM_FRACTION: Final = 15
NUMERATORS: Final = (419, 291)  # 0.818 and 0.568 with 9 fraction bits, by the sum's second bit


@dataclass(frozen=True, kw_only=True)
class SoleConfig(RowConfig):
    """Configuration of ``sole``: lanes, the longest row and its buffer."""

    stores: str = choice(
        "scores", ("scores", "exponents"), "what the row buffer keeps; the paper: exponents"
    )

    @property
    def word_bits(self) -> int:
        """Return the number of bits that the row buffer keeps of a beat.

        Exponents, which are the greatest ones where masked, are kept with the maximum that they are
        relative to.
        """
        if self.stores == "exponents":
            return self.lanes * MOST_EXPONENT.bit_length() + self.score_width
        return super().word_bits

    @property
    def result_width(self) -> int:
        """Return the number of bits of a result, unsigned with 8 fraction bits."""
        return 8

    @property
    def sum_width(self) -> int:
        """Return the number of bits of the sum of a row as long as the buffer."""
        return SUM_FRACTION + 1 + (self.row - 1).bit_length()


def exponent_of(excess: Tensor) -> Tensor:
    """Return the exponent of ``exp(-excess / 16)`` as a power of two, without its sign.

    ``log2(e)`` is 1 + 1/2 - 1/16, in shifts that truncate; the product is rounded half up.

    Args:
        excess: By how much the maximum exceeds a score, 0 to 255, any shape.
    """
    product = excess + (excess >> 1) - (excess >> 4)
    half = 1 << SCORE_FRACTION - 1
    return ((product + half) >> SCORE_FRACTION).clamp(max=MOST_EXPONENT)


def row_sum(score: Tensor, mask: Tensor) -> RunningSum:
    """Return the greatest score of each row, and the sum of its powers of two.

    Args:
        score: As :func:`sole` takes them, shape ``(rows, beats, lanes)``.
        mask: Likewise.

    Returns:
        Both of shape ``(rows,)``; the sum has 15 fraction bits and is relative to the greatest.
    """
    return running_sum(
        torch.where(mask, LEAST, score),
        LEAST,
        lambda beat, excess: torch.where(
            mask[:, beat], 0, 1 << SUM_FRACTION - exponent_of(excess)
        ).sum(dim=1),
        lambda total, growth, added: (total >> exponent_of(growth)) + added,
    )


def sole(score: Tensor, mask: Tensor, config: SoleConfig) -> Tensor:
    """Compute results as ``sole`` does, bit for bit.

    Args:
        score: Codes with 4 fraction bits, int64, shape ``(rows, beats, lanes)``. The order of
            scores and the division into beats count.
        mask: Bool, same shape; True: the score takes no part, and its result is 0. A row that is
            shorter than others is filled up with masked beats.
        config: The unit.

    Returns:
        Results with 8 fraction bits, int64, same shape.
    """
    greatest, total = row_sum(score, mask)
    place = torch.frexp(total.double()).exponent.long().clamp(min=1) - 1  # of the leading one
    second = (total << 1 >> place) & 1
    numerator = torch.tensor(NUMERATORS)[second]
    if config.stores == "exponents":  # relative to the maximum when they came, and it grew since
        reference = torch.where(mask, LEAST, score)
        so_far = reference.amax(dim=2, keepdim=True).cummax(dim=1).values
        exponent = exponent_of((so_far - score).clamp(min=0))
        exponent = exponent + exponent_of(greatest[:, None, None] - so_far)
    else:
        exponent = exponent_of((greatest[:, None, None] - score).clamp(min=0))
    shift = exponent + (place - SUM_FRACTION).clamp(min=0)[:, None, None]
    guarded = numerator[:, None, None] >> shift
    return torch.where(mask, 0, (guarded + 1) >> 1)
