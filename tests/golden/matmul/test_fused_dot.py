"""The golden model of matmul/fused_dot against plain arithmetic."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from consilico.golden.matmul.dot import DotConfig
from consilico.golden.matmul.fused_dot import FusedDotConfig, fused_dot
from consilico.golden.matmul.sparse_dot import SparseDotConfig


def ended(beats: int) -> torch.Tensor:
    """One sum of all beats."""
    return torch.arange(beats) == beats - 1


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
