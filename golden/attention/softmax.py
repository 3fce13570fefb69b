"""Specify ``softmax``: exact softmax within 1 unit in the last place of bf16, without a division.

A row's scores become exponents of 2, ``u = k * s``. Pass 1 adds up ``2 ** (u - m)``, with the
integer part of the greatest ``u`` so far as ``m``, so that rescaling the sum is a shift. Pass 2
gives each score ``2 ** (u - log2(sum))``: neither a divider nor a multiplier of fractions is
needed. The widths are the least for which the errors of all roundings add up to less than 1 unit in
the last place for every row; a row of one score gives exactly 1. Powers of two may be those of VEXP
instead (arXiv 2504.11227), which are off by up to 0.9 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from consilico.golden.attention.rows import RowConfig, running_sum
from consilico.golden.config import choice
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = [
    "ADDRESS",
    "FRACTION",
    "GUARD_BITS",
    "K_FRACTION",
    "LEAST",
    "LOG_ADDRESS",
    "POWER_ADDRESS",
    "POWER_FRACTION",
    "STEP_BITS",
    "Segments",
    "SoftmaxConfig",
    "log_segments",
    "mantissa_table",
    "power_segments",
    "softmax",
    "softmax_constant",
    "vexp_mantissa",
]

K_FRACTION: Final = 17  # fraction bits of k, as consmax/log2 has them
FRACTION: Final = 12  # fraction bits of u and of all other binary logarithms
ADDRESS: Final = 9  # of them, those that address the table of mantissas
POWER_ADDRESS: Final = 10  # of them, those that a power is computed from
POWER_FRACTION: Final = 11  # fraction bits of a power
LOG_ADDRESS: Final = 11  # bits below the leading one of the sum, whose logarithm is taken
STEP_BITS: Final = 6  # bits within a linear segment of a function
GUARD_BITS: Final = 4  # fraction bits of a segment's constants beyond those of the function
LEAST: Final = -128  # integer part of the least exponent, where the running maximum begins

_BIAS = 127  # of the exponents of bf16


@dataclass(frozen=True, kw_only=True)
class SoftmaxConfig(RowConfig):
    """Configuration of ``softmax``: lanes, the longest row, its buffer and the form of results."""

    exponential: str = choice(
        "exact", ("exact", "vexp"), "powers of 2: within the bound of the error, or those of VEXP"
    )

    @property
    def result_width(self) -> int:
        """Return the number of bits of a bf16 result, whose sign is always 0."""
        return 16

    @property
    def sum_fraction(self) -> int:
        """Return the fraction bits of the sum: what a row truncates stays below 2 ** -12."""
        return max(20, 12 + (self.row - 1).bit_length())

    @property
    def sum_width(self) -> int:
        """Return the number of bits of the sum, which is below twice the scores of a row."""
        return self.sum_fraction + 1 + (self.row - 1).bit_length()


def mantissa_table() -> list[int]:
    """Return the nearest 7-bit mantissas of ``2 ** f`` for 512 steps of ``f``; 128 is a carry.

    An entry is that of the middle of the 8 values that ``f`` has in a step with 12 fraction bits.
    """
    values = 1 << FRACTION - ADDRESS
    return [
        round(128 * 2 ** ((step * values + (values - 1) / 2) / (1 << FRACTION))) - 128
        for step in range(1 << ADDRESS)
    ]


def vexp_mantissa(fraction: int) -> int:
    """Return the 7-bit mantissa that VEXP has for ``2 ** (fraction / 128)``.

    Two parabolas, as its authors' model has them (belanoa/ez_expu, ``golden-model/golden.py``):
    arXiv 2504.11227 states their coefficients as reals.

    Args:
        fraction: 7 bits.
    """
    if fraction < 64:
        return 8 * fraction * (fraction + 363) >> 12
    return 127 - (7 * (255 - 2 * fraction) * (fraction + 278) >> 12)


@dataclass(frozen=True, kw_only=True)
class Segments:
    """A function from 0 to 1 as linear segments, whose constants have 4 bits more than its values.

    A slope is that between the ends of its segment. A base makes the greatest and the least error,
    taken at the middles of the steps of a segment, equal.
    """

    bases: tuple[int, ...]  # of each segment
    slopes: tuple[int, ...]

    @classmethod
    def of(cls, function: Callable[[float], float], fraction: int, address: int) -> Segments:
        """Return the segments of a function.

        Args:
            function: The function.
            fraction: Fraction bits of its values.
            address: Bits of what it is taken of; the lowest 6 are those within a segment.
        """
        segments, steps = 1 << address - STEP_BITS, 1 << STEP_BITS
        unit = 1 << fraction + GUARD_BITS
        bases, slopes = [], []
        for segment in range(segments):
            rise = function((segment + 1) / segments) - function(segment / segments)
            slope = round(unit * rise / steps)
            rests = [
                unit * function((segment * steps + step + 0.5) / (segments * steps)) - slope * step
                for step in range(steps)
            ]
            bases.append(round((min(rests) + max(rests)) / 2))
            slopes.append(slope)
        return cls(bases=tuple(bases), slopes=tuple(slopes))

    def at(self, address: Tensor) -> Tensor:
        """Return the values of the function, rounded half up.

        Args:
            address: What it is taken of, int64, any shape.
        """
        segment, step = address >> STEP_BITS, address & (1 << STEP_BITS) - 1
        guarded = torch.tensor(self.bases)[segment] + torch.tensor(self.slopes)[segment] * step
        return (guarded + (1 << GUARD_BITS - 1)) >> GUARD_BITS


@cache
def power_segments() -> Segments:
    """Return ``2 ** f`` for ``f`` with 10 bits, with 11 fraction bits."""
    return Segments.of(lambda f: 2.0**f, POWER_FRACTION, POWER_ADDRESS)


@cache
def log_segments() -> Segments:
    """Return ``log2(1 + t)`` for ``t`` with 11 bits, with 12 fraction bits."""
    return Segments.of(lambda t: math.log2(1 + t), FRACTION, LOG_ADDRESS)


def softmax_constant(scale: float) -> int:
    """Return ``k = scale * log2(e)``, rounded to 17 fraction bits.

    Args:
        scale: Natural units per code.

    Raises:
        ValueError: If the scale does not fit; the message says what would.
    """
    k = round(scale / math.log(2) * 2**K_FRACTION)
    if not 0 < k < 1 << K_FRACTION:
        raise ValueError(
            f"scale must be above 2 ** -{K_FRACTION + 1} and below {math.log(2):.4f} a code, "
            f"not {scale:g}"
        )
    return k


def softmax(score: Tensor, mask: Tensor, k: int | Tensor, config: SoftmaxConfig) -> Tensor:
    """Compute results as ``softmax`` does, bit for bit.

    Args:
        score: INT8 codes, int64, shape ``(rows, beats, lanes)``. The order of scores and the
            division into beats count, though within the bound of the error.
        mask: Bool, same shape; True: the score takes no part, and its result is 0. A row that is
            shorter than others is filled up with masked beats.
        k: ``scale * log2(e)`` with 17 fraction bits, or that of each row, shape ``(rows, 1, 1)``.
        config: The unit, whose ``row`` decides how exact the sum is.

    Returns:
        bf16 bit patterns, int64, same shape; 0 where a result is below the least normal number.
    """
    index = score + _CODES // 2  # of a code among all
    # a row that is longer than there are codes is worked out by looking each of them up
    looks_up = isinstance(k, int) and score.shape[1] * score.shape[2] > _CODES
    code = torch.arange(_CODES) - _CODES // 2 if looks_up else score
    exponent, power = _powers(code * k, config)
    whole = exponent >> FRACTION
    if looks_up:
        whole, power = whole[index], power[index]

    def added(beat: int, excess: Tensor) -> Tensor:
        shifted = power[:, beat] >> excess.clamp(max=62)
        return torch.where(mask[:, beat], 0, shifted).sum(dim=1)

    greatest, total = running_sum(
        torch.where(mask, LEAST, whole),
        LEAST,
        added,
        lambda total, growth, added: (total >> growth.clamp(max=62)) + added,
    )
    place = torch.frexp(total.double()).exponent.long().clamp(min=1) - 1  # of the leading one
    fraction = (total << LOG_ADDRESS >> place) & (1 << LOG_ADDRESS) - 1
    log_total = (place - config.sum_fraction + greatest << FRACTION) + log_segments().at(fraction)
    log_result = exponent + ((_BIAS << FRACTION) - log_total)[:, None, None]
    mantissa = _mantissas(config)[log_result & (1 << FRACTION) - 1]
    bits = (log_result >> FRACTION << 7) + mantissa
    bits = torch.where((total == 0)[:, None, None] | (bits < 1 << 7), 0, bits)
    if looks_up:
        bits = bits.flatten(1).gather(1, index.flatten(1)).reshape(score.shape)
    return torch.where(mask, 0, bits)


_CODES = 256  # of a score


def _powers(product: Tensor, config: SoftmaxConfig) -> tuple[Tensor, Tensor]:
    """Return the exponents that products of codes and ``k`` stand for, and 2 to their fractions.

    Args:
        product: 17 fraction bits, int64, any shape.
        config: The unit, as whose sum a power has fraction bits.
    """
    exponent = product >> (K_FRACTION - FRACTION)
    address = (exponent >> FRACTION - POWER_ADDRESS) & (1 << POWER_ADDRESS) - 1
    if config.exponential == "vexp":
        mantissas = torch.tensor([vexp_mantissa(each) for each in range(128)])
        power = 128 + mantissas[address >> POWER_ADDRESS - 7] << POWER_FRACTION - 7
    else:
        power = power_segments().at(address)
    return exponent, power << config.sum_fraction - POWER_FRACTION


@cache
def _mantissas(config: SoftmaxConfig) -> Tensor:
    """Return the mantissa of a result for each fraction of its logarithm, int64, shape (4096,)."""
    table = (
        [vexp_mantissa(each) for each in range(128)]
        if config.exponential == "vexp"
        else mantissa_table()
    )
    return torch.tensor(table).repeat_interleave((1 << FRACTION) // len(table))
