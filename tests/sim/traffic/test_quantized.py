"""Matrices as codes in groups, and 2:4 sparse ones: error bounds, corners, refusals."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from consilico.sim.traffic.quantized import (
    as_stored,
    asymmetric,
    bf16_bits,
    bf16_round,
    cut,
    prune,
    sparsify,
    symmetric,
)
from consilico.sim.traffic.smollm import Int4Weight

Floats = NDArray[np.float32]


def drawn(rows: int, columns: int, mean: float = 0.0) -> Floats:
    """Values of very unequal sizes."""
    rng = np.random.default_rng(7)
    size = np.exp(rng.normal(0, 3, (rows, columns // 32, 1)))
    values = (rng.normal(mean, 1, (rows, columns // 32, 32)) * size).astype(np.float32)
    flat: Floats = values.reshape(rows, columns)
    return flat


def scales(values: Floats, scale: Floats) -> Floats:
    """Scale of every value."""
    return np.repeat(scale, values.shape[1] // scale.shape[1], axis=1)


def test_bf16_is_that_of_torch() -> None:
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 0x7F7F0000, 100_000, dtype=np.uint32)
    bits[:4] = 0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001  # ties to even, and around one
    values = np.concatenate([bits.view(np.float32), -bits.view(np.float32)])
    expected = torch.from_numpy(values).bfloat16()
    assert bf16_bits(values).tolist() == (expected.view(torch.int16).int() & 0xFFFF).tolist()
    assert bf16_round(values).tolist() == expected.float().tolist()


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("group", [32, 64, 192])
def test_symmetric_errs_by_half_a_scale(bits: int, group: int) -> None:
    values = drawn(40, 192)
    codes = symmetric(values, bits, group)
    top = 2 ** (bits - 1) - 1
    assert (codes.group, int(codes.codes.max()), int(codes.codes.min())) == (group, top, -top)
    error = np.abs(codes.dequantize() - values) / scales(values, codes.scale)
    assert 0.49 < error.max() <= 0.5001
    assert (codes.scale == bf16_round(codes.scale)).all()


def test_scale_rounded_down_to_bf16_needs_no_code_beyond_the_largest() -> None:
    values = np.array([[127 * (1 + 0.999 * 2.0**-8), 1.0]], dtype=np.float32)
    codes = symmetric(values, 8, 2)
    assert (codes.scale.item(), codes.codes.tolist()) == (1.0, [[127, 1]])


@pytest.mark.parametrize("mean", [0.0, 8.0, -8.0])
def test_asymmetric_errs_by_little_more_than_half_a_scale(mean: float) -> None:
    values = drawn(40, 192, mean)  # with means of 8 most groups lie on one side of 0
    codes = asymmetric(values, 64)
    assert codes.codes.min() >= 0
    assert codes.codes.max() == 15
    error = np.abs(codes.dequantize() - values) / scales(values, codes.scale)
    assert 0.45 < error.max() <= 0.56


def test_groups_of_zeros_are_zeros() -> None:
    zeros = np.zeros((2, 8), dtype=np.float32)
    for codes in (symmetric(zeros, 8, 4), asymmetric(zeros, 4)):
        assert codes.dequantize().tolist() == zeros.tolist()
        assert np.isfinite(codes.scale).all()


def test_stored_codes_keep_their_value_up_to_the_stated_error() -> None:
    rng = np.random.default_rng(3)
    scale = np.exp(rng.normal(-4, 1, (64, 4))).astype(np.float16)
    weight = Int4Weight(
        nibbles=rng.integers(16, size=(64, 128)).astype(np.uint8),
        scale=scale,
        minimum=(-scale * rng.uniform(0, 15, scale.shape)).astype(np.float16),
    )
    codes = as_stored(weight)
    assert codes.codes.tolist() == weight.nibbles.tolist()
    error = np.abs(codes.dequantize() - weight.dequantize()) / scales(
        weight.dequantize(), codes.scale
    )
    assert 0.4 < error.max() <= 0.5001 + 15 * 2**-8


@pytest.mark.parametrize("minimum", [0.6, -15.6])
def test_stored_group_on_one_side_of_zero_is_refused(minimum: float) -> None:
    weight = Int4Weight(
        nibbles=np.zeros((1, 32), dtype=np.uint8),
        scale=np.ones((1, 1), dtype=np.float16),
        minimum=np.full((1, 1), minimum, dtype=np.float16),
    )
    with pytest.raises(ValueError, match=r"zero points must be in \[0, 15\], not "):
        as_stored(weight)


@pytest.mark.parametrize("group", [0, -4, 5, 16])
def test_group_that_does_not_divide_the_row_is_refused(group: int) -> None:
    with pytest.raises(ValueError, match=f"group must divide the 8 columns, not {group}"):
        symmetric(np.zeros((1, 8), dtype=np.float32), 8, group)


def test_sparse_keeps_the_two_largest_of_four() -> None:
    values = np.array([[1, -3, 2, 0, 5, 5, -5, 5, 0, 0, 0, 0]], dtype=np.float32)
    assert prune(values).tolist() == [[1, 2, 0, 1, 0, 1]]
    sparse = sparsify(values, 4, 12)
    scale = sparse.scale.item()
    assert sparse.codes.tolist() == [[-4, 3, 7, 7, 0, 0]]
    assert sparse.dense().dequantize().tolist() == [
        [0, -4 * scale, 3 * scale, 0, 7 * scale, 7 * scale, *[0] * 6]
    ]


@pytest.mark.parametrize("bits", [8, 4])
def test_sparse_is_the_dense_matrix_with_zeros(bits: int) -> None:
    values = drawn(40, 192)
    sparse, dense = sparsify(values, bits, 32), symmetric(values, bits, 32)
    found = sparse.dense()
    assert found.scale.tolist() == dense.scale.tolist()
    places = (np.arange(0, 192, 4).repeat(2) + sparse.index).astype(int)
    assert (np.diff(places, axis=1) > 0).all()
    kept = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(kept, places, True, axis=1)
    assert kept.reshape(40, -1, 4).sum(2).tolist() == np.full((40, 48), 2).tolist()
    assert found.codes.tolist() == np.where(kept, dense.codes, 0).tolist()
    magnitude = np.abs(values).reshape(40, -1, 4)
    least_kept = np.where(kept.reshape(magnitude.shape), magnitude, np.inf).min(2)
    greatest_cut = np.where(kept.reshape(magnitude.shape), 0, magnitude).max(2)
    assert (least_kept >= greatest_cut).all()


def test_sparse_refuses_groups_across_quadruples_and_zero_points() -> None:
    values = drawn(1, 96)
    with pytest.raises(ValueError, match="group must be a multiple of 4, not 6"):
        sparsify(values, 8, 6)
    with pytest.raises(ValueError, match="codes must be symmetric"):
        cut(asymmetric(values, 32), prune(values))
