"""Specify ``matmul/sparse_dot``: dot products with 2:4 structured-sparse weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consilico.golden.config import choice, integer
from consilico.golden.lazy import torch
from consilico.golden.matmul.dot import DotConfig, DotResult, dot

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SparseDotConfig", "sparse_dot"]


@dataclass(frozen=True, kw_only=True)
class SparseDotConfig(DotConfig):
    """A dot product with 2:4 sparse weights: two of every four, each with a 2-bit index.

    ``lanes`` multipliers take ``2 * lanes`` activations a beat. ``depth`` counts products made.
    """

    lanes: int = integer(16, 2, 256, "products made a beat, of twice as many activations")
    w: str = choice("int8", ("int8", "int4"), "weights, signed")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lanes % 2:
            raise ValueError(f"lanes must be even, two a group of four, not {self.lanes}")


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
