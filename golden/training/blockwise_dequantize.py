"""Specify ``training/blockwise_dequantize``: 8-bit codes to bf16 optimizer states.

It reverses :mod:`consilico.golden.training.blockwise_quantize`. Exponent 255 of a scale (infinity,
NaN) counts as one more binade.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consilico.golden import bfloat16
from consilico.golden.lazy import torch
from consilico.golden.training.dynamic_code import (
    BlockwiseConfig,
    book_bits,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BlockwiseDequantizeConfig", "blockwise_dequantize"]


@dataclass(frozen=True, kw_only=True)
class BlockwiseDequantizeConfig(BlockwiseConfig):
    """Parameters of a unit that turns 8-bit codes of the dynamic code book into bf16 states."""


def blockwise_dequantize(
    code: Tensor, absmax: int | Tensor, config: BlockwiseDequantizeConfig
) -> Tensor:
    """Compute the states of ``training/blockwise_dequantize``, bit for bit.

    Args:
        code: int64 in [0, 255], any shape.
        absmax: bf16 bit pattern of the block's absolute maximum, not negative. Where codes are of
            several blocks, int64, broadcastable to ``code``.
        config: The unit.

    Returns:
        bf16 bit patterns, int64, same shape: the code book's entry, as bf16, times ``absmax``,
        rounded to nearest even. Zero has no sign.
    """
    entry = torch.tensor(book_bits(signed=config.signed))[code]
    magnitude = bfloat16.multiply(entry & 0x7FFF, torch.as_tensor(absmax)).bits
    return torch.where(magnitude == 0, 0, magnitude | entry & 0x8000)
