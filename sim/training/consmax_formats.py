"""Put the bit-exact normalizer and each format of P into a decoder that was trained with ConSmax.

Scores get INT8 codes, whose scale is calibrated on text for training; ``consmax/log2``, or
``softmax`` in a model that was trained with it, makes bf16 numbers of them as the hardware does;
those get a format of P. All else runs in float32. A result of ConSmax depends on the code, the
head and, with ``1 / (t + 1)``, the row, and on nothing else: so each is computed once.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from consilico.golden.attention.consmax import HeadConstants
from consilico.golden.attention.consmax_log2 import (
    Log2Config,
    Log2Constants,
    consmax_log2,
    log2_constants,
)
from consilico.golden.attention.consmax_module import ConSmax, head_constants
from consilico.sim.accuracy.drop_in import GREATEST, drop_in
from consilico.sim.accuracy.facts import RowSums
from consilico.sim.accuracy.formats import PFormat, find_p_format
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.traffic.scores import quantize_scores
from consilico.sim.training.consmax_gpt import NormalizedModel
from consilico.sim.training.consmax_run import held_out_loss
from consilico.sim.units.rows import real_bf16

__all__ = [
    "FORMATS",
    "LEAST_BINADE",
    "Calibration",
    "Distribution",
    "FormatLoss",
    "HardwareWeights",
    "UnitResults",
    "calibrated",
    "consmax_results",
    "format_losses",
    "formatted",
]

FORMATS = ("bf16", "2xint7", "uint8", "int7", "uint8-max", "uint8-head")
"""Formats of P that are measured, by their names in :mod:`consilico.sim.accuracy.formats`.

``uint8-head`` is 8 bits whose point is the head's: codes end at the least power of two that no
result of the head exceeds in calibration. The power goes into the scale of what comes out of the
product.
"""

LEAST_BINADE = -24
"""The first binade of a distribution has what is below ``2 ** (LEAST_BINADE + 1)``."""

_OWN_POINT, _FIXED = "uint8-head", "uint8"
_BINADES = 32  # the last one has what is at least 2 ** (LEAST_BINADE + _BINADES - 1)
_AT_A_TIME = 1 << 21  # scores of a layer, about

Masks = NDArray[np.bool_]
Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class FormatLoss(Facts):
    """Loss of a trained model with a format of P, on the passage."""

    p_format: str
    loss: float  # nats per byte or token
    vanished: float  # share of results above 0 whose weight is 0
    lost: float  # share of the sum of all results that these are
    saturated: float  # share of results above the greatest weight that the format has
    moved: float  # sum of distances between result and weight, as a share of the sum of results


@dataclass(frozen=True, kw_only=True)
class Distribution(Facts):
    """Size of the results of the normalizer, over all heads and layers.

    Shares are by binades from ``2 ** LEAST_BINADE`` on; the first and the last one have all that is
    below and above.
    """

    row_sum: RowSums
    greatest: float
    results: tuple[float, ...]  # shares of the results, future keys left out
    weight: tuple[float, ...]  # shares of their sum

    def below(self, binade: int) -> tuple[float, float]:
        """Return the shares of the results and of their sum that lie below ``2 ** binade``."""
        count = binade - LEAST_BINADE
        return sum(self.results[:count]), sum(self.weight[:count])


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Greatest values that heads of a model have in text for training, ``[layer][head]``."""

    score: tuple[tuple[float, ...], ...]  # magnitude, natural units
    weight: tuple[tuple[float, ...], ...]


def calibrated(model: NormalizedModel, windows: Tensor) -> Calibration:
    """Return the greatest scores and weights of a model in floating point.

    Args:
        model: The trained model.
        windows: Of text for training, int64, shape ``(windows, context + 1)``.
    """
    score, weight = _Greatest(), _Greatest()

    def noted(layer: int, scores: Tensor) -> Tensor:
        weights = model.weights(layer, scores)
        score.add(layer, scores.abs().tril_())
        weight.add(layer, weights)
        return weights

    held_out_loss(model, windows, noted)
    return Calibration(score=score.found, weight=weight.found)


class _Greatest:
    """The greatest values that heads have had."""

    def __init__(self) -> None:
        self._most: dict[int, Tensor] = {}

    def add(self, layer: int, values: Tensor) -> None:
        """Take in values of a layer, shape ``(batch, heads, queries, keys)``."""
        found = values.amax(dim=(0, 2, 3))
        self._most[layer] = torch.maximum(self._most.get(layer, found), found)

    @property
    def found(self) -> tuple[tuple[float, ...], ...]:
        """Return them by layer and head."""
        return tuple(tuple(self._most[layer].tolist()) for layer in sorted(self._most))


