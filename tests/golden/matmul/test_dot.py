"""The dot products' golden models against plain arithmetic, and the widths that hold their sums."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from consilico.golden.matmul.dot import DotConfig, dot, wrap
from consilico.golden.matmul.fused_dot import FusedDotConfig, fused_dot
from consilico.golden.matmul.operand import sum_width
from consilico.golden.matmul.sparse_dot import SparseDotConfig, sparse_dot

NARROW = DotConfig(lanes=2, accumulator=18)


def ended(beats: int) -> torch.Tensor:
    """One sum of all beats."""
    return torch.arange(beats) == beats - 1


@given(st.integers(1, 1 << 20), st.integers(-(1 << 15), 0), st.integers(0, 1 << 15))
def test_a_sum_fits_its_width_and_no_narrower_one(count: int, least: int, greatest: int) -> None:
    half = 1 << (sum_width(count, least, greatest) - 1)
    assert -half <= count * least
    assert count * greatest <= half - 1
    if least or greatest:
        assert count * least < -half // 2 or count * greatest > half // 2 - 1


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


@given(st.integers(0, 1 << 30), st.integers(0, 2))
def test_fused_modes_are_the_plain_products(seed: int, mode: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    width = (8, 8, 4)[mode], (8, 4, 4)[mode]
    codes = [
        torch.randint(-(1 << (bits - 1)), 1 << (bits - 1), (5, 3, 1 << mode), generator=generator)
        for bits in width
    ]
    x, w = (
        ((part & ((1 << bits) - 1)) << (bits * torch.arange(1 << mode))).sum(-1)
        for part, bits in zip(codes, width, strict=True)
    )
    found = fused_dot(x, w, ended(5), torch.full((5,), mode), FusedDotConfig(lanes=3))
    assert found.tolist() == [int((codes[0] * codes[1]).sum())]


@given(st.integers(0, 1 << 30))
def test_sparse_products_are_those_of_the_dense_weights(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-128, 128, (3, 8), generator=generator)
    w = torch.randint(-128, 128, (3, 4), generator=generator)
    index = torch.rand((3, 2, 4), generator=generator).argsort(-1)[..., :2].reshape(3, 4)
    dense = torch.zeros((3, 8), dtype=torch.int64)
    dense.scatter_(1, 4 * (torch.arange(4) // 2) + index, w)
    found = sparse_dot(x, w, index, ended(3), SparseDotConfig(lanes=4))
    assert found.sum.tolist() == [int((x * dense).sum())]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"x": "int4", "w": "int8"}, "w must be int4 or uint4 with x=int4"),
        ({"accumulator": 12}, "accumulator must be 0 or at least 20"),
        ({"accumulator": 40}, "accumulator must be 0 or below 28"),
        ({"lanes": 0}, "lanes must be an integer in"),
        ({"depth": 1 << 21}, "depth must be an integer in"),
    ],
)
def test_an_impossible_unit_is_refused_by_field(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DotConfig(**fields)


def test_an_odd_number_of_sparse_lanes_is_refused() -> None:
    with pytest.raises(ValueError, match="lanes must be even"):
        SparseDotConfig(lanes=3)


def test_wrap_is_twos_complement() -> None:
    assert wrap(torch.tensor([127, 128, -129, 256]), 8).tolist() == [127, -128, 127, 0]
