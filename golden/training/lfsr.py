"""Random words of several lanes from one Galois shift register, bit for bit those of the hardware.

The state is an element of GF(2 ** 32) and is multiplied by ``x ** leap`` a beat. Its two halves
give ``u`` and ``v``, elements of GF(2 ** random_bits); lane 0 takes ``u`` and lane ``n`` takes
``u + v x ** (n - 1)``. As the multipliers differ, any two lanes of a beat are independent and
uniform over a period (but for the state 0, which does not occur): A. Joffe, Annals of Probability
2 (1974) 161-162.
"""

from functools import cache

import torch
from torch import Tensor

from consilico.golden.training.config import RandomConfig
from consilico.golden.training.polynomials import STATE_BITS, TAPS, leap

__all__ = ["random_words", "seeded", "states", "step"]

_BYTES = STATE_BITS // 8


def seeded(seed: int) -> int:
    """State that a seed of 31 bits gives; never 0, which the register would not leave.

    Raises:
        ValueError: If the seed has more bits.
    """
    if not 0 <= seed < 1 << (STATE_BITS - 1):
        raise ValueError(f"seed must be in [0, 2 ** {STATE_BITS - 1}), not {seed}")
    return seed << 1 | 1


def step(state: Tensor, degree: int) -> Tensor:
    """Product of elements of GF(2 ** degree) and x; int64, any shape."""
    feedback = sum(1 << tap for tap in TAPS[degree]) | 1
    carry = state >> (degree - 1)
    return (state << 1 & (1 << degree) - 1) ^ carry * feedback


@cache
def _power(leaps: int, size: int) -> Tensor:
    """What each value of each byte of a state becomes in ``leaps`` leaps, shape (4, 256)."""
    if leaps == 1:
        table = torch.arange(256) << 8 * torch.arange(_BYTES)[:, None]
        for _ in range(size):
            table = step(table, STATE_BITS)
        return table
    half = _power(leaps // 2, size)
    return _apply(half, half)


def _apply(power: Tensor, state: Tensor) -> Tensor:
    result = power[0][state & 255]
    for byte in range(1, _BYTES):
        result ^= power[byte][state >> 8 * byte & 255]
    return result


def states(state: int, beats: int, random_bits: int) -> Tensor:
    """States of successive beats and the one after the last, int64, shape ``(beats + 1,)``."""
    found = torch.tensor([state])
    leaps = 1
    while leaps <= beats:
        found = torch.cat([found, _apply(_power(leaps, leap(random_bits)), found)])
        leaps *= 2
    return found[: beats + 1]


def random_words(state: int, beats: int, config: RandomConfig) -> tuple[Tensor, int]:
    """Words of a sequence of beats, and the state they leave.

    Args:
        state: Of the generator at the first beat.
        beats: How many.
        config: The unit.

    Returns:
        int64 in ``[0, 2 ** random_bits)``, shape ``(beats, lanes)``; the state of the next beat.
    """
    each = states(state, beats, config.random_bits)
    kept = (1 << config.random_bits) - 1
    u = each[:-1] & kept
    v = each[:-1] >> STATE_BITS // 2 & kept
    words = [u]
    while len(words) < config.lanes:
        words.append(u ^ v)
        v = step(v, config.random_bits)
    return torch.stack(words, dim=1), int(each[-1])
