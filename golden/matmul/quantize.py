"""Specify ``matmul/quantize``: groups of bf16 values to INT8 or INT4 codes with a shared scale.

For every group, whatever its values (the least normal number is ``2 ** -126``)::

    scale = least normal bf16 number that is not below range / qmax
    zero  = round(-least / scale)                       (absmax: 0)
    code  = min(round(x / scale) + zero, qmax)          (rounded half away from zero)

so that ``|x - scale * (code - zero)| <= scale / 2`` holds without exception. In mode ``absmax`` the
range is the greatest magnitude. In mode ``minmax`` it is ``greatest - least`` rounded up to bf16,
where 0 counts as one of the group's values: a group on one side of zero has its other end at zero,
which keeps the zero point a valid code and represents zero exactly (Jacob et al., arXiv 1712.05877,
section 2.1).

Subnormal inputs count as zero. A group of zeros has the scale ``2 ** -126``. Exponent 255 is read
like any other: an infinity is ``2 ** 128``, a NaN ``2 ** 128`` times its significand. Such a group
is flagged, and its finite values mostly become zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from consilico.golden.config import Config, choice
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "QuantizeConfig",
    "QuantizeResult",
    "quantize",
    "reciprocal",
    "scale_significand",
    "sum_up",
]

_LEAST_BEATS = 8  # least beats of a group: more than pass while its scale is computed

# Fraction bits of the reciprocal by bits of a magnitude: the fewest with which no quotient is
# rounded wrongly (tests/golden/matmul/test_quantize.py tries all of them)
_RECIPROCAL_FRACTION = {3: 19, 4: 21, 7: 24, 8: 25}


@dataclass(frozen=True, kw_only=True)
class QuantizeConfig(Config):
    """Parameters of a unit that turns groups of bf16 values into codes with a shared scale.

    ``mode="absmax"`` gives signed codes from ``-qmax`` to ``qmax``. ``mode="minmax"`` gives
    unsigned codes from 0 to ``qmax`` and a zero point, which is one of them. ``qmax`` is ``2 **
    magnitude_width - 1``.
    """

    lanes: int = choice(4, (1, 2, 4, 8, 16, 32), "values per cycle")
    group: int = choice(128, (32, 64, 128, 256), "values that share a scale")
    result: str = choice("int8", ("int8", "int4"), "form of a code")
    mode: str = choice("absmax", ("absmax", "minmax"), "symmetric, or with a zero point")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beats < _LEAST_BEATS:
            raise ValueError(
                f"lanes must be at most group / {_LEAST_BEATS} = {self.group // _LEAST_BEATS}, "
                f"not {self.lanes}"
            )

    @property
    def result_width(self) -> int:
        """Return the number of bits of a code."""
        return int(self.result[-1])

    @property
    def magnitude_width(self) -> int:
        """Return the number of bits of the greatest code, ``qmax``."""
        return self.result_width - (self.mode == "absmax")

    @property
    def beats(self) -> int:
        """Return the number of beats in a group."""
        return self.group // self.lanes

    @property
    def reciprocal_fraction(self) -> int:
        """Return the number of fraction bits of a significand's :func:`reciprocal`."""
        return _RECIPROCAL_FRACTION[self.magnitude_width]

    @property
    def least_range(self) -> int:
        """Return the bf16 pattern of ``qmax * 2 ** -126``.

        A group with a smaller range gets the least normal scale, too.
        """
        width = self.magnitude_width
        return width << 7 | ((1 << width) - 1) << (8 - width) & 127


def scale_significand(significand: int, width: int) -> tuple[int, int]:
    """Return the significand of a group's scale, given that of its range.

    It is the significand of ``significand * 2 ** width / (2 ** width - 1)``, rounded up to 8 bits.

    Args:
        significand: Significand of a range, 128 to 255.
        width: Number of bits of the greatest code.

    Returns:
        The significand, 128 to 255, and what it adds to the exponent, 0 or 1.
    """
    quotient = -(-(significand << width) // ((1 << width) - 1))
    return (quotient, 0) if quotient < 256 else ((quotient + 1) >> 1, 1)


def reciprocal(significand: int, fraction: int) -> int:
    """Return ``2 ** fraction / significand``, rounded up.

    As it is rounded up, its product with a dividend is never below a tie that the exact quotient
    reaches (Granlund and Montgomery, Division by invariant integers using multiplication, PLDI
    1994).
    """
    return -(-(1 << fraction) // significand)


class QuantizeResult(NamedTuple):
    """Codes of a sequence of groups, and what each group shares."""

    code: Tensor  # int64, shape (groups, group)
    scale: Tensor  # int64 bf16 patterns, shape (groups,)
    zero_point: Tensor  # int64, shape (groups,); 0 in mode absmax
    nonfinite: Tensor  # bool, shape (groups,): the group holds an infinity or a NaN


def quantize(x: Tensor, config: QuantizeConfig) -> QuantizeResult:
    """Quantize groups of bf16 values, as the module's description specifies.

    Args:
        x: bf16 bit patterns, int64, shape ``(groups, group)``.
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
    """Add two bf16 magnitudes, rounding up.

    Args:
        a: Magnitudes of 15 bits without subnormals, int64, any shape.
        b: Likewise, same shape.

    Returns:
        Magnitudes, same shape; the exponent may be 256.
    """
    great, small = torch.maximum(a, b), torch.minimum(a, b)
    places = ((great >> 7) - (small >> 7)).clamp(max=8)
    total = _significand(great) - (-_significand(small) >> places)  # floor of the negative: ceiling
    carry = total >> 8
    return ((great >> 7) + carry) << 7 | ((total + carry) >> carry) & 127


def _significand(magnitude: Tensor) -> Tensor:
    """Return the 8-bit significand of a bf16 magnitude, 0 for exponent 0."""
    return torch.where(magnitude >> 7 == 0, 0, magnitude & 127 | 128)


def _quotient(magnitude: Tensor, significand: Tensor, exponent: Tensor) -> Tensor:
    """Return ``magnitude / scale`` rounded to the nearest integer, ties up."""
    places = ((magnitude >> 7) - exponent).clamp(min=-2)  # a quotient below 2 ** -1 is 0 anyway
    dividend = _significand(magnitude) << (places + 2)
    return (2 * dividend + 4 * significand) // (8 * significand)
