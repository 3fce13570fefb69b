"""Specify ``training/weight_update``, the INT8 weight update (arXiv 2407.08296, section 3.3).

A weight is ``w = scale * (code - zero)`` in its group. The new code is ``code + update * factor``,
rounded stochastically, where ``factor = -(learning rate) / scale`` is one bf16 constant per group.
The group keeps its scale and zero point: a new scale would need a pass over the whole group first
and would round all of its weights again, including those that hardly moved.

The update is bf16, as it comes out of the back projection. It spans many binades, so a fixed-point
input would have to be wider than bf16 and would leave the division by the scale to the host.
Unsigned codes (0 to 255) are signed ones with the highest bit inverted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consilico.golden.lazy import torch
from consilico.golden.training.lfsr import RandomConfig

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["WeightUpdateConfig", "weight_update"]

_GREATEST_EXPONENT = 7  # an update of 2 ** 8 or more saturates every code


@dataclass(frozen=True, kw_only=True)
class WeightUpdateConfig(RandomConfig):
    """Parameters of a unit that adds scaled bf16 updates to INT8 codes, rounding stochastically."""


def weight_update(
    code: Tensor, update: Tensor, random: Tensor, factor: int | Tensor, config: WeightUpdateConfig
) -> Tensor:
    """Compute the new codes of ``training/weight_update``, bit for bit.

    The exact product ``update * factor`` is rounded to the nearest multiple of ``2 **
    -random_bits``, half away from zero. The random word, as a fraction, is added to it and to the
    code; the sum is rounded down and saturated to INT8. Exponent 0 is zero, and exponent 255
    (infinity, NaN) counts as one more binade.

    Args:
        code: Signed INT8 codes, int64, shape ``(beats, lanes)``.
        update: bf16 bit patterns, int64, same shape.
        random: Words of those beats, :func:`consilico.golden.training.lfsr.random_words`, same
            shape. A beat moves the generator as it is accepted and uses the words it then has, so
            the first beat after a seed uses those one leap after the seeded state.
        factor: bf16 bit pattern: how many codes one unit of the update is worth. Where beats have
            factors of their own, int64 of shape ``(beats, 1)``.
        config: The unit.
    """
    product = (update & 127 | 128) * (factor & 127 | 128)  # 14 fraction bits, below 4
    exponent = (update >> 7 & 255) + (factor >> 7 & 255) - 254
    zero = (update & 0x7F80 == 0) | (factor & 0x7F80 == 0)
    drop = _GREATEST_EXPONENT - exponent
    # one bit below the multiples, the rest cut off; bits beyond the greatest exponent saturate
    width = config.random_bits + 10
    magnitude = (product << config.random_bits >> 6) >> drop.clamp(0, width)
    magnitude = torch.where(drop < 0, (1 << width) - 1, magnitude)
    magnitude = torch.where(zero, 0, magnitude)
    nearest = magnitude + 1 >> 1
    signed = torch.where((update ^ factor) >> 15 & 1 == 1, -nearest, nearest)
    total = (code << config.random_bits) + random + signed
    return (total >> config.random_bits).clamp(-128, 127)
