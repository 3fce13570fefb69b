"""Findings about a normalizer in a model."""

from dataclasses import dataclass

from consilico.sim.base.facts import Facts

__all__ = ["Accuracy", "LayerError", "RowSums"]


@dataclass(frozen=True, kw_only=True)
class RowSums(Facts):
    """Sums of the weights of a row, which are 1 in exact softmax."""

    least: float
    mean: float
    greatest: float


@dataclass(frozen=True, kw_only=True)
class LayerError(Facts):
    """Distance of weights from exact softmax of the scores that a layer has, in this model."""

    layer: int  # from 0
    moved: float  # share of a row's weight that lies elsewhere, in the mean: half of the distances
    row_sum_error: float  # distance of a row's sum from 1, in the mean
    argmax_flips: float  # share of rows whose greatest weight is not at the greatest score
    saturated: float  # share of scores whose code is the least or the greatest


@dataclass(frozen=True, kw_only=True)
class Accuracy(Facts):
    """Perplexity of a model with a normalizer in place of softmax, and how that comes about."""

    derived = ("change_pct", "worst_layer")

    model: str
    text: str
    tokens: int  # of a window
    predicted: int  # tokens of all windows
    normaliser: str
    p_format: str
    lanes: int  # scores of a beat; 0: the normalizer has no beats
    perplexity: float
    baseline: float  # with softmax in floating point on scores in floating point
    row_sum: RowSums
    argmax_flips: float  # shares as in LayerError, over all layers
    empty_rows: float  # share of rows whose weights are all 0
    saturated: float
    moved: float
    layers: tuple[LayerError, ...]

    @property
    def change_pct(self) -> float:
        """Return by how much perplexity is above the baseline."""
        return 100 * (self.perplexity / self.baseline - 1)

    @property
    def worst_layer(self) -> int:
        """Return the layer that moves most weight."""
        return max(self.layers, key=lambda each: each.moved).layer
