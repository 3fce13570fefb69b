"""Specify ``base2_scores``: INT8 scores times a scale per head, as exponents of 2 in quarters.

``consmax/base2`` and ``softermax`` take scores as exponents of 2 with two fraction bits. Where a
model has not folded that scale into its query projection, this is what stands in front of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from consilico.golden.config import Config, integer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FRACTION", "K_FRACTION", "Base2ScoresConfig", "base2_scores", "scale_constant"]

K_FRACTION: Final = 12  # fraction bits of k: it moves no score by more than a 16th of its step
FRACTION: Final = 2  # fraction bits of a result


@dataclass(frozen=True, kw_only=True)
class Base2ScoresConfig(Config):
    """Configuration of ``base2_scores``, which brings scores to the interface of base-2 units."""

    lanes: int = integer(1, 1, 64, "scores per cycle")
    score_integer: int = integer(6, 2, 8, "integer bits of a result with its sign; 2 fraction bits")

    @property
    def result_width(self) -> int:
        """Return the number of bits of a result, which is signed and counts quarters."""
        return self.score_integer + FRACTION

    @property
    def saturates(self) -> bool:
        """Return whether a product may exceed what a result can be."""
        return self.score_integer < 8


def scale_constant(scale: float) -> int:
    """Return ``k = scale * log2(e)``, rounded to 12 fraction bits.

    Args:
        scale: Natural units per code.

    Raises:
        ValueError: If the scale does not fit; the message says what would.
    """
    k = round(scale / math.log(2) * 2**K_FRACTION)
    if not 0 < k < 1 << K_FRACTION:
        raise ValueError(
            f"scale must be above 2 ** -{K_FRACTION + 1} and below {math.log(2):.4f} a code, "
            f"not {scale:g}"
        )
    return k


def base2_scores(score: Tensor, k: int | Tensor, config: Base2ScoresConfig) -> Tensor:
    """Compute results as ``base2_scores`` does, bit for bit.

    Args:
        score: INT8 codes, int64, shape ``(beats, lanes)``.
        k: ``scale * log2(e)`` with 12 fraction bits, or that of each beat, shape ``(beats, 1)``.
        config: The unit.

    Returns:
        ``4 * k * score``, rounded half up and limited to ``result_width`` bits; int64, same shape.
    """
    drop = K_FRACTION - FRACTION
    greatest = (1 << config.result_width - 1) - 1
    return ((score * k + (1 << drop - 1)) >> drop).clamp(-greatest - 1, greatest)
