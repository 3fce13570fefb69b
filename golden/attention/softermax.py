"""Specify ``softermax``: softmax in base 2 with a running integer maximum (arXiv 2103.09301).

Scores come with two fraction bits, as exponents of 2, and the maximum is an integer. So the
fraction of ``2 ** (x - maximum)`` has four values, and the paper's piecewise linear power of two
with four segments is a table of four entries. Formats are those of the paper's table I: input
Q(6,2), powers Q(1,15), their sum Q(10,6), reciprocal and results Q(1,7). The paper says nothing of
the following, which is our choice: powers are truncated; the powers of a beat are added exactly and
truncated to Q(10,6) once; the sum saturates; the reciprocal's segments are interpolated between
exact ends, rounded to 8 fraction bits; results are rounded half up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from consilico.golden.attention.rows import RowConfig, running_sum
from consilico.golden.config import choice
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "LEAST",
    "POWERS",
    "POWER_FRACTION",
    "REFERENCE_WIDTH",
    "RESULT_FRACTION",
    "SUM_FRACTION",
    "SUM_WIDTH",
    "SoftermaxConfig",
    "reciprocal",
    "softermax",
]

POWER_FRACTION: Final = 15
SUM_FRACTION: Final = 6
SUM_WIDTH: Final = 16
RESULT_FRACTION: Final = 7
REFERENCE_WIDTH: Final = 7  # bits of a score's ceiling, signed
LEAST: Final = -32  # integer reference of the least score, where the running maximum begins
# 2 ** (-j / 4) in Q(1,15), by the quarters j that the ceiling of a score exceeds it
POWERS: Final = tuple(round(2 ** (POWER_FRACTION - quarter / 4)) for quarter in range(4))

_SEGMENTS = 4
_ENDS = tuple(round(256 / (1 + segment / _SEGMENTS)) for segment in range(_SEGMENTS))
_SLOPES = tuple(
    round(256 * _SEGMENTS * (1 / (1 + segment / _SEGMENTS) - 1 / (1 + (segment + 1) / _SEGMENTS)))
    for segment in range(_SEGMENTS)
)


@dataclass(frozen=True, kw_only=True)
class SoftermaxConfig(RowConfig):
    """Configuration of ``softermax``: lanes, the longest row and what its buffer stores."""

    stores: str = choice(
        "scores", ("scores", "powers"), "what the row buffer keeps; results are the same"
    )

    @property
    def word_bits(self) -> int:
        """Return the number of bits that the row buffer keeps of a beat.

        Powers, which are 0 where masked, are kept with the reference that they are relative to.
        """
        if self.stores == "powers":
            return self.lanes * (POWER_FRACTION + 1) + REFERENCE_WIDTH
        return super().word_bits

    @property
    def result_width(self) -> int:
        """Return the number of bits of a result, unsigned with 7 fraction bits."""
        return 8


def reciprocal(fraction: int) -> int:
    """Return ``1 / (1 + fraction / 128)`` in Q(1,7), as four linear segments have it.

    Args:
        fraction: 7 bits.
    """
    segment, offset = divmod(fraction, 128 // _SEGMENTS)
    eighth = _ENDS[segment] - (_SLOPES[segment] * offset >> 7)
    return (eighth >> 1) + (eighth & 1)


def softermax(score: Tensor, mask: Tensor, config: SoftermaxConfig) -> Tensor:
    """Compute results as ``softermax`` does, bit for bit.

    Args:
        score: Codes with two fraction bits, int64, shape ``(rows, beats, lanes)``. The order of
            scores and the division into beats count.
        mask: Bool, same shape; True: the score takes no part, and its result is 0. A row that is
            shorter than others is filled up with masked beats.
        config: The unit; rows may be longer than its buffer.

    Returns:
        Results in Q(1,7), int64, same shape.
    """
    reference = (score + 3) >> 2  # the ceiling
    power = torch.tensor(POWERS)[-score & 3]

    def powers(beat: slice | int, excess: Tensor) -> Tensor:
        shifted = power[:, beat] >> excess.clamp(0, POWER_FRACTION + 1)
        return torch.where(mask[:, beat], 0, shifted)

    drop = POWER_FRACTION - SUM_FRACTION
    greatest, total = running_sum(
        torch.where(mask, LEAST, reference),
        LEAST,
        lambda beat, excess: powers(beat, excess).sum(dim=1) >> drop,
        lambda total, growth, added: ((total >> growth) + added).clamp(max=(1 << SUM_WIDTH) - 1),
    )
    place = torch.frexp(total.double()).exponent.long().clamp(min=1) - 1  # of the leading one
    fraction = (total << RESULT_FRACTION >> place) & 127
    inverse = torch.tensor([reciprocal(each) for each in range(128)])[fraction]
    inverse = torch.where(total == 0, 0, inverse)[:, None, None]
    numerator = powers(slice(None), greatest[:, None, None] - reference)
    # the power has 15 fraction bits, the sum 6, and 1 bit guards the rounding, half up
    guarded = numerator * inverse >> (place[:, None, None] + POWER_FRACTION - SUM_FRACTION - 1)
    return ((guarded + 1) >> 1).clamp(max=255)
