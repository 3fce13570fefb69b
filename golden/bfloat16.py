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
    """Results of a rounding operation, with what happened to each of them."""

    bits: Tensor  # int64
    underflow: Tensor  # bool: flushed to zero
    overflow: Tensor  # bool: saturated


def encode(value: Fraction) -> int:
    """Return the bf16 bit pattern nearest to an exact non-negative number, ties to even.

    Raises:
        ValueError: If ``value`` is negative.
    """
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
    """Return the exact value of a non-negative finite bit pattern (exponent 0 is zero)."""
    exponent = bits >> 7
    return (
        Fraction(128 + (bits & 127)) * Fraction(2) ** (exponent - _BIAS - 7)
        if exponent
        else 0 * Fraction(1)
    )


def multiply(a: Tensor, b: Tensor, *, truncate: bool = False) -> Rounded:
    """Multiply non-negative bf16 numbers, rounding to nearest even.

    Args:
        a: Bit patterns, int64, any shape.
        b: Bit patterns, int64, broadcastable to ``a``.
        truncate: Drop the low bits instead of rounding, as the unit of the ConSmax paper does.

    Returns:
        Products of the broadcast shape. A product below the least normal number becomes 0 and is
        flagged as underflow (so is a product with zero); one above :data:`MAX` becomes :data:`MAX`
        and is flagged as overflow.
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
    """Convert non-negative bf16 numbers to unsigned fixed point, rounding half up and saturating.

    Args:
        bits: Bit patterns, int64, any shape.
        width: Bits of a result.
        fraction: Fraction bits of a result, which stands for ``result / 2 ** fraction``.

    Returns:
        Integers below ``2 ** width``, same shape; ``underflow`` marks results of 0, ``overflow``
        those that were saturated.
    """
    significand = torch.where(bits >> 7 == 0, 0, (bits & 127) | 128)
    # The significand is moved to the top and shifted right, with one guard bit below the result.
    shift = _BIAS + 7 - fraction + width - 1 - (bits >> 7)
    guarded = (significand << width) >> shift.clamp(0, width + 8)
    rounded = (guarded + 1) >> 1
    top = (1 << width) - 1
    over = (significand != 0) & ((shift < 0) | (rounded > top))
    result = torch.where(over, top, rounded)
    return Rounded(result, result == 0, over)


def from_integer(value: Tensor, exponent: int | Tensor) -> tuple[Tensor, Tensor]:
    """Convert signed integers times ``2 ** (exponent - 134)`` to bf16, rounding to nearest even.

    The bias of bf16 is 127 and its significand has 7 fraction bits, so 1 in ``value`` counts as
    much as the lowest significand bit of a bf16 number with this exponent.

    Args:
        value: int64, magnitude below ``2 ** 32``, any shape.
        exponent: Biased bf16 exponent, or int64 of the same shape.

    Returns:
        A pair of tensors of the same shape: int64 bit patterns with sign, where zero never has one;
        and bool, whether the magnitude was saturated at :data:`MAX`.
    """
    magnitude = value.abs()
    top = (
        torch.frexp(magnitude.double()).exponent.long().clamp(min=1) - 1
    )  # place of the highest bit
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
