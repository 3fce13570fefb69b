"""Model bf16 arithmetic on bit patterns in integer tensors.

Working on bit patterns instead of floating-point tensors means that no rounding of the host's own
arithmetic can hide in a comparison: equal means equal. All functions treat exponent 0 as zero
(subnormal numbers are flushed) and saturate an exponent above 254 at :data:`MAX`, the greatest
finite number. Numbers are non-negative unless a function says otherwise.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MAX", "Rounded", "decode", "encode", "from_integer", "multiply", "to_fixed"]

MAX = 0x7F7F  # greatest finite bf16

_BIAS = 127


class Rounded(NamedTuple):
    """Bit patterns with what happened to each."""

    bits: Tensor  # int64
    underflow: Tensor  # bool: flushed to zero
    overflow: Tensor  # bool: saturated


def encode(value: Fraction) -> int:
    """Correctly rounded bf16 (nearest, ties to even) of an exact non-negative number."""
    if value < 0:
        raise ValueError(f"value must not be negative, not {float(value)}")
    if value == 0:
        return 0
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if Fraction(2) ** exponent > value:
        exponent -= 1
    significand = round(value / Fraction(2) ** (exponent - 7))  # Fraction rounds half to even
    if significand == 256:
        significand, exponent = 128, exponent + 1
    if exponent + _BIAS < 1:
        return 0
    if exponent + _BIAS > 254:
        return MAX
    return (exponent + _BIAS) << 7 | (significand - 128)


def decode(bits: int) -> Fraction:
    """Exact value of a non-negative finite bit pattern (exponent 0 is zero)."""
    exponent = bits >> 7
    return (
        Fraction(128 + (bits & 127)) * Fraction(2) ** (exponent - _BIAS - 7)
        if exponent
        else 0 * Fraction(1)
    )


def multiply(a: Tensor, b: Tensor, *, truncate: bool = False) -> Rounded:
    """Rounded of non-negative bf16 bit patterns, rounded to nearest even.

    Args:
        a: Bit patterns, int64, any shape.
        b: Bit patterns, int64, broadcastable to ``a``.
        truncate: Drop the low bits instead of rounding (the paper's unit).
    """
    ones = torch.ones_like(a)
    product = ((a & 127) | 128) * ((b & 127) | 128)  # [2 ** 14, 2 ** 16)
    high = product >> 15
    shift = 7 + high
    significand = product >> shift
    if not truncate:
        rest = product & ((ones << shift) - 1)
        half = ones << (shift - 1)
        significand += (rest > half) | ((rest == half) & (significand & 1 == 1))
    carry = significand >> 8
    exponent = (a >> 7) + (b >> 7) - _BIAS + high + carry
    zero = (a >> 7 == 0) | (b >> 7 == 0) | (exponent < 1)
    over = ~zero & (exponent > 254)
    mantissa = torch.where(carry == 1, 0, significand & 127)
    bits = torch.where(zero, 0, torch.where(over, MAX, exponent << 7 | mantissa))
    return Rounded(bits, zero, over)


def to_fixed(bits: Tensor, width: int, fraction: int) -> Rounded:
    """Unsigned fixed point of non-negative bf16 bit patterns: round half up, saturate.

    Args:
        bits: Bit patterns, int64, any shape.
        width: Bits of the result.
        fraction: Fraction bits of the result; the result stands for ``bits / 2 ** fraction``.
    """
    significand = torch.where(bits >> 7 == 0, 0, (bits & 127) | 128)
    # one guard bit is kept below the result; right shift of the significand moved to the top
    shift = _BIAS + 7 - fraction + width - 1 - (bits >> 7)
    guarded = (significand << width) >> shift.clamp(0, width + 8)
    rounded = (guarded + 1) >> 1
    top = (1 << width) - 1
    over = (significand != 0) & ((shift < 0) | (rounded > top))
    result = torch.where(over, top, rounded)
    return Rounded(result, result == 0, over)


def from_integer(value: Tensor, exponent: int) -> tuple[Tensor, Tensor]:
    """Signed integers times ``2 ** (exponent - 134)``, rounded to nearest, ties to even.

    Args:
        value: int64, magnitude below ``2 ** 32``.
        exponent: Biased exponent of a bf16 number whose significand counts in units of ``value``.

    Returns:
        Bit patterns with sign, int64, zero never negative; bool, saturated.
    """
    magnitude = value.abs()
    top = torch.frexp(magnitude.double()).exponent.long().clamp(min=1) - 1  # of the highest bit
    guarded = magnitude << (40 - top)  # the significand's 8 bits lie above bit 33
    significand = guarded >> 33
    rest, half = guarded & ((1 << 33) - 1), 1 << 32
    significand += (rest > half) | ((rest == half) & (significand & 1 == 1))
    biased = exponent + top - 7 + (significand >> 8)
    zero = (magnitude == 0) | (biased < 1)
    over = ~zero & (biased > 254)
    mantissa = torch.where(significand >> 8 == 1, 0, significand & 127)
    bits = torch.where(zero, 0, torch.where(over, MAX, biased << 7 | mantissa))
    return torch.where(~zero & (value < 0), bits | 1 << 15, bits), over
