"""Bit-exact models of the dot-product units."""

from typing import NamedTuple

import torch
from torch import Tensor

from consilico.golden.matmul.config import DotConfig, FusedDotConfig, SparseDotConfig

__all__ = ["DotResult", "dot", "fused_dot", "sparse_dot", "wrap"]


class DotResult(NamedTuple):
    """Results of the sums that ended."""

    sum: Tensor  # int64, shape (sums,)
    saturated: Tensor  # bool, shape (sums,): a partial sum was beyond the accumulator


def wrap(value: Tensor, width: int) -> Tensor:
    """Two's complement of ``width`` bits: what a register of that width keeps of a sum."""
    half = 1 << (width - 1)
    return ((value + half) & ((1 << width) - 1)) - half


def dot(x: Tensor, w: Tensor, last: Tensor, zero_point: Tensor, config: DotConfig) -> DotResult:
    """Sums of products, one for each beat with ``last``; what follows the final one is left out.

    Args:
        x: int64, shape ``(beats, lanes)``, signed activations.
        w: int64, shape ``(beats, lanes)``, weights: signed, or 0 to 15 with ``w="uint4"``.
        last: bool, shape ``(beats,)``: the beat ends a sum.
        zero_point: int64, shape ``(beats,)``, of each beat's weights with ``w="uint4"``; else 0.
        config: The unit. A sum of more than ``depth`` products wraps, unless it saturates.
    """
    beats = (x * (w - zero_point[:, None])).sum(dim=1)
    ends = torch.nonzero(last).flatten()
    if not config.saturates:
        until = torch.cat([torch.zeros(1, dtype=torch.int64), beats.cumsum(0)[ends]])
        sums = wrap(until.diff(), config.sum_width)
        return DotResult(sums, torch.zeros(len(ends), dtype=torch.bool))
    limit = 1 << (config.sum_width - 1)
    clamped: list[tuple[int, bool]] = []
    total, over = 0, False
    for value, ended in zip(beats.tolist(), last.tolist(), strict=True):
        exact = total + value
        total = min(max(exact, -limit), limit - 1)
        over |= total != exact
        if ended:
            clamped.append((total, over))
            total, over = 0, False
    result = torch.tensor(clamped, dtype=torch.int64).reshape(-1, 2)
    return DotResult(result[:, 0], result[:, 1].bool())


def sparse_dot(
    x: Tensor, w: Tensor, index: Tensor, last: Tensor, config: SparseDotConfig
) -> DotResult:
    """Sums of products with 2:4 sparse weights, as :func:`dot`.

    Args:
        x: int64, shape ``(beats, 2 * lanes)``, signed activations.
        w: int64, shape ``(beats, lanes)``, the weights kept, two of every four.
        index: int64, the same shape, 0 to 3: which activation of its four a weight meets.
        last: bool, shape ``(beats,)``.
        config: The unit.
    """
    lane = torch.arange(w.shape[1])
    met = x.gather(1, 4 * (lane // 2) + index)
    return dot(met, w, last, torch.zeros(len(x), dtype=torch.int64), config)


def fused_dot(x: Tensor, w: Tensor, last: Tensor, mode: Tensor, config: FusedDotConfig) -> Tensor:
    """Sums of products whose width is chosen beat by beat; one for each beat with ``last``.

    Args:
        x: int64, shape ``(beats, lanes)``, 16 bits a lane: one or two INT8 activations, or four
            INT4 ones, lowest first. INT8 with INT8 weights uses the lower 8 bits.
        w: int64, the same shape: one INT8 weight, two or four INT4 ones.
        last: bool, shape ``(beats,)``.
        mode: int64, shape ``(beats,)``, index into :data:`golden.matmul.config.FUSED_MODES`.
        config: The unit.

    Returns:
        int64, shape ``(sums,)``; a sum of more than ``depth`` products a lane's INT8 wraps.
    """
    by_mode = [
        _parts(x, 8)[..., :1] * _parts(w, 8)[..., :1],
        _parts(x, 8) * _parts(w, 4)[..., :2],
        _parts(x, 4) * _parts(w, 4),
    ]
    beats = torch.stack([products.sum(dim=(1, 2)) for products in by_mode])
    chosen = beats.gather(0, mode[None])[0]
    until = torch.cat([torch.zeros(1, dtype=torch.int64), chosen.cumsum(0)[last]])
    return wrap(until.diff(), config.sum_width)


def _parts(lanes: Tensor, width: int) -> Tensor:
    """Signed numbers of some bits in 16 bits, shape ``(..., 16 / width)``, lowest first."""
    return wrap(lanes[..., None] >> torch.arange(0, 16, width), width)
