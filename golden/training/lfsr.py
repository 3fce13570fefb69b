"""Model the random words of all lanes, which one Galois shift register generates.

The state is an element of GF(2 ** 32) and is multiplied by ``x ** leap`` once per beat. Its two
halves give ``u`` and ``v``, elements of GF(2 ** random_bits). Lane 0 takes ``u`` and lane ``n``
takes ``u + v * x ** (n - 1)``. As the multipliers differ, the words of any two lanes in a beat are
independent and uniform over a period, except that the state 0 does not occur: A. Joffe, Annals of
Probability 2 (1974) 161-162.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from consilico.golden.config import Config, integer
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "STATE_BITS",
    "TAPS",
    "RandomConfig",
    "leap",
    "leapt",
    "random_words",
    "seeded",
    "states",
    "step",
    "words",
]

# Primitive polynomials over GF(2), which give Galois shift registers the greatest period. Degree:
# powers of x below it, other than 1, to which the carry out of the register is added. Source:
# P. Alfke, Xilinx application note XAPP 052 (1996), table 3. The tests prove that each of them is
# primitive, by stepping through the whole period up to degree 16 and by the order of x for 32.
TAPS = {
    4: (3,),
    5: (3,),
    6: (5,),
    7: (6,),
    8: (6, 5, 4),
    9: (5,),
    10: (7,),
    11: (9,),
    12: (6, 4, 1),
    13: (4, 3, 1),
    14: (5, 3, 1),
    15: (14,),
    16: (15, 13, 4),
    32: (22, 2, 1),
}

STATE_BITS = 32  # of the generator: room for the two independent words u and v of 16 bits

_BYTES = STATE_BITS // 8


def leap(random_bits: int) -> int:
    """Return how many steps the generator takes per beat.

    No bit of a beat's words is then a bit of the next beat's words. A power of two has no factor in
    common with the period ``2 ** 32 - 1``, so leaping keeps the period.
    """
    return 1 << (random_bits - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class RandomConfig(Config):
    """Parameters that units with random bits share: one generator serves all lanes.

    GF(2 ** 4) has 15 powers of x, so even with 4 random bits the words of 16 lanes are independent
    in pairs.
    """

    lanes: int = integer(8, 1, 16, "results per cycle")
    random_bits: int = integer(8, 4, 16, "random bits per result")


def seeded(seed: int) -> int:
    """Return the state that a seed of 31 bits gives.

    It is never 0, a state that the register would not leave.

    Raises:
        ValueError: If the seed has more bits.
    """
    if not 0 <= seed < 1 << (STATE_BITS - 1):
        raise ValueError(f"seed must be in [0, 2 ** {STATE_BITS - 1}), not {seed}")
    return seed << 1 | 1


def step(state: Tensor, degree: int) -> Tensor:
    """Multiply elements of GF(2 ** degree) by x.

    Args:
        state: Elements as integers, int64, any shape.
        degree: A degree in :data:`TAPS`.
    """
    feedback = sum(1 << tap for tap in TAPS[degree]) | 1
    carry = state >> (degree - 1)
    return (state << 1 & (1 << degree) - 1) ^ carry * feedback


@cache
def _power(leaps: int, size: int) -> Tensor:
    """Return what each value of each byte of a state becomes in ``leaps`` leaps.

    The table has the shape ``(4, 256)``; leaping is linear, so the bytes' results are added.
    """
    if leaps == 1:
        table = torch.arange(256) << 8 * torch.arange(_BYTES)[:, None]
        for _ in range(size):
            table = step(table, STATE_BITS)
        return table
    half = _power(leaps // 2, size)
    return _apply(half, half)


def _apply(power: Tensor, state: Tensor) -> Tensor:
    """Apply a table of :func:`_power` to states."""
    result = power[0][state & 255]
    for byte in range(1, _BYTES):
        result ^= power[byte][state >> 8 * byte & 255]
    return result


def states(state: int, beats: int, random_bits: int) -> Tensor:
    """Return the states of successive beats and the one after the last.

    Args:
        state: State at the first beat.
        beats: Number of beats.
        random_bits: Bits of a random word, which determine the leap.

    Returns:
        int64, shape ``(beats + 1,)``.
    """
    found = torch.tensor([state])
    leaps = 1
    while leaps <= beats:
        found = torch.cat([found, _apply(_power(leaps, leap(random_bits)), found)])
        leaps *= 2
    return found[: beats + 1]


def random_words(state: int, beats: int, config: RandomConfig) -> tuple[Tensor, int]:
    """Return the words of a sequence of beats, and the state that they leave.

    Args:
        state: State of the generator at the first beat.
        beats: Number of beats.
        config: The unit.

    Returns:
        Words as :func:`words` gives them, and the state of the next beat.
    """
    each = states(state, beats, config.random_bits)
    return words(each[:-1], config), int(each[-1])


def leapt(state: Tensor, leaps: Tensor, random_bits: int) -> Tensor:
    """Return what states become in numbers of leaps of their own.

    Args:
        state: int64, shape ``(beats,)``.
        leaps: Leaps of each, int64, the same shape.
        random_bits: Bits of a random word, which determine the leap.
    """
    size, bit = leap(random_bits), 0
    while (leaps >> bit).any():
        state = torch.where(leaps >> bit & 1 == 1, _apply(_power(1 << bit, size), state), state)
        bit += 1
    return state


def words(state: Tensor, config: RandomConfig) -> Tensor:
    """Return the words of all lanes in beats that find the generator in these states.

    Args:
        state: int64, shape ``(beats,)``.
        config: The unit.

    Returns:
        Words in ``[0, 2 ** random_bits)``, int64, shape ``(beats, lanes)``.
    """
    kept = (1 << config.random_bits) - 1
    u, v = state & kept, state >> STATE_BITS // 2 & kept
    found = [u]
    while len(found) < config.lanes:
        found.append(u ^ v)
        v = step(v, config.random_bits)
    return torch.stack(found, dim=1)
