"""Specify ``matmul/requant``: INT32 sums to INT8 or INT4 codes, one scale per channel."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from consilico.golden.config import Config, choice, integer
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "SHIFT_WIDTH",
    "ChannelScale",
    "RequantConfig",
    "RequantResult",
    "channel_scale",
    "requant",
]

SHIFT_WIDTH = 6  # bits of a shift: the widest product has 63 bits, beyond which all rounds to 0


@dataclass(frozen=True, kw_only=True)
class RequantConfig(Config):
    """Parameters of ``saturate(round(x * multiplier / 2 ** shift) + zero_point)``.

    ``x`` are INT32 sums. Every lane is an output channel with its own multiplier and shift. A
    normalized multiplier of 16 bits comes within a relative ``2 ** -16`` of any scale, which is
    1/500 of an INT8 step at full range.
    """

    lanes: int = integer(4, 1, 256, "results per cycle, one output channel each")
    result: str = choice("int8", ("int8", "int4"), "form of a result, signed")
    rounding: str = choice(
        "half_away", ("half_away", "half_even"), "ties go away from 0, or to even"
    )
    zero_point: bool = choice(False, (False, True), "add a zero point, the same for all lanes")
    multiplier_width: int = integer(16, 4, 32, "bits of a multiplier, unsigned")

    @property
    def result_width(self) -> int:
        """Return the number of bits of a result."""
        return int(self.result[-1])


class ChannelScale(NamedTuple):
    """Constants of one channel, which stand for the scale ``multiplier / 2 ** shift``."""

    multiplier: int
    shift: int


class RequantResult(NamedTuple):
    """Results of a sequence of beats."""

    code: Tensor  # int64, shape (beats, lanes), signed
    saturated: Tensor  # bool, shape (beats,): a result of the beat was out of range


def channel_scale(scale: Fraction, config: RequantConfig) -> ChannelScale:
    """Return the constants nearest to a positive scale, using all bits of the multiplier.

    The real multiplier of a layer is split in this way by Jacob et al. (arXiv 1712.05877, section
    2.2).

    Args:
        scale: The exact scale.
        config: The unit.

    Raises:
        ValueError: If no shift represents the scale; the message says what would fit.
    """
    top = 1 << config.multiplier_width
    least = Fraction(top, 2 << ((1 << SHIFT_WIDTH) - 1))
    if not least <= scale <= top - 1:
        raise ValueError(f"scale must be in [{float(least):g}, {top - 1}], not {float(scale):g}")
    shift = 0
    while round(scale * (2 << shift)) < top and shift + 1 < 1 << SHIFT_WIDTH:
        shift += 1
    return ChannelScale(round(scale * (1 << shift)), shift)


def requant(
    x: Tensor, multiplier: Tensor, shift: Tensor, zero_point: int | Tensor, config: RequantConfig
) -> RequantResult:
    """Return ``saturate(round(x * multiplier / 2 ** shift) + zero_point)``, rounded once, exactly.

    Args:
        x: INT32 values, int64, shape ``(beats, lanes)``.
        multiplier: Unsigned, ``multiplier_width`` bits, int64, shape ``(lanes,)``, or ``(beats,
            lanes)`` where every beat has constants of its own.
        shift: 0 to 63, int64, the same shape.
        zero_point: A result code, or int64 of shape ``(beats, 1)``; 0 without
            ``config.zero_point``.
        config: The unit.
    """
    magnitude = x.abs() * multiplier  # below 2 ** 63
    fraction = ~(-torch.ones_like(shift) << shift)  # mask of the bits that are shifted out
    half = (fraction >> 1) + 1
    whole, rest = magnitude >> shift, magnitude & fraction
    tie_up = torch.ones_like(whole) if config.rounding == "half_away" else whole & 1
    rounded = whole + ((rest > half) | ((rest == half) & (tie_up == 1)))
    exact = torch.where(x < 0, -rounded, rounded) + zero_point
    limit = 1 << (config.result_width - 1)
    code = exact.clamp(-limit, limit - 1)
    return RequantResult(code, (code != exact).any(dim=1))
