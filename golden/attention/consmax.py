"""Describe what the ConSmax units share: base configuration, head constants and results.

ConSmax (arXiv 2402.10930) replaces softmax by ``exp(score - beta) / gamma`` with ``beta`` and
``gamma`` learned per head. For inference both merge into one constant, so that a head computes
``C * exp(scale * code)`` for integer score codes. Every unit computes that product as a bf16
number and then finishes it in the same way (:func:`finish`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from consilico.golden import bfloat16
from consilico.golden.config import Config, choice, integer
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "BF16_ONE",
    "ConSmaxConfig",
    "ConSmaxResult",
    "HeadConstants",
    "OverflowRange",
    "finish",
    "overflow_range",
]

BF16_ONE = 127  # exponent bias of bf16


@dataclass(frozen=True, kw_only=True)
class ConSmaxConfig(Config):
    """Parameters that all ConSmax architectures share: lanes and the form of a result."""

    lanes: int = integer(1, 1, 256, "results per cycle")
    output: str = choice("bf16", ("bf16", "fixed"), "form of a result")
    fixed_width: int = integer(16, 2, 24, "bits of a fixed-point result, unsigned", output="fixed")
    fixed_fraction: int = integer(
        16, 0, 40, "fraction bits of a fixed-point result", output="fixed"
    )

    @property
    def score_width(self) -> int:
        """Return the number of bits of a score, which is signed."""
        return 8

    @property
    def result_width(self) -> int:
        """Return the number of bits of a result.

        A bf16 result is never negative but keeps its sign bit, which is 0.
        """
        return 16 if self.output == "bf16" else self.fixed_width


@dataclass(frozen=True, kw_only=True)
class HeadConstants:
    """Constants of one attention head, whose hardware computes ``exp(log_c + scale * code)``."""

    scale: float  # natural units per code: score = scale * code
    log_c: float  # ln C = -beta - ln gamma


@dataclass(frozen=True, kw_only=True)
class OverflowRange:
    """Scores from which on the results of a head saturate."""

    score: float  # natural units; scores above it saturate
    code: int | None  # least signed code that saturates, None where no code does


def overflow_range(constants: HeadConstants, config: ConSmaxConfig) -> OverflowRange:
    """Return the scores of a head whose exact result exceeds the greatest representable one.

    Args:
        constants: Constants of the head.
        config: The unit; the form of its results and the width of its scores decide.
    """
    if config.output == "bf16":
        log_greatest = math.log(2 - 2**-7) + 127 * math.log(2)
    else:
        log_greatest = math.log((1 << config.fixed_width) - 1) - config.fixed_fraction * math.log(2)
    score = log_greatest - constants.log_c
    code = math.floor(score / constants.scale) + 1
    last = (1 << (config.score_width - 1)) - 1
    return OverflowRange(score=score, code=max(code, -last - 1) if code <= last else None)


class ConSmaxResult(NamedTuple):
    """Results of a sequence of beats."""

    data: Tensor  # int64 bit patterns, shape (beats, lanes)
    underflow: Tensor  # bool, shape (beats,): an unmasked result of the beat became zero
    overflow: Tensor  # bool, shape (beats,): an unmasked result of the beat saturated


def finish(product: bfloat16.Rounded, mask: Tensor, config: ConSmaxConfig) -> ConSmaxResult:
    """Convert products to the output form, zero masked lanes and merge the flags of each beat.

    With ``output="fixed"`` a product is rounded half up to ``fixed_width`` bits and saturated.

    Args:
        product: bf16 products, shape ``(beats, lanes)``.
        mask: Bool, same shape; True gives exactly 0 and raises no flag.
        config: The unit.
    """
    bits, under, over = product
    if config.output == "fixed":
        fixed = bfloat16.to_fixed(bits, config.fixed_width, config.fixed_fraction)
        bits, under, over = fixed.bits, fixed.underflow, fixed.overflow | over
    return ConSmaxResult(
        torch.where(mask, 0, bits), (under & ~mask).any(dim=-1), (over & ~mask).any(dim=-1)
    )
