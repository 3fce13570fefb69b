"""Bit-exact model of stochastic rounding (Q-GaLore, arXiv 2407.08296, section 3.3)."""

import torch
from torch import Tensor

from consilico.golden.training.config import StochasticRoundConfig

__all__ = ["round_up_at_random", "stochastic_round"]


def round_up_at_random(value: Tensor, random: Tensor, fraction: int, random_bits: int) -> Tensor:
    """Integers whose mean over the random words is the value.

    The fraction is first taken to the nearest multiple of ``2 ** -random_bits`` (half of it up).
    That costs no adder: half such a multiple is a constant 1 below the random word.

    Args:
        value: Signed, int64, ``fraction`` fraction bits.
        random: Words of ``random_bits`` bits, same shape.
        fraction: Fraction bits of ``value``, at least ``random_bits``.
        random_bits: Bits of a word.
    """
    below = fraction - random_bits
    half = (1 << below) >> 1
    return (value + (random << below) + half) >> fraction


def stochastic_round(value: Tensor, random: Tensor, config: StochasticRoundConfig) -> Tensor:
    """Results of :class:`consilico.hw.training.stochastic_round.StochasticRound`.

    Args:
        value: Signed integers of ``width`` bits, int64, shape ``(beats, lanes)``.
        random: Words of those beats (:func:`golden.training.lfsr.random_words`), same shape.
        config: The unit.
    """
    rounded = round_up_at_random(value, random, config.fraction, config.random_bits)
    limit = 1 << (config.result_width - 1)
    return torch.clamp(rounded, -limit, limit - 1)
