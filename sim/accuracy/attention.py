"""The hook that puts a normalizer into every head of a model, and counts what it does there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from consilico.sim.accuracy.drop_in import DropIn
from consilico.sim.accuracy.facts import LayerError, RowSums

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["HardwareAttention"]

_ROWS = 64  # at a time: their keys and what comes of them stay in the processor's cache

Reals = NDArray[np.float64]


class HardwareAttention:
    """Normalizes scores as hardware does, as :data:`consilico.sim.traffic.transformer.Normalize`.

    Args:
        normalizer: The unit with the format of P.
        most: Greatest magnitudes of scores in calibration, shape ``(layers, heads)``.
    """

    def __init__(self, normalizer: DropIn, most: Sequence[Sequence[float]]) -> None:
        self._normalizer = normalizer
        self._most = most
        self._counts = [_Counts() for _ in most]

    def __call__(self, layer: int, scores: "Tensor") -> "Tensor":
        """Return the weights of a layer, float32, the shape of the scores; 0 for future keys."""
        import torch

        weights = torch.zeros_like(scores)
        batch, heads, queries, _ = scores.shape
        for head in range(heads):
            scale = self._normalizer.scale(self._most[layer][head])
            for window in range(batch):
                for first in range(0, queries, _ROWS):
                    end = min(first + _ROWS, queries)
                    score = scores[window, head, first:end, :end].numpy()
                    mask = np.arange(end) > np.arange(first, end)[:, None]
                    code = self._normalizer.codes(score, scale)
                    found = self._normalizer.weights(scale, code, mask)
                    self._counts[layer].add(score, mask, found)
                    limits = np.abs(code) >= self._normalizer.top
                    self._counts[layer].saturated += int((limits & ~mask).sum())
                    weights[window, head, first:end, :end] = torch.from_numpy(found).float()
        return weights

    @property
    def layers(self) -> tuple[LayerError, ...]:
        """Return what was counted, layer by layer."""
        return tuple(
            LayerError(
                layer=layer,
                moved=of.moved / of.rows,
                row_sum_error=of.sum_error / of.rows,
                argmax_flips=of.flips / of.rows,
                saturated=of.saturated / of.scores,
            )
            for layer, of in enumerate(self._counts)
        )

    @property
    def row_sum(self) -> RowSums:
        """Return the sums of all rows."""
        rows = sum(of.rows for of in self._counts)
        return RowSums(
            least=min(of.least_sum for of in self._counts),
            mean=sum(of.sums for of in self._counts) / rows,
            greatest=max(of.greatest_sum for of in self._counts),
        )

    @property
    def empty_rows(self) -> float:
        """Return the share of rows whose weights are all 0."""
        return sum(of.empty for of in self._counts) / sum(of.rows for of in self._counts)


class _Counts:
    """What is counted of a layer."""

    def __init__(self) -> None:
        self.rows = self.scores = self.flips = self.empty = self.saturated = 0
        self.moved = self.sum_error = self.sums = 0.0
        self.least_sum, self.greatest_sum = float("inf"), 0.0

    def add(self, score: NDArray[np.float32], mask: NDArray[np.bool_], found: Reals) -> None:
        """Take in some rows: scores in natural units, which of them are masked, and weights."""
        shown = np.where(mask, -np.inf, score)
        top = shown.max(axis=1, keepdims=True)
        exact = np.exp(shown - top)
        exact /= exact.sum(axis=1, keepdims=True)
        sums, greatest = found.sum(axis=1), found.max(axis=1, keepdims=True)
        # of equal weights the one at the greatest score counts
        at_greatest = np.where(found == greatest, shown, -np.inf).max(axis=1)
        self.rows += len(found)
        self.scores += int((~mask).sum())
        self.flips += int((at_greatest < top[:, 0]).sum())
        self.empty += int((greatest == 0).sum())
        self.moved += float(np.abs(found - exact).sum()) / 2
        self.sum_error += float(np.abs(sums - 1).sum())
        self.sums += float(sums.sum())
        self.least_sum = min(self.least_sum, float(sums.min()))
        self.greatest_sum = max(self.greatest_sum, float(sums.max()))