def consmax_results(constants: HeadConstants, rows: int, *, per_row: bool) -> Reals:
    """Return what ``consmax/log2`` makes of every code from -127 to 127 under a head's constants.

    Args:
        constants: Of the head.
        rows: Queries of a window.
        per_row: Whether query ``t`` has a constant of its own, ``C / (t + 1)``.

    Returns:
        Shape ``(rows, 255)``, or ``(1, 255)`` where all rows have the same constant.

    Raises:
        UserError: If the unit cannot have the constants.
    """
    config = Log2Config(lanes=2 * GREATEST + 1)
    counts = range(1, rows + 1) if per_row else (1,)
    try:
        registers = [
            log2_constants(
                HeadConstants(scale=constants.scale, log_c=constants.log_c - math.log(count)),
                config,
            )
            for count in counts
        ]
    except ValueError as error:
        raise UserError(f"consmax/log2 cannot have the constants of a head: {error}") from error
    k, b = (torch.tensor([[getattr(each, name)] for each in registers]) for name in ("k", "b"))
    score = torch.arange(-GREATEST, GREATEST + 1).expand(len(counts), -1)
    nothing = torch.zeros(score.shape, dtype=torch.bool)
    return real_bf16(consmax_log2(score, nothing, Log2Constants(k=k, b=b), config).data.numpy())


def _greatest_scale() -> float:
    """Return the greatest scale of ``consmax/log2``; codes of scores above its range saturate."""
    config = Log2Config()
    return math.log(2) * ((1 << config.k_width) - 1) / (1 << config.k_fraction)


def formatted(result: Reals, form: PFormat, *, sums_to_one: bool) -> Reals:
    """Return the weights that results have in a format of P.

    Args:
        result: Shape ``(rows, keys)``, 0 for future keys.
        form: The format.
        sums_to_one: Whether rows are meant to, as softmax's: then relative codes are divided by
            their sum. Those of ConSmax are multiplied by the row's greatest result.
    """
    if sums_to_one or not form.relative:
        return form.weights(result)
    greatest = result.max(axis=1, keepdims=True)
    unit = np.where(greatest == 0, 1, greatest) / ((1 << form.bits) - 1)
    weights: Reals = np.floor(result / unit + 0.5) * unit
    return weights


class UnitResults:
    """The bit-exact unit with the constants of a trained model, and its ceiling.

    Args:
        model: The trained model.
        kind: What it was trained with.
        calibration: Of the model.
        context: Bytes or tokens of a window.

    Raises:
        UserError: If the unit cannot have the constants of a head.
    """

    def __init__(
        self, model: NormalizedModel, kind: str, calibration: Calibration, context: int
    ) -> None:
        self.softmax, self.calibration = kind == "softmax", calibration
        limit = math.inf if self.softmax else _greatest_scale()
        self._scales = [[min(each / GREATEST, limit) for each in row] for row in calibration.score]
        self._drop_in = drop_in("softmax", "bf16", context)
        most = math.exp(model.ceiling)
        self._tables: list[list[Reals]] = [
            [
                np.minimum(consmax_results(head, context, per_row=kind == "consmax_rows"), most)
                for head in head_constants(constants, torch.tensor(scales))
            ]
            for constants, scales in zip(
                cast(Iterable[ConSmax], model.constants), self._scales, strict=False
            )
        ]

    def results(self, layer: int, head: int, scores: Reals, future: Masks) -> Reals:
        """Return what the unit makes of the scores of a head in whole windows.

        Args:
            layer: From 0.
            head: From 0.
            scores: Natural units, shape ``(windows * time, time)``.
            future: The same shape; True for future keys, whose results are 0.
        """
        scale = self._scales[layer][head]
        code = quantize_scores(scores, scale).astype(np.int64)
        if self.softmax:
            unit = self._drop_in.unit
            assert unit is not None
            assert unit.normalize is not None
            return unit.normalize(self._drop_in.config, scale, code, future)
        table = self._tables[layer][head]
        rows = np.arange(len(code)) % code.shape[1] if len(table) > 1 else np.zeros(1, int)
        result: Reals = table[rows[:, None], code + GREATEST]
        result[future] = 0
        return result


