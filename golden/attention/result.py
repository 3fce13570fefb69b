"""What every ConSmax unit does with a bf16 product: convert, mask, flag."""

from typing import NamedTuple

import torch
from torch import Tensor

from consilico.golden import bfloat16
from consilico.golden.attention.config import ConSmaxConfig

__all__ = ["ConSmaxResult", "finish"]


class ConSmaxResult(NamedTuple):
    """Results of a sequence of beats."""

    data: Tensor  # int64 bit patterns, shape (beats, lanes)
    underflow: Tensor  # bool, shape (beats,): an unmasked result of the beat became zero
    overflow: Tensor  # bool, shape (beats,): an unmasked result of the beat saturated


def finish(product: bfloat16.Product, mask: Tensor, config: ConSmaxConfig) -> ConSmaxResult:
    """Convert to the unit's output form, zero the masked lanes, join the flags of a beat."""
    bits, under, over = product
    if config.output == "fixed":
        fixed = bfloat16.to_fixed(bits, config.fixed_width, config.fixed_fraction)
        bits, under, over = fixed.bits, fixed.underflow, fixed.overflow | over
    return ConSmaxResult(
        torch.where(mask, 0, bits), (under & ~mask).any(dim=-1), (over & ~mask).any(dim=-1)
    )
