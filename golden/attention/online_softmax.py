"""Specify ``online_softmax``: the share of softmax in fused attention, without a row buffer.

FlashAttention (arXiv 2205.14135) keeps sums of weighted values and rescales them whenever the
maximum of a row grows. Scores become exponents of 2, ``u = k * s``, and the maximum that they refer
to is an integer, so that rescaling is a shift: the unit gives ``2 ** (u - reference)`` of each
score as a bf16 number, by how many bits the sums so far must be shifted right before, and the sum
of these numbers. FlashAttention-4 (arXiv 2603.05451) rescales only where the maximum has grown by
more than 8 bits, which is the option ``slack``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from consilico.golden.attention.consmax import BF16_ONE
from consilico.golden.attention.consmax_log2 import mantissa_table
from consilico.golden.config import Config, choice, integer
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ADDRESS",
    "K_FRACTION",
    "LEAST",
    "MOST_RESCALED",
    "OnlineResult",
    "OnlineSoftmaxConfig",
    "online_softmax",
]

K_FRACTION: Final = 17  # fraction bits of k, as consmax/log2 has them
ADDRESS: Final = 8  # fraction bits of u, which address the table of mantissas
LEAST: Final = -128  # the reference begins here
MOST_RESCALED: Final = 31  # bits; then nothing is left of a bf16 sum


@dataclass(frozen=True, kw_only=True)
class OnlineSoftmaxConfig(Config):
    """Configuration of ``online_softmax``: lanes, the longest row and how sums are rescaled."""

    lanes: int = choice(1, (1, 2, 4, 8, 16, 32, 64), "scores per cycle")
    row: int = integer(4096, 2, 1 << 20, "scores of the longest row, whose sum is exact")
    slack: int = choice(0, (0, 8), "bits by which the maximum may exceed its reference")

    @property
    def score_width(self) -> int:
        """Return the number of bits of a score, which is signed."""
        return 8

    @property
    def sum_fraction(self) -> int:
        """Return the fraction bits of the sum: what a row truncates stays below 2 ** -12."""
        return max(20, 12 + (self.row - 1).bit_length())

    @property
    def sum_width(self) -> int:
        """Return the number of bits of the sum, each of whose terms is below 2 ** (slack + 1)."""
        return self.sum_fraction + 1 + self.slack + (self.row - 1).bit_length()


class OnlineResult(NamedTuple):
    """Results of a sequence of beats."""

    data: Tensor  # int64, bf16 bit patterns, shape (beats, lanes)
    rescale: Tensor  # int64, shape (beats,): bits to shift what was accumulated before the beat
    sum: Tensor  # int64, shape (beats,): of the row up to this beat, relative to its reference


def online_softmax(
    score: Tensor, mask: Tensor, last: Tensor, k: int | Tensor, config: OnlineSoftmaxConfig
) -> OnlineResult:
    """Compute results as ``online_softmax`` does, bit for bit.

    Args:
        score: INT8 codes, int64, shape ``(beats, lanes)``.
        mask: Bool, same shape; True: the score takes no part, and its result is 0.
        last: Bool, shape ``(beats,)``: whether the beat is the last one of its row.
        k: ``scale * log2(e)`` with 17 fraction bits, or that of each beat, shape ``(beats, 1)``.
        config: The unit. The sum of a row that is longer than ``row`` wraps.
    """
    exponent = (score * k) >> (K_FRACTION - ADDRESS)
    whole = exponent >> ADDRESS
    mantissa = torch.tensor(mantissa_table(ADDRESS))[exponent & (1 << ADDRESS) - 1]
    tops = torch.where(mask, LEAST, whole).amax(dim=1).tolist()

    # the reference of each beat, and by how much it has grown
    references = np.empty(len(tops), dtype=np.int64)
    growths = np.empty(len(tops), dtype=np.int64)
    reference = LEAST
    for beat, (top, ends) in enumerate(zip(tops, last.tolist(), strict=True)):
        following = top if top > reference + config.slack else reference
        growths[beat], references[beat] = following - reference, following
        reference = LEAST if ends else following

    rescale = torch.from_numpy(growths).clamp(max=MOST_RESCALED)
    excess = torch.from_numpy(references)[:, None] - whole
    bits = (BF16_ONE - excess << 7) | mantissa
    nothing = mask | (excess >= BF16_ONE)
    significand = (mantissa | 128) << config.sum_fraction + config.slack - 7
    terms = significand >> (excess + config.slack).clamp(0, 62)
    added = torch.where(nothing, 0, terms).sum(dim=1).tolist()

    sums, total = [], 0
    for shift, term, ends in zip(rescale.tolist(), added, last.tolist(), strict=True):
        total = ((total >> shift) + term) % (1 << config.sum_width)
        sums.append(total)
        total = 0 if ends else total
    return OnlineResult(torch.where(nothing, 0, bits), rescale, torch.tensor(sums))