class HardwareWeights:
    """Makes weights of scores as hardware does, and counts what the format does to them.

    Args:
        unit: Makes results of the scores.
        p_format: One of :data:`FORMATS`.
    """

    def __init__(self, unit: UnitResults, p_format: str) -> None:
        own_point = p_format == _OWN_POINT
        form = find_p_format(_FIXED if own_point else p_format)
        self._unit, self._form = unit, form
        self._tops = [
            [2.0 ** math.ceil(math.log2(each)) if own_point else 1.0 for each in layer]
            for layer in unit.calibration.weight
        ]
        fixed = form.bits and not form.relative
        self.counts = _Counts(1 - 2.0**-form.bits if fixed else math.inf)

    def __call__(self, layer: int, scores: Tensor) -> Tensor:
        """Return the weights of a layer, float32, the shape of the scores; 0 for future keys."""
        weights = torch.empty_like(scores)
        batch, heads, time, _ = scores.shape
        future = np.tile(np.arange(time) > np.arange(time)[:, None], (batch, 1))
        for head in range(heads):
            score = scores[:, head].reshape(-1, time).double().numpy()
            result = self._unit.results(layer, head, score, future)
            top = self._tops[layer][head]  # a power of two: nothing is rounded here
            found = formatted(result / top, self._form, sums_to_one=self._unit.softmax) * top
            self.counts.add(result, found, future, top)
            weights[:, head] = torch.from_numpy(found.reshape(batch, time, time))
        return weights


class _Counts:
    """Counts of results and weights, of which a format has none above a limit."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self.results = self.vanished = self.saturated = self.rows = 0
        self.sum = self.lost = self.moved = self.greatest = 0.0
        self.least_sum, self.greatest_sum = math.inf, 0.0
        self.by_binade = np.zeros((2, _BINADES))

    def add(self, result: Reals, found: Reals, future: Masks, top: float) -> None:
        """Take in the rows of a head whose codes end at ``top``."""
        shown, weight = result[~future], found[~future]
        gone = (weight == 0) & (shown > 0)
        sums = result.sum(axis=1)
        self.results += shown.size
        self.rows += len(result)
        self.vanished += int(gone.sum())
        self.lost += float(shown[gone].sum())
        self.saturated += int((shown > self._limit * top).sum())
        self.moved += float(np.abs(shown - weight).sum())
        self.sum += float(sums.sum())
        self.greatest = max(self.greatest, float(shown.max()))
        self.least_sum = min(self.least_sum, float(sums.min()))
        self.greatest_sum = max(self.greatest_sum, float(sums.max()))
        binade = np.clip(np.frexp(shown)[1] - 1 - LEAST_BINADE, 0, _BINADES - 1)
        binade[shown == 0] = 0
        self.by_binade[0] += np.bincount(binade, minlength=_BINADES)
        self.by_binade[1] += np.bincount(binade, weights=shown, minlength=_BINADES)

    def distribution(self) -> Distribution:
        """Return how great the results were."""
        results, weight = self.by_binade / self.by_binade.sum(axis=1, keepdims=True)
        return Distribution(
            row_sum=RowSums(
                least=self.least_sum, mean=self.sum / self.rows, greatest=self.greatest_sum
            ),
            greatest=self.greatest,
            results=tuple(results.tolist()),
            weight=tuple(weight.tolist()),
        )


def format_losses(
    model: NormalizedModel, kind: str, calibration: Calibration, windows: Tensor
) -> tuple[tuple[FormatLoss, ...], Distribution]:
    """Measure the loss of a model with the bit-exact unit and each format of P.

    Args:
        model: The trained model.
        kind: What it was trained with.
        calibration: Of the model.
        windows: Of held-out text, int64, shape ``(windows, context + 1)``.

    Returns:
        A loss for each of :data:`FORMATS`, and the results of the unit where P is bf16.
    """
    context = windows.shape[1] - 1
    parts = torch.split(windows, max(1, _AT_A_TIME // (len(calibration.score[0]) * context**2)))
    unit = UnitResults(model, kind, calibration, context)
    losses, distributions = [], []
    for name in FORMATS:
        weights = HardwareWeights(unit, name)
        loss = sum(held_out_loss(model, part, weights) * len(part) for part in parts)
        counts = weights.counts
        losses.append(
            FormatLoss(
                p_format=name,
                loss=loss / len(windows),
                vanished=counts.vanished / counts.results,
                lost=counts.lost / counts.sum,
                saturated=counts.saturated / counts.results,
                moved=counts.moved / counts.sum,
            )
        )
        distributions.append(counts.distribution())
    return tuple(losses), distributions[FORMATS.index("bf16")]
