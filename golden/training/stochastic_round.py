"""Specify ``training/stochastic_round`` (Q-GaLore, arXiv 2407.08296, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consilico.golden.config import integer
from consilico.golden.lazy import torch
from consilico.golden.training.lfsr import RandomConfig

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StochasticRoundConfig", "round_up_at_random", "stochastic_round"]


@dataclass(frozen=True, kw_only=True)
class StochasticRoundConfig(RandomConfig):
    """Parameters of a unit that rounds values up with the probability of their fraction.

    The fraction is first rounded to the nearest multiple of ``2 ** -random_bits``. A result that
    needs more than ``result_width`` bits saturates.
    """

    width: int = integer(26, 6, 48, "bits of a value, signed")
    fraction: int = integer(16, 4, 32, "fraction bits of a value, which rounding removes")
    result_width: int = integer(8, 2, 12, "bits of a result, signed; greater ones saturate")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.random_bits > self.fraction:
            raise ValueError(
                f"random_bits must be at most fraction = {self.fraction}, not {self.random_bits}"
            )
        if not self.result_width < self.width - self.fraction:
            raise ValueError(
                f"result_width must be below width - fraction = {self.width - self.fraction}, "
                f"so that there is something to saturate, not {self.result_width}"
            )


def round_up_at_random(value: Tensor, random: Tensor, fraction: int, random_bits: int) -> Tensor:
    """Return integers whose mean over all random words is the value.

    The fraction is first rounded to the nearest multiple of ``2 ** -random_bits``, half up. In
    hardware this needs no adder of its own: half such a multiple is a constant 1 below the random
    word.

    Args:
        value: Signed fixed-point values, int64.
        random: Words of ``random_bits`` bits, same shape.
        fraction: Fraction bits of ``value``, at least ``random_bits``.
        random_bits: Bits of a word.
    """
    below = fraction - random_bits
    half = (1 << below) >> 1
    return (value + (random << below) + half) >> fraction


def stochastic_round(value: Tensor, random: Tensor, config: StochasticRoundConfig) -> Tensor:
    """Compute the results of ``training/stochastic_round``, bit for bit.

    Args:
        value: Signed integers of ``width`` bits, int64, shape ``(beats, lanes)``.
        random: Words of those beats, :func:`consilico.golden.training.lfsr.random_words`, same
            shape.
        config: The unit.

    Returns:
        Integers of ``result_width`` bits, saturated, int64, same shape.
    """
    rounded = round_up_at_random(value, random, config.fraction, config.random_bits)
    limit = 1 << (config.result_width - 1)
    return torch.clamp(rounded, -limit, limit - 1)
