"""Specify ``training/blockwise_quantize``: bf16 optimizer states to 8-bit codes (arXiv 2110.02861).

A block of states shares one scale, its absolute maximum in bf16, and keeps one code of the dynamic
code book per state. States and scales are bf16 bit patterns. Exponent 0 is zero, and exponent 255
(infinity, NaN) counts as one more binade.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consilico.golden.lazy import torch
from consilico.golden.training.dynamic_code import BlockwiseConfig, nearest_code

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BlockwiseQuantizeConfig", "blockwise_quantize", "normalize", "reciprocal_significand"]


@dataclass(frozen=True, kw_only=True)
class BlockwiseQuantizeConfig(BlockwiseConfig):
    """Parameters of a unit that turns bf16 states into 8-bit codes of the dynamic code book."""


def reciprocal_significand(mantissa: int) -> int:
    """Return ``256 * 2 / (1 + mantissa / 128)``, rounded to nearest, an integer in [256, 512].

    Only mantissa 0 needs a tenth bit. The reciprocal has one bit more than bf16: with it, the
    greatest state of every block, multiplied by the reciprocal of itself, comes to exactly 1 in
    bf16 and so keeps its own code.
    """
    divisor = 128 + mantissa
    return (2 * 65536 + divisor) // (2 * divisor)


def normalize(state: Tensor, absmax: int | Tensor) -> Tensor:
    """Divide states by the absolute maximum of their block, as magnitude bits of bf16.

    A state is multiplied by the reciprocal of ``absmax``, which has 9 significant bits, and the
    product is rounded to 8 significant bits, half up. A result below the range of bf16 is zero; one
    of 1 or above is 1. The result is within one unit in the last place of the quotient, and exactly
    1 for ``absmax`` itself.

    Args:
        state: bf16 bit patterns, int64, any shape.
        absmax: bf16 bit pattern, not negative; or int64, broadcastable to ``state``.

    Returns:
        int64 in ``[0, 0x3f80]``, same shape.
    """
    absmax = torch.as_tensor(absmax)
    significand = torch.tensor([reciprocal_significand(each) for each in range(128)])[absmax & 127]
    product = (state & 127 | 128) * significand  # 15 fraction bits, in [1, 4]
    wide = product >> 16
    rounded = (product >> 7 + wide) + 1 >> 1
    carry = rounded >> 8
    exponent = (state >> 7 & 255) - (absmax >> 7) + 126 + wide + carry
    zero = (state & 0x7F80 == 0) | (absmax >> 7 == 0) | (exponent < 1)
    bits = exponent << 7 | torch.where(carry == 1, 0, rounded & 127)
    return torch.where(zero, 0, bits.clamp(max=127 << 7))


def blockwise_quantize(
    state: Tensor, absmax: int | Tensor, config: BlockwiseQuantizeConfig
) -> Tensor:
    """Compute the codes of ``training/blockwise_quantize``, bit for bit.

    The code is the nearest to the normalized state; of two equally near codes, that nearer to zero.
    As :func:`normalize` rounds, it may be the code next to the one nearest to the exact quotient.

    Args:
        state: bf16 bit patterns, int64, any shape.
        absmax: bf16 bit pattern of the greatest magnitude in the block. If it is 0, all states get
            the code of zero. Where states are of several blocks, int64, broadcastable to ``state``.
        config: The unit.

    Returns:
        int64 in [0, 255], same shape.
    """
    bits = normalize(state, absmax)
    magnitude = (bits & 127 | 128) * 2.0 ** (bits >> 7).double() * 2.0**-134
    magnitude = torch.where(bits == 0, 0.0, magnitude)
    signed = torch.where(state >> 15 & 1 == 1, -magnitude, magnitude)
    return nearest_code(signed, signed=config.signed).long()
