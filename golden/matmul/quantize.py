"""Bit-exact model of the group quantiser: bf16 to INT8 or INT4, by exact integer division.

For every group, whatever its values (the least normal number is ``2 ** -126``)::

    scale = least normal bf16 number that is not below range / qmax
    zero  = round(-least / scale)                       (absmax: 0)
    code  = min(round(x / scale) + zero, qmax)          (rounded half away from zero)

so that ``|x - scale * (code - zero)| <= scale / 2`` holds without exception. In mode absmax the
range is the greatest magnitude. In mode minmax it is ``greatest - least`` rounded up to bf16, where
0 counts as one of the group's values: a group on one side of zero has its other end there, which
keeps the zero point a code and zero exact (Jacob et al., arXiv 1712.05877, section 2.1).

Subnormal inputs are zeros. A group of zeros has the scale ``2 ** -126``. The exponent 255 is read
like any other: an infinity is ``2 ** 128``, a NaN ``2 ** 128`` times its significand. Such a group
is flagged, and its finite values mostly become zero.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from consilico.golden.matmul.quantize_config import QuantizeConfig, scale_significand

__all__ = ["QuantizeResult", "quantize", "sum_up"]


class QuantizeResult(NamedTuple):
    """Codes, and what each group shares."""

    code: Tensor  # int64, shape (groups, group)
    scale: Tensor  # int64 bf16 patterns, shape (groups,)
    zero_point: Tensor  # int64, shape (groups,); 0 in mode absmax
    nonfinite: Tensor  # bool, shape (groups,): the group holds an infinity or a NaN


def quantize(x: Tensor, config: QuantizeConfig) -> QuantizeResult:
    """Quantise groups.

    Args:
        x: int64 bf16 patterns, shape ``(groups, group)``.
        config: The unit.
    """
    negative = x >> 15 == 1
    magnitude = x & 0x7FFF
    magnitude = torch.where(magnitude >> 7 == 0, 0, magnitude)
    low = torch.where(negative, magnitude, 0).amax(dim=1)
    high = torch.where(negative, 0, magnitude).amax(dim=1)
    absmax = config.mode == "absmax"
    spread = torch.maximum(high, low) if absmax else sum_up(high, low)
    spread = spread.clamp(min=config.least_range)

    table = [scale_significand(value, config.magnitude_width) for value in range(128, 256)]
    significand, carry = torch.tensor(table)[spread & 127].unbind(dim=1)
    exponent = (spread >> 7) - config.magnitude_width + carry
    quotient = _quotient(magnitude, significand[:, None], exponent[:, None])
    signed = torch.where(negative, -quotient, quotient)
    zero = torch.zeros_like(low) if absmax else _quotient(low, significand, exponent)
    code = (signed + zero[:, None]).clamp(max=(1 << config.magnitude_width) - 1)
    nonfinite = torch.maximum(high, low) >> 7 == 255
    return QuantizeResult(code, exponent << 7 | (significand - 128), zero, nonfinite)


def sum_up(a: Tensor, b: Tensor) -> Tensor:
    """Sum of two magnitudes (15 bits, no subnormals), rounded up; its exponent may be 256."""
    great, small = torch.maximum(a, b), torch.minimum(a, b)
    places = ((great >> 7) - (small >> 7)).clamp(max=8)
    total = _significand(great) - (-_significand(small) >> places)  # floor of the negative: ceiling
    carry = total >> 8
    return ((great >> 7) + carry) << 7 | ((total + carry) >> carry) & 127


def _significand(magnitude: Tensor) -> Tensor:
    return torch.where(magnitude >> 7 == 0, 0, magnitude & 127 | 128)


def _quotient(magnitude: Tensor, significand: Tensor, exponent: Tensor) -> Tensor:
    """``magnitude / scale``, rounded to nearest, ties up."""
    places = ((magnitude >> 7) - exponent).clamp(min=-2)  # a quotient below 2 ** -1 is 0 anyway
    dividend = _significand(magnitude) << (places + 2)
    return (2 * dividend + 4 * significand) // (8 * significand)
