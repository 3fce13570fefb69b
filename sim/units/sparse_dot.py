"""Catalogue entry of the dot product with 2:4 sparse weights."""

from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from consilico.golden.matmul.sparse_dot import SparseDotConfig, sparse_dot
from consilico.sim.traffic.operand_streams import (
    layer_sparse_stream,
    mean_inputs,
    operand_stream,
    random_sparse_stream,
)
from consilico.sim.traffic.quantized import Format
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.builder import StimulusBuilder
from consilico.sim.units.dot import accumulating, golden_sums
from consilico.sim.units.products import every_product, extreme_beats, in_every_lane
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS"]

Codes = NDArray[np.int64]
_DRAWN_SUMS = 120
_TRAFFIC_BEATS = 32  # of a sum of random traffic


def _add(
    builder: StimulusBuilder, x: Codes, w: Codes, index: Codes, last: NDArray[np.bool_]
) -> None:
    """Add beats of operands to a stimulus."""
    beats = {"x": x, "w": w, "index": index, "last": last}
    builder.data(beats, int(last.sum()), operations=w.size)


def _golden(config: SparseDotConfig, accepted: Accepted) -> GoldenResults:
    import torch

    x, w, index = (torch.from_numpy(accepted.data[name]) for name in ("x", "w", "index"))
    return golden_sums(
        accepted, lambda last: sparse_dot(x, w, index, torch.from_numpy(last), config), config
    )


def _hits(config: SparseDotConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    x, w, index = (accepted.data[name] for name in ("x", "w", "index"))
    met = np.take_along_axis(x, 4 * (np.arange(config.lanes) // 2) + index, axis=1)
    pair = (met - config.x_range[0] << config.w_width) + w - config.w_range[0]
    of_lanes = {
        f"index_{place}": int((index == place).sum(axis=0).min(initial=len(index)))
        for place in range(4)
    }
    return of_lanes | {"every_product": in_every_lane(pair, 1 << config.x_width + config.w_width)}


def _drawn_index(rng: np.random.Generator, beats: int, lanes: int, *, apart: bool = False) -> Codes:
    """Draw a place of every four for each lane.

    Pruning gives two different places, in order; the unit takes any, and every other beat has such.

    Args:
        rng: Random generator.
        beats: Number of beats.
        lanes: Number of lanes.
        apart: Whether the lanes of a pair always have two different places, in whatever order.
    """
    places = rng.random((beats, lanes // 2, 4)).argsort(axis=2)[:, :, :2]
    pruned = np.sort(places, axis=2).reshape(beats, lanes)
    drawn = rng.integers(0, 4, size=(beats, lanes))
    others = places.reshape(beats, lanes) if apart else drawn
    return np.where(np.arange(beats)[:, None] % 2, others, pruned)


def _vectors(config: SparseDotConfig, seed: int) -> Stimulus:
    """Drive drawn sums with resets, and sums of extremes at full depth in every place."""
    rng = np.random.default_rng(seed)
    builder = UNITS[0].builder(config)
    (x_low, x_high), (w_low, w_high) = config.x_range, config.w_range
    for number in range(_DRAWN_SUMS):
        reset = number % 16 == 5
        beats = int(rng.integers(1 + reset, 7)) if number % 4 else 1
        x = rng.integers(x_low, x_high + 1, size=(beats, 2 * config.lanes))
        w = rng.integers(w_low, w_high + 1, size=(beats, config.lanes))
        last = np.arange(beats) == beats - 1 - reset  # a reset meets a result and a begun sum
        _add(builder, x, w, _drawn_index(rng, beats, config.lanes), last)
        if reset:
            builder.reset()
            builder.coverage["reset_in_sum"] += 1
    for x_code in config.x_range:
        for w_code in config.w_range:
            beats = extreme_beats(config, greatest=x_code < 0 and w_code < 0)
            last = np.arange(beats) == beats - 1
            x = np.full((beats, 2 * config.lanes), x_code)
            w = np.full((beats, config.lanes), w_code)
            _add(builder, x, w, _drawn_index(rng, beats, config.lanes), last)
    return builder.build()


def _exhaustive(config: SparseDotConfig, seed: int) -> Stimulus:
    """Drive every product in every lane, and the greatest and the least sum of full depth."""
    rng = np.random.default_rng(seed)
    builder = UNITS[0].builder(config)
    lanes, (x_low, _) = config.lanes, config.x_range
    met, w = every_product(config.x, config.w, lanes)
    index = _drawn_index(rng, len(met), lanes, apart=True)
    x = rng.integers(x_low, -x_low, size=(len(met), 2 * lanes))
    np.put_along_axis(x, 4 * (np.arange(lanes) // 2) + index, met, axis=1)
    _add(builder, x, w, index, np.ones(len(x), dtype=bool))
    beats = max(1, config.depth // lanes)
    last = np.arange(beats) == beats - 1
    for w_code in config.w_range:
        index = _drawn_index(rng, beats, lanes)
        x = np.full((beats, 2 * lanes), x_low)
        _add(builder, x, np.full((beats, lanes), w_code), index, last)
        builder.coverage["extremes_at_depth"] += 1
    return builder.build()


def _traffic(config: SparseDotConfig, beats: int, *, source: str) -> Stimulus:
    """Return whole dot products, their weights pruned to 2:4 by magnitude.

    Args:
        config: The unit.
        source: ``"model"``: of a language model's linear layers; ``"normal"``, ``"uniform"``: see
            :data:`consilico.sim.traffic.operand_streams.Distribution`.
        beats: Number of beats, about.

    Raises:
        ValueError: If no layer's inputs divide by twice the lanes.
    """
    forms = cast(Format, config.x), cast(Format, config.w)
    lanes = config.lanes
    depth = 2 * lanes * _TRAFFIC_BEATS
    stream = operand_stream(
        source,
        lambda layers: layer_sparse_stream(layers, *forms, lanes, beats),
        lambda drawn: random_sparse_stream(drawn, *forms, lanes, beats, depth=depth),
    )
    builder = UNITS[0].builder(config)
    x, w, index = (part[:beats] for part in (stream.x, stream.w, stream.index))
    _add(builder, x, w, index, stream.last[:beats])
    return builder.build()


def _length(config: SparseDotConfig, source: str) -> float:

    lanes = config.lanes
    return mean_inputs(2 * lanes, 4) / 2 if source == "model" else _TRAFFIC_BEATS * lanes


def _hardware() -> Any:
    from consilico.hw.matmul import sparse_dot

    return sparse_dot


UNITS = (
    Unit(
        name="matmul/sparse_dot",
        summary="Dot product with 2:4 sparse weights: half the multipliers",
        config=SparseDotConfig,
        component=lambda config: _hardware().SparseDot(config),
        vectors=_vectors,
        golden=_golden,
        hits=_hits,
        coverage=(
            "index_0", "index_1", "index_2", "index_3", "reset_in_sum",
        ),
        exhaustive=_exhaustive,
        exhaustive_coverage=("every_product", "extremes_at_depth"),
        latency=lambda config: _hardware().latency(config),
        contract=accumulating,
        census=lambda batch: _hardware().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operation="MAC",
        operations_per_result=_length,
        sources={name: partial(_traffic, source=name) for name in ("model", "normal", "uniform")},
    ),
)  # fmt: skip
