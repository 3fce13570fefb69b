"""Stochastic rounding: unbiased over 10 million draws, exact chances, saturation, refusals."""

import pytest
import torch
from torch import Tensor

from consilico.golden.training.lfsr import random_words, seeded
from consilico.golden.training.stochastic_round import (
    StochasticRoundConfig,
    round_up_at_random,
    stochastic_round,
)

DRAWS = 10_000_000


def standard_errors(value: Tensor, rounded: Tensor, fraction: int) -> float:
    """Mean error of rounding, in standard errors of it."""
    error = rounded - value / 2**fraction
    return float(error.mean().abs() / (error.std() / len(error) ** 0.5))


def drawn(config: StochasticRoundConfig) -> tuple[Tensor, Tensor]:
    """Values spread over the results, without those that saturate, and words for them."""
    generator = torch.Generator().manual_seed(1)
    limit = (1 << (config.result_width - 1)) - 1 << config.fraction
    beats = DRAWS // config.lanes
    value = torch.randint(-limit, limit, (beats, config.lanes), generator=generator)
    return value, random_words(seeded(99), beats, config)[0]


@pytest.mark.parametrize(("random_bits", "lanes"), [(4, 16), (8, 8), (16, 1), (16, 16)])
def test_ten_million_draws_are_unbiased(random_bits: int, lanes: int) -> None:
    config = StochasticRoundConfig(random_bits=random_bits, lanes=lanes)
    value, random = drawn(config)
    rounded = stochastic_round(value, random, config)
    assert standard_errors(value.flatten(), rounded.flatten(), config.fraction) < 4


@pytest.mark.exhaustive
@pytest.mark.parametrize("random_bits", range(4, 17))
def test_ten_million_draws_of_any_random_bits(random_bits: int) -> None:
    config = StochasticRoundConfig(random_bits=random_bits, lanes=16)
    value, random = drawn(config)
    rounded = stochastic_round(value, random, config)
    error = rounded - value / 2**config.fraction
    assert standard_errors(value.flatten(), rounded.flatten(), config.fraction) < 4
    for lane in range(config.lanes):
        column = value[:, lane], rounded[:, lane]
        assert standard_errors(*column, config.fraction) < 4.5  # greatest of 208 in all
    correlation = torch.corrcoef(error.T) - torch.eye(config.lanes)
    assert correlation.abs().max() < 5 / len(error) ** 0.5  # greatest of 120, 13 times
    words = torch.corrcoef(random.T.double()) - torch.eye(config.lanes)
    assert words.abs().max() < 5 / len(random) ** 0.5


@pytest.mark.parametrize("wrong", ["always down", "no word below 16"])
def test_biased_rounding_is_found(wrong: str) -> None:
    config = StochasticRoundConfig()
    value, random = drawn(config)
    random = torch.zeros_like(random) if wrong == "always down" else random.clamp(min=16)
    rounded = stochastic_round(value, random, config)
    assert standard_errors(value.flatten(), rounded.flatten(), config.fraction) > 4


@pytest.mark.parametrize(("fraction", "random_bits"), [(4, 4), (8, 8), (7, 4), (10, 8)])
def test_chance_of_rounding_up_is_the_fraction(fraction: int, random_bits: int) -> None:
    value = torch.arange(-2 << fraction, 2 << fraction)[:, None]
    words = torch.arange(1 << random_bits)[None, :].expand(len(value), -1)
    rounded = round_up_at_random(value.expand_as(words), words, fraction, random_bits)
    floor = value >> fraction
    assert ((rounded == floor) | (rounded == floor + 1)).all()
    ups = (rounded - floor).sum(1) / 2**random_bits
    error = ups - (value - (floor << fraction))[:, 0] / 2**fraction
    grid = 0.0 if fraction == random_bits else 2.0 ** -(random_bits + 1)
    assert error.abs().max() == grid  # half of what the random bits resolve, at most


def test_results_saturate() -> None:
    config = StochasticRoundConfig(lanes=1, random_bits=4, fraction=4, width=16, result_width=8)
    value = torch.tensor([-32768, -2049, -2048, 2047, 2048, 32767])[:, None]
    result = stochastic_round(value, torch.full_like(value, 15), config)
    assert result.flatten().tolist() == [-128, -128, -128, 127, 127, 127]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"random_bits": 9, "fraction": 8}, "random_bits must be at most fraction = 8, not 9"),
        ({"result_width": 10}, "result_width must be below width - fraction = 10"),
        ({"random_bits": 3}, r"random_bits must be an integer in \[4, 16\], not 3"),
        ({"lanes": 17}, r"lanes must be an integer in \[1, 16\], not 17"),
    ],
)
def test_impossible_configurations_are_refused(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StochasticRoundConfig(**fields)
