"""Bit-exact model of the projection unit, and matrices brought down and back through it."""

from typing import Any

import pytest
import torch
from torch import Tensor

from consilico.golden.training.project import (
    ProjectConfig,
    Projection,
    back_beats,
    down_beats,
    project,
)

CONFIG = ProjectConfig(rows=3, columns=4, group=32)
EXPONENT = 118
UNIT = 2.0 ** (EXPONENT - 134)


def bits(values: Tensor) -> Tensor:
    """bf16 bit patterns of numbers that are bf16 already."""
    return values.bfloat16().view(torch.int16).long() & 0xFFFF


def drawn(rank: int, length: int, group: int) -> tuple[Projection, Tensor]:
    """A projection and its float64 values; scales are whole units of the shared exponent."""
    source = torch.Generator().manual_seed(rank)
    codes = torch.randint(0, 16, (rank, length), generator=source)
    zero = torch.randint(0, 16, (rank, length // group), generator=source)
    scale = torch.randint(128, 256, zero.shape, generator=source) * UNIT
    scale = scale * (1 - 2 * (torch.rand(zero.shape, generator=source) < 0.3).double())
    each = zero.repeat_interleave(group, 1), scale.repeat_interleave(group, 1)
    values = (codes - each[0]) * each[1].double()
    return Projection(codes=codes, zero=zero, scale=bits(scale)), values


def tiles(matrix: Tensor) -> Tensor:
    """A matrix in tiles of the unit, along the columns first, padded with 0."""
    rows, columns = matrix.shape
    padded = torch.nn.functional.pad(matrix, (0, -columns % 4, 0, -rows % 3))
    return padded.unfold(0, 3, 3).unfold(1, 4, 4).flatten(0, 1)


def test_down_is_the_product_with_the_transposed_projection() -> None:
    projection, values = drawn(rank=6, length=96, group=32)
    x = torch.randint(-128, 128, (7, 96), generator=torch.Generator().manual_seed(1))
    result = project(down_beats(x, projection, CONFIG), EXPONENT, CONFIG)
    assert not result.overflow.any()
    assert torch.equal(result.sum * UNIT, tiles(x.double() @ values.T))


def test_back_is_the_product_with_the_projection() -> None:
    projection, _ = drawn(rank=40, length=16, group=8)  # a rank above the longest group
    low = torch.randint(-128, 128, (2, 5, 40), generator=torch.Generator().manual_seed(2))
    scale = int(bits(torch.tensor(128 * UNIT)))
    result = project(back_beats(low, projection, scale, CONFIG), EXPONENT, CONFIG)
    weights = (projection.codes - projection.zero.repeat_interleave(8, 1)).double()
    products = [low[g].double() @ weights[:, 8 * g : 8 * g + 8] for g in range(2)]
    assert torch.equal(result.sum.double(), torch.cat([tiles(128 * p) for p in products]))


def test_a_gradient_survives_both_ways_as_well_as_its_codes_do() -> None:
    """Down, INT8 again with the scales folded in, and back: the projection of the gradient."""
    source = torch.Generator().manual_seed(3)
    basis = torch.linalg.qr(torch.randn(64, 16, generator=source).double())[0].T
    gradient = torch.randn(20, 64, generator=source).double() @ (0.1 + basis.T @ basis)
    low = basis.reshape(16, 2, 32).amin(2), basis.reshape(16, 2, 32).amax(2)
    scale = ((low[1] - low[0]) / 15).bfloat16().double()
    zero = torch.round(-low[0] / scale).long().clamp(0, 15)
    steps = basis.reshape(16, 2, 32) / scale[..., None]
    codes = (torch.round(steps).long() + zero[..., None]).clamp(0, 15).flatten(1)
    projection = Projection(codes=codes, zero=zero, scale=bits(scale))
    exponent = int(projection.scale.max() >> 7) - 4
    unit = 2.0 ** (exponent - 134)

    step = gradient.abs().amax(1, keepdim=True) / 127
    x = torch.round(gradient / step).long()
    down = project(down_beats(x, projection, CONFIG), exponent, CONFIG)
    assert not down.overflow.any()
    # tiles of 3 x 4 back to a matrix of 20 x 16
    matrix = down.sum.reshape(7, 4, 3, 4).transpose(1, 2).reshape(21, 16)[:20] * unit * step
    folded = matrix * scale.T[:, None, :]
    top = folded.abs().amax((0, 2))[None, :, None] / 127
    one = int(bits(torch.tensor(1.0)))
    back = project(
        back_beats(torch.round(folded / top).long(), projection, one, CONFIG), 134 - 7, CONFIG
    )
    parts = back.sum.reshape(2, 7, 8, 3, 4).transpose(2, 3).reshape(2, 21, 32)[:, :20]
    result = torch.cat(list(parts / 128 * top), dim=1)
    vectors = (codes - zero.repeat_interleave(32, 1)) * scale.repeat_interleave(32, 1)
    exact = gradient @ vectors.T @ vectors
    # INT8 twice: half a step of 127 of the greatest, of several times the mean square
    assert 0 < (result - exact).norm() / exact.norm() < 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zero": torch.full((6, 3), 16)}, r"zero must be in \[0, 15\], not 0 to 16|not 16 to 16"),
        ({"scale": torch.ones(6, 2)}, r"zero and scale must have shape \(rank, groups\)"),
        ({"codes": torch.full((6, 96), -1)}, r"codes must be in \[0, 15\], not -1 to -1"),
    ],
)
def test_a_malformed_projection_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    good, _ = drawn(rank=6, length=96, group=32)
    fields = {"codes": good.codes, "zero": good.zero, "scale": good.scale}
    with pytest.raises(ValueError, match=message):
        Projection(**{**fields, **change})


def test_malformed_operands_are_refused_by_name() -> None:
    projection, _ = drawn(rank=6, length=96, group=32)
    with pytest.raises(ValueError, match="x must have 96 columns"):
        down_beats(torch.zeros(3, 95, dtype=torch.int64), projection, CONFIG)
    with pytest.raises(ValueError, match="x must be INT8 codes, not 128 to 128"):
        down_beats(torch.full((3, 96), 128), projection, CONFIG)
    with pytest.raises(ValueError, match=r"low must have shape \(3, vectors, 6\)"):
        back_beats(torch.zeros(2, 5, 6, dtype=torch.int64), projection, 0, CONFIG)
    short = ProjectConfig(rows=3, columns=4, group=16)
    with pytest.raises(ValueError, match="group must be at least 32, the projection's, not 16"):
        down_beats(torch.zeros(3, 96, dtype=torch.int64), projection, short)


@pytest.mark.parametrize("group", [16, 64, 256, 1024])
def test_the_scaler_keeps_up_with_groups_of_half_the_length(group: int) -> None:
    config = ProjectConfig(group=group)
    assert config.cycles <= group // 2 or config.slots == 1
