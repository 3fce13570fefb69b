"""Bit-exact models of the dot-product units."""

from typing import NamedTuple

import torch
from torch import Tensor

from golden.matmul.config import DotConfig

__all__ = ["DotResult", "dot", "wrap"]


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
