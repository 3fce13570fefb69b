"""The golden model of matmul/sparse_dot against dense products."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from consilico.golden.matmul.sparse_dot import SparseDotConfig, sparse_dot


def ended(beats: int) -> torch.Tensor:
    """One sum of all beats."""
    return torch.arange(beats) == beats - 1


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


def test_an_odd_number_of_sparse_lanes_is_refused() -> None:
    with pytest.raises(ValueError, match="lanes must be even"):
        SparseDotConfig(lanes=3)
