"""Bit-exact model of the INT8 weight update (Q-GaLore, arXiv 2407.08296, section 3.3).

A weight is ``w = scale * (code - zero)`` in its group. The new code is ``code + update * factor``,
rounded stochastically, where ``factor = -(learning rate) / scale`` is one bf16 constant a group.
The group keeps its scale and zero point: a new scale would need a pass over the whole group first
and would round all its weights again, those that hardly moved too.

The update is bf16, as it comes from the back projection: it spans many binades, so that a
fixed-point input would have to be wider than this one, and the division by the scale would be left
to somebody else. Unsigned codes (0 to 255) are signed ones with the highest bit inverted.
"""

from torch import Tensor, where

from consilico.golden.training.config import WeightUpdateConfig
from consilico.golden.training.lfsr import seeded, states

__all__ = ["first_state", "weight_update"]

_GREATEST_EXPONENT = 7  # an update of 2 ** 8 or more saturates every code


def first_state(seed: int, config: WeightUpdateConfig) -> int:
    """State that gives the first words after a seed: a beat moves the generator as it comes.

    Raises:
        ValueError: If the seed has more than 31 bits.
    """
    return int(states(seeded(seed), 1, config.random_bits)[1])


def weight_update(
    code: Tensor, update: Tensor, random: Tensor, factor: int, config: WeightUpdateConfig
) -> Tensor:
    """New codes, bit for bit those of :class:`consilico.hw.training.weight_update.WeightUpdate`.

    The product is taken to the nearest multiple of ``2 ** -random_bits`` (half of it away from
    zero) and is exact before. Exponent 0 is zero; 255, which stands for infinite and NaN, counts
    as one more binade.

    Args:
        code: Signed INT8 codes, int64, shape ``(beats, lanes)``.
        update: bf16 bit patterns, int64, same shape.
        random: Words of those beats (:func:`golden.training.lfsr.random_words`), same shape.
        factor: bf16 bit pattern: what a unit of the update is worth in codes.
        config: The unit.
    """
    product = (update & 127 | 128) * (factor & 127 | 128)  # 14 fraction bits, below 4
    exponent = (update >> 7 & 255) + (factor >> 7 & 255) - 254
    zero = (update & 0x7F80 == 0) | (factor & 0x7F80 == 0)
    drop = _GREATEST_EXPONENT - exponent
    # one bit below the multiples, the rest cut off; bits beyond the greatest exponent saturate
    width = config.random_bits + 10
    magnitude = (product << config.random_bits >> 6) >> drop.clamp(0, width)
    magnitude = where(drop < 0, (1 << width) - 1, magnitude)
    magnitude = where(zero, 0, magnitude)
    nearest = magnitude + 1 >> 1
    signed = where((update ^ factor) >> 15 & 1 == 1, -nearest, nearest)
    total = (code << config.random_bits) + random + signed
    return (total >> config.random_bits).clamp(-128, 127)
