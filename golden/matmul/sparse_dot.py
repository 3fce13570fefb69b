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
    """Parameters of a dot product with 2:4 sparse weights.

    Of every four weights two are kept, each with a 2-bit index. ``lanes`` multipliers therefore
    take ``2 * lanes`` activations per beat. ``depth`` counts the products that are computed.
    """

    lanes: int = integer(16, 2, 256, "products per beat, of twice as many activations")
    w: str = choice("int8", ("int8", "int4"), "weights, signed")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lanes % 2:
            raise ValueError(f"lanes must be even, two per group of four, not {self.lanes}")


def sparse_dot(
    x: Tensor, w: Tensor, index: Tensor, last: Tensor, config: SparseDotConfig
) -> DotResult:
    """Return the sums of products, one for each beat with ``last``, as :func:`dot` does.

    Lanes ``2 g`` and ``2 g + 1`` choose from activations ``4 g`` to ``4 g + 3``.

    Args:
        x: Signed activations, int64, shape ``(beats, 2 * lanes)``.
        w: Weights that are kept, two of every four, int64, shape ``(beats, lanes)``.
        index: int64, the same shape, 0 to 3: which of its four activations a weight is multiplied
            by.
        last: Bool, shape ``(beats,)``: the beat ends a sum.
        config: The unit.
    """
    lane = torch.arange(w.shape[1])
    met = x.gather(1, 4 * (lane // 2) + index)
    return dot(met, w, last, torch.zeros(len(x), dtype=torch.int64), config)
