"""The hook that puts a normalizer into every head of a model, and counts what it does there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from consilico.sim.accuracy.drop_in import GREATEST, DropIn
from consilico.sim.accuracy.facts import LayerError, RowSums
from consilico.sim.base.errors import UserError
from consilico.sim.traffic.scores import quantize_scores

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["HardwareAttention"]

_ROWS = 64  # at a time: their keys and what comes of them stay in the processor's cache

Reals = NDArray[np.float32]


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
        """Return the weights of a layer, float32, the shape of the scores; 0 for future keys.

        Raises:
            UserError: If the scale of a head is none for the unit.
        """
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
                    code = quantize_scores(score, scale).astype(np.int64)
                    try:
                        found = self._normalizer.weights(scale, code, mask).astype(np.float32)
                    except ValueError as error:
                        name = self._normalizer.name
                        raise UserError(f"{name} in layer {layer}, head {head}: {error}") from error
                    shown = np.where(mask, -np.inf, score)
                    limit = scale * (GREATEST - 0.5)  # from here on a code is the last
                    self._counts[layer].add(shown, mask, found, limit)
                    weights[window, head, first:end, :end] = torch.from_numpy(found)
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
    """Counts that are added up over the rows of one layer."""

    def __init__(self) -> None:
        self.rows = self.scores = self.flips = self.empty = self.saturated = 0
        self.moved = self.sum_error = self.sums = 0.0
        self.least_sum, self.greatest_sum = float("inf"), 0.0

    def add(self, shown: Reals, mask: NDArray[np.bool_], found: Reals, limit: float) -> None:
        """Take in some rows.

        Args:
            shown: Scores in natural units, minus infinity where masked.
            mask: Which are masked.
            found: Their weights.
            limit: Magnitude from which on a score's code is the least or the greatest.
        """
        top = shown.max(axis=1, keepdims=True)
        exact = np.exp(shown - top)
        exact /= exact.sum(axis=1, keepdims=True)
        sums = found.sum(axis=1, dtype=np.float64)
        greatest = found.max(axis=1, keepdims=True)
        at_top = np.take_along_axis(found, shown.argmax(axis=1, keepdims=True), axis=1)
        masked = int(mask.sum())
        self.rows += len(found)
        self.scores += mask.size - masked
        self.saturated += int((np.abs(shown) >= limit).sum()) - masked
        self.flips += int((at_top < greatest).sum())
        self.empty += int((greatest == 0).sum())
        np.abs(np.subtract(found, exact, out=exact), out=exact)
        self.moved += float(exact.sum(dtype=np.float64)) / 2
        self.sum_error += float(np.abs(sums - 1).sum())
        self.sums += float(sums.sum())
        self.least_sum = min(self.least_sum, float(sums.min()))
        self.greatest_sum = max(self.greatest_sum, float(sums.max()))
