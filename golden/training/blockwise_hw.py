"""Bit-exact models of the units for 8-bit optimiser states (arXiv 2110.02861).

A block of states has one scale, its absolute maximum in bf16, and a code of the dynamic code book
a state. States and scales are bf16 bit patterns; exponent 0 is zero, exponent 255 (infinite, NaN)
counts as one more binade.
"""

import torch
from torch import Tensor

from consilico.golden import bfloat16
from consilico.golden.training.codebook import nearest_code
from consilico.golden.training.config import DequantizeConfig, QuantizeConfig
from consilico.golden.training.dynamic_code import magnitude_bits
from consilico.golden.training.reciprocal import reciprocal_significand

__all__ = ["book_bits", "dequantize", "normalise", "quantize"]


def normalise(state: Tensor, absmax: int) -> Tensor:
    """States divided by the absolute maximum of their block, magnitude bits of bf16.

    State times the reciprocal of ``absmax`` (9 significant bits), rounded to 8 significant bits,
    halves up. Beyond bf16's range below, zero; at 1 and above, 1. It is within one unit in the
    last place of the quotient, and 1 for ``absmax`` itself.

    Args:
        state: bf16 bit patterns, int64, any shape.
        absmax: bf16 bit pattern, not negative.

    Returns:
        int64 in ``[0, 0x3f80]``, same shape.
    """
    significand = reciprocal_significand(absmax & 127)
    product = (state & 127 | 128) * significand  # 15 fraction bits, in [1, 4]
    wide = product >> 16
    rounded = (product >> 7 + wide) + 1 >> 1
    carry = rounded >> 8
    exponent = (state >> 7 & 255) - (absmax >> 7) + 126 + wide + carry
    zero = (state & 0x7F80 == 0) | (absmax >> 7 == 0) | (exponent < 1)
    bits = exponent << 7 | torch.where(carry == 1, 0, rounded & 127)
    return torch.where(zero, 0, bits.clamp(max=127 << 7))


def quantize(state: Tensor, absmax: int, config: QuantizeConfig) -> Tensor:
    """Codes of states, as :class:`consilico.hw.training.blockwise_quantize.BlockwiseQuantize`.

    The code is the nearest to the normalised state; of two equally near, that nearer to zero.

    Args:
        state: bf16 bit patterns, int64, any shape.
        absmax: bf16 bit pattern of the greatest magnitude of the block; 0: all codes are that
            of zero.
        config: The unit.

    Returns:
        int64 in [0, 255], same shape.
    """
    bits = normalise(state, absmax)
    magnitude = (bits & 127 | 128) * 2.0 ** (bits >> 7).double() * 2.0**-134
    magnitude = torch.where(bits == 0, 0.0, magnitude)
    signed = torch.where(state >> 15 & 1 == 1, -magnitude, magnitude)
    return nearest_code(signed, signed=config.signed).long()


def book_bits(*, signed: bool) -> list[int]:
    """The code book in bf16: 256 bit patterns with sign, rounded to nearest even."""
    positive = magnitude_bits(signed=signed)
    negative = [bits | 0x8000 for bits in positive[-2:0:-1]] if signed else []
    return negative + positive


def dequantize(code: Tensor, absmax: int, config: DequantizeConfig) -> Tensor:
    """States of codes, as :class:`consilico.hw.training.blockwise_dequantize.BlockwiseDequantize`.

    Args:
        code: int64 in [0, 255], any shape.
        absmax: bf16 bit pattern of the block's absolute maximum, not negative.
        config: The unit.

    Returns:
        bf16 bit patterns, int64, same shape: table entry times ``absmax``, rounded to nearest even;
        zero has no sign.
    """
    entry = torch.tensor(book_bits(signed=config.signed))[code]
    magnitude = bfloat16.multiply(entry & 0x7FFF, torch.full_like(code, absmax)).bits
    return torch.where(magnitude == 0, 0, magnitude | entry & 0x8000)
