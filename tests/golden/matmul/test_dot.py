"""The golden model of matmul/dot against plain arithmetic, and the configurations it refuses."""

import pytest
import torch

from consilico.golden.matmul.dot import DotConfig, dot, wrap

NARROW = DotConfig(lanes=2, accumulator=18)


def ended(beats: int) -> torch.Tensor:
    """One sum of all beats."""
    return torch.arange(beats) == beats - 1


@pytest.mark.parametrize(("x", "w"), [("int8", "int8"), ("int8", "int4"), ("int4", "uint4")])
def test_no_sum_of_the_stated_depth_wraps(x: str, w: str) -> None:
    config = DotConfig(lanes=16, x=x, w=w, depth=4096)
    low, high = config.product_range
    half = 1 << (config.sum_width - 1)
    assert -half <= 4096 * low
    assert 4096 * high <= half - 1


def test_extremes_at_full_depth() -> None:
    config = DotConfig(lanes=16, depth=4096)
    x = torch.full((256, 16), -128)
    result = dot(x, x, ended(256), torch.zeros(256, dtype=torch.int64), config)
    assert result.sum.tolist() == [4096 * 128 * 128]
    beyond = dot(*(x.repeat(2, 1),) * 2, ended(512), torch.zeros(512, dtype=torch.int64), config)
    assert beyond.sum.tolist() == [-(1 << (config.sum_width - 1))]  # twice as deep: it wraps


def test_every_product_of_int8_codes() -> None:
    codes = torch.arange(-128, 128)
    x, w = torch.meshgrid(codes, codes, indexing="ij")
    last = torch.ones(1 << 16, dtype=torch.bool)
    zero = torch.zeros(1 << 16, dtype=torch.int64)
    result = dot(x.reshape(-1, 1), w.reshape(-1, 1), last, zero, DotConfig(lanes=1))
    assert result.sum.tolist() == [a * b for a in range(-128, 128) for b in range(-128, 128)]


def test_zero_points_hold_for_their_beats() -> None:
    x, w = torch.tensor([[3], [5]]), torch.tensor([[15], [0]])
    config = DotConfig(lanes=1, w="uint4")
    assert dot(x, w, ended(2), torch.tensor([7, 2]), config).sum.tolist() == [3 * 8 - 5 * 2]


def test_a_saturating_sum_clamps_every_beat_and_says_so() -> None:
    x = torch.tensor([[-128, -128]] * 9 + [[127, 127]] * 2)
    w = torch.tensor([[-128, -128]] * 9 + [[-128, -128]] * 2)
    last = torch.tensor([False] * 9 + [True, True])
    result = dot(x, w, last, torch.zeros(11, dtype=torch.int64), NARROW)
    greatest = (1 << 17) - 1
    assert result.sum.tolist() == [greatest - 2 * 127 * 128, -2 * 127 * 128]
    assert result.saturated.tolist() == [True, False]


def test_unfinished_sums_give_nothing() -> None:
    x = torch.ones((3, 1), dtype=torch.int64)
    last = torch.tensor([True, False, False])
    zero = torch.zeros(3, dtype=torch.int64)
    assert dot(x, x, last, zero, DotConfig(lanes=1)).sum.tolist() == [1]


def test_wrap_is_twos_complement() -> None:
    assert wrap(torch.tensor([127, 128, -129, 256]), 8).tolist() == [127, -128, 127, 0]
