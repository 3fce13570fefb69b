"""The random generator: period, exact independence and correlation of lanes, measured ones."""

from itertools import combinations
from math import gcd
from pathlib import Path

import pytest
import torch
from torch import Tensor

from consilico.golden.training.lfsr import (
    STATE_BITS,
    TAPS,
    RandomConfig,
    leap,
    random_words,
    seeded,
    states,
    step,
)

BITS = range(4, 17)
PERIOD = 2**STATE_BITS - 1
FACTORS = (3, 5, 17, 257, 65537)  # of PERIOD


def cycle_length(successor: list[int]) -> int:
    """Steps from 1 back to 1."""
    value, length = successor[1], 1
    while value != 1:
        value, length = successor[value], length + 1
    return length


def power_of_x(exponent: int, polynomial: int) -> int:
    """``x ** exponent`` modulo a polynomial over GF(2), by squaring; bits are coefficients."""

    def product(a: int, b: int) -> int:
        result = 0
        while b:
            result ^= a if b & 1 else 0
            a <<= 1
            a ^= polynomial if a.bit_length() == polynomial.bit_length() else 0
            b >>= 1
        return result

    result, base = 1, 2
    while exponent:
        result = product(result, base) if exponent & 1 else result
        base = product(base, base)
        exponent >>= 1
    return result


def primitive(polynomial: int) -> bool:
    """Whether x has order ``2 ** 32 - 1`` modulo a polynomial of degree 32."""
    return power_of_x(PERIOD, polynomial) == 1 and all(
        power_of_x(PERIOD // factor, polynomial) != 1 for factor in FACTORS
    )


def rank(rows: list[int]) -> int:
    """Rank over GF(2)."""
    basis: dict[int, int] = {}
    for row in rows:
        while row and (top := row.bit_length()) in basis:
            row ^= basis[top]
        if row:
            basis[row.bit_length()] = row
    return len(basis)


def dependences(random_bits: int, beats: int) -> list[list[list[int]]]:
    """For each beat, lane and bit of a word: the bits of the first state it is the sum of.

    The generator is linear, so one state bit at a time shows all.
    """
    config = RandomConfig(lanes=16, random_bits=random_bits)
    columns = [random_words(1 << bit, beats, config)[0] for bit in range(STATE_BITS)]
    words = torch.stack(columns, dim=-1)  # (beats, lanes, state bits)
    weights = 1 << torch.arange(STATE_BITS)
    return [
        [[int(((lane >> bit & 1) * weights).sum()) for bit in range(random_bits)] for lane in beat]
        for beat in words
    ]


@pytest.mark.parametrize("degree", BITS)
def test_lanes_have_primitive_polynomials(degree: int) -> None:
    successor = step(torch.arange(1 << degree), degree).tolist()
    assert cycle_length(successor) == 2**degree - 1


def test_the_generator_has_a_primitive_polynomial_and_leaps_through_all_its_states() -> None:
    assert primitive(1 << 32 | sum(1 << tap for tap in TAPS[32]) | 1)
    assert [gcd(leap(bits), PERIOD) for bits in BITS] == [1] * len(BITS)


def test_other_polynomials_are_told_from_primitive_ones() -> None:
    assert not primitive(1 << 32 | 1 << 22 | 0b101)
    # x^4 + x^3 + x^2 + x + 1 divides x^5 + 1
    successor = [(value << 1 & 15) ^ (value >> 3) * 15 for value in range(16)]
    assert cycle_length(successor) == 5


@pytest.mark.parametrize("random_bits", [4, 8, 16])
def test_states_leap_as_single_steps_do(random_bits: int) -> None:
    state = torch.tensor(seeded(0x1234567))
    expected = []
    for _ in range(40):
        expected.append(int(state))
        for _ in range(leap(random_bits)):
            state = step(state, STATE_BITS)
    assert states(expected[0], 39, random_bits).tolist() == expected


def test_beats_in_parts_are_beats_in_one_go() -> None:
    config = RandomConfig()
    first, middle = random_words(seeded(5), 13, config)
    second, end = random_words(middle, 20, config)
    together, after = random_words(seeded(5), 33, config)
    assert torch.equal(torch.cat([first, second]), together)
    assert end == after


@pytest.mark.parametrize("random_bits", BITS)
def test_any_two_lanes_of_a_beat_are_independent(random_bits: int) -> None:
    lanes = dependences(random_bits, 1)[0]
    assert {rank(a + b) for a, b in combinations(lanes, 2)} == {2 * random_bits}


def test_dependent_lanes_are_found() -> None:
    lanes = dependences(8, 1)[0]
    assert rank(lanes[3] + lanes[3][:4] + lanes[5][4:]) == 12


@pytest.mark.parametrize("random_bits", BITS)
def test_words_of_near_beats_hardly_correlate(random_bits: int) -> None:
    beats = dependences(random_bits, 17)
    greatest = 0.0
    for later in beats[1:]:
        for one in beats[0]:
            weight = {row: 2.0 ** (bit - random_bits) for bit, row in enumerate(one)}
            for other in later:
                # covariance of uniform words: bits that are the same sum of state bits
                shared = sum(
                    weight.get(row, 0.0) * 2.0 ** (bit - random_bits)
                    for bit, row in enumerate(other)
                )
                greatest = max(greatest, 3 * shared)
    assert greatest < 0.03


@pytest.fixture(scope="module")
def uniform() -> Tensor:
    """10 million words as numbers of mean 0 and deviation 1, shape ``(beats, 16)``."""
    words, _ = random_words(seeded(2024), 625_000, RandomConfig(lanes=16, random_bits=16))
    return (words - (2**16 - 1) / 2) / 2**16 * 12**0.5


def test_measured_lanes_do_not_correlate(uniform: Tensor) -> None:
    correlation = uniform.T @ uniform / len(uniform)
    off = correlation - torch.diag(correlation.diag())
    assert off.abs().max() < 4.5 / len(uniform) ** 0.5  # greatest of 120
    assert (correlation.diag() - 1).abs().max() < 0.01


@pytest.mark.parametrize("lag", [1, 2, 3])
def test_measured_beats_do_not_correlate(uniform: Tensor, lag: int) -> None:
    later = uniform[lag:]
    correlation = uniform[:-lag].T @ later / len(later)
    assert correlation.abs().max() < 5 / len(later) ** 0.5  # greatest of 256


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_seeds_out_of_range_are_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="seed must be in"):
        seeded(seed)


def test_words_are_those_that_the_page_predicts() -> None:
    """The rules of docs/training.md, written out, and its example."""
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text()
    state, lines, at = 2 * 0x12345678 + 1, [], []
    for _ in range(3):
        word, factor, lanes = state & 0xFF, state >> 16 & 0xFF, []
        lanes.append(word)
        for _ in range(3):
            lanes.append(word ^ factor)
            factor = (factor << 1 & 0xFF) ^ (0x71 if factor >> 7 else 0)
        lines.append(lanes)
        at.append(state)
        for _ in range(8):
            state = (state << 1 & 0xFFFFFFFF) ^ (0x00400007 if state >> 31 else 0)
    config = RandomConfig(lanes=4, random_bits=8)
    assert random_words(seeded(0x12345678), 3, config)[0].tolist() == lines
    for found in at:
        assert f"`{found:08x}`" in page
    for lanes in lines:
        assert f"`{' '.join(f'{word:02x}' for word in lanes)}`" in page
