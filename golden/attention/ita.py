"""Specify ``ita``: softmax by shifts in base 2 with one division per row (arXiv 2307.03493).

Every exponential is ``256 >> shift``, and so is every result: the reciprocal of the sum, shifted.
Where the paper leaves details open, this is what its repository does (pulp-platform/ITA,
``src/ita_softmax.sv``): the sum has 19 bits and wraps, and is rescaled as often as the maximum
grows by a shift that is not 0. Its authors state sums of up to 2,048 scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from consilico.golden.attention.rows import RowConfig, running_sum
from consilico.golden.config import choice
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LEAST", "NUMERATOR", "SUM_WIDTH", "UNIT", "ItaConfig", "ita", "shift_of"]

LEAST: Final = -128  # the maximum begins here
UNIT: Final = 256  # what the greatest score adds to the sum
NUMERATOR: Final = 255 * UNIT
SUM_WIDTH: Final = 19


@dataclass(frozen=True, kw_only=True)
class ItaConfig(RowConfig):
    """Configuration of ``ita``: lanes, the longest row, its buffer and the scale of scores."""

    fraction: int = choice(
        5, (5, 0), "fraction bits of a score, an exponent of 2: 5 in the paper, 0 in its repository"
    )

    @property
    def result_width(self) -> int:
        """Return the number of bits of a result, unsigned with 8 fraction bits."""
        return 8

    @property
    def wraps(self) -> bool:
        """Return whether a row can be so long that its sum wraps."""
        return self.row * UNIT >= 1 << SUM_WIDTH


def shift_of(excess: Tensor, fraction: int) -> Tensor:
    """Return by how many bits a score is less than the maximum, rounded half up.

    Args:
        excess: By how much the maximum exceeds the score, 0 to 255, any shape.
        fraction: Fraction bits of a score.
    """
    return (excess >> fraction) + (excess >> fraction - 1 & 1) if fraction else excess


def ita(score: Tensor, mask: Tensor, config: ItaConfig) -> Tensor:
    """Compute results as ``ita`` does, bit for bit.

    Args:
        score: INT8 codes, int64, shape ``(rows, beats, lanes)``. The order of scores and the
            division into beats count.
        mask: Bool, same shape; True: the score takes no part, and its result is 0. A row that is
            shorter than others is filled up with masked beats.
        config: The unit; rows may be longer than its buffer.

    Returns:
        Results with 8 fraction bits, int64, same shape. If the sum has wrapped, its reciprocal is
        limited to 255, and that of 0 is 0: the source leaves both undefined.
    """

    def shifted(value: int | Tensor, excess: Tensor) -> Tensor:
        shift = shift_of(excess, config.fraction).clamp(max=SUM_WIDTH)
        return torch.as_tensor(value, dtype=torch.int64) >> shift

    greatest, total = running_sum(
        torch.where(mask, LEAST, score),
        LEAST,
        lambda beat, excess: torch.where(mask[:, beat], 0, shifted(UNIT, excess)).sum(dim=1),
        lambda total, growth, added: (shifted(total, growth) + added) & (1 << SUM_WIDTH) - 1,
    )
    inverse = torch.where(total == 0, 0, (NUMERATOR // total.clamp(min=1)).clamp(max=255))
    excess = (greatest[:, None, None] - score).clamp(min=0)
    return torch.where(mask, 0, shifted(inverse[:, None, None], excess))
