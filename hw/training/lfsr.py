"""Generate the random words of all lanes from one Galois shift register.

Golden model: :mod:`consilico.golden.training.lfsr`.
"""

import numpy as np
from amaranth import C, Cat, Module, Signal, Value

from consilico.golden.training.lfsr import STATE_BITS, TAPS, RandomConfig, leap
from consilico.hw.census import Batch, Census

__all__ = ["RANDOM", "SEED_BITS", "random_words", "random_words_census"]

RANDOM = (
    "random"  # driver of logic that sees random bits; not a field of the payload, toggle rate 1/2
)
SEED_BITS = STATE_BITS - 1  # the lowest bit of a seeded state is 1, so that the state is never 0


def _step(m: Module, element: Value, degree: int) -> Signal:
    """Return the product of an element of GF(2 ** degree) and x."""
    carry = element[-1]
    bits = [carry, *element[:-1]]
    for tap in TAPS[degree]:
        bits[tap] = bits[tap] ^ carry
    product = Signal(degree)
    m.d.comb += product.eq(Cat(*bits))
    return product


def random_words(
    m: Module, domain: str, seed: Value, load: Value, config: RandomConfig
) -> list[Signal]:
    """Return one word per lane, from a register that leaps ahead with every tick of a clock domain.

    Args:
        m: The module that gets the logic.
        domain: Clock domain that ticks when a beat has used the words, and when a seed comes.
        seed: State to start from, without its lowest bit.
        load: Whether a seed comes.
        config: The unit.
    """
    state = Signal(STATE_BITS, name="random_state")
    ahead: Value = state
    for _ in range(leap(config.random_bits)):
        ahead = _step(m, ahead, STATE_BITS)
    with m.If(load):
        m.d[domain] += state.eq(Cat(C(1, 1), seed))
    with m.Else():
        m.d[domain] += state.eq(ahead)
    u = state[: config.random_bits]
    v: Value = state[STATE_BITS // 2 :][: config.random_bits]
    words = []
    for lane in range(config.lanes):
        word = Signal(config.random_bits, name=f"random{lane}")
        m.d.comb += word.eq(u ^ v if lane else u)
        if lane:
            v = _step(m, v, config.random_bits)
        words.append(word)
    return words


def random_words_census(c: Batch) -> Census:
    """Return the operators of :func:`random_words`."""
    drivers = (RANDOM,)
    census = Census()
    census.add("flop", STATE_BITS, drivers)
    census.add("mux", STATE_BITS, drivers)
    ahead = c.of(lambda config: leap(config.random_bits) * len(TAPS[STATE_BITS]))
    taps = c.of(lambda config: len(TAPS[config.random_bits]))
    others = c.lanes - 1
    steps = np.maximum(0, others - 1)
    census.add("xor", ahead + others * c.random_bits + steps * taps, drivers)
    return census
