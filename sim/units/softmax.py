"""Catalogue entry of ``softmax``, the exact one."""

from functools import partial
from typing import Any

import numpy as np

from consilico.golden.attention.softmax import K_FRACTION, SoftmaxConfig, softmax, softmax_constant
from consilico.sim.traffic.score_traffic import score_traffic
from consilico.sim.traffic.scores import ScoreSampling
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.builder import StimulusBuilder
from consilico.sim.units.row_contract import row_contract
from consilico.sim.units.row_draws import drawn_rows
from consilico.sim.units.row_timing import RowTiming, row_cycles
from consilico.sim.units.row_traffic import DRAWN_SCALE, model_rows, traffic_rows
from consilico.sim.units.rows import (
    COVERAGE,
    Codes,
    Masks,
    Reals,
    add_row,
    add_rows,
    in_beats,
    of_scores,
    real_bf16,
    row_exempt,
    row_hits,
    row_results,
    rows_of,
)
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS"]

_DRAWN = 1 << 16  # beats of the exhaustive stimulus
_SCALES = 64  # of it
_SMALL = 1 << 12  # rows of it whose sums are decided by their lowest bits


def _hardware() -> Any:
    from consilico.hw.attention import softmax as hardware

    return hardware


def _timing(config: SoftmaxConfig) -> RowTiming:
    hardware = _hardware()
    return RowTiming(
        gather=hardware.gather_stages(config), deliver=hardware.DELIVER, constants=True
    )


def _golden(config: SoftmaxConfig, accepted: Accepted) -> GoldenResults:
    """Return the results of ``softmax``: a row has the constant that its first beat meets."""
    import torch

    first = rows_of(accepted).first
    k = accepted.in_force["k"][first] if len(first) else np.zeros(0, dtype=np.int64)

    def normalized(score: Any, mask: Any, rows: Any) -> Any:
        of_row = torch.from_numpy(k[rows])[:, None, None]
        return softmax(torch.from_numpy(score), torch.from_numpy(mask), of_row, config).numpy()

    return row_results(config, accepted, normalized)


def _load(builder: StimulusBuilder, scale: float) -> None:
    builder.configure({"k": np.array([softmax_constant(scale)])})
    builder.coverage["head_loaded"] += 1


def _vectors(config: SoftmaxConfig, seed: int) -> Stimulus:
    """Drive rows that units and methods break at under several scales, and real rows."""
    rng = np.random.default_rng(seed)
    builder = UNITS[0].builder(config)
    _load(builder, DRAWN_SCALE)
    add_rows(builder, config, rng, [])
    lanes = config.lanes
    for k in (1, (1 << K_FRACTION) - 1, *rng.integers(1, 1 << K_FRACTION, 6)):
        builder.configure({"k": np.array([k])})
        for length in (1, 2, *rng.integers(1, min(config.row, 60), 3)):
            score = rng.integers(-128, 128, length)
            add_row(builder, lanes, score, rng.random(length) < 0.1)
    for scale in (0.5 / 127, 24 / 127):
        _load(builder, scale)
        codes = np.array_split(rng.permutation(256) - 128, -(-256 // config.row))
        for score in codes:
            add_row(builder, lanes, score, np.zeros(len(score), dtype=bool))
    for scale, rows in model_rows(score_traffic(), ScoreSampling(), 4, 1600):
        _load(builder, scale)
        for score, mask in rows:
            builder.coverage["model_row"] += 1
            add_row(builder, lanes, score[: config.row], mask[: config.row])
    return builder.build()


def _exhaustive(config: SoftmaxConfig, seed: int) -> Stimulus:
    """Drive rows whose sums and shares take all values that those of short rows have."""
    builder = UNITS[0].builder(config)
    rng = np.random.default_rng(seed)
    for _ in range(_SCALES):
        builder.configure({"k": np.array([int((1 << K_FRACTION) ** rng.uniform(0.5, 1))])})
        for score, mask in drawn_rows(rng, config.lanes, config.beats, _DRAWN // _SCALES):
            add_row(builder, config.lanes, score, mask)
    _small_terms(builder, config, rng)
    return builder.build()


def _small_terms(builder: StimulusBuilder, config: SoftmaxConfig, rng: np.random.Generator) -> None:
    """Add rows of one great power and a few so small that they only move the lowest bits of a sum.

    Their carries reach the bits of which the logarithm is taken, or just do not.
    """
    for _ in range(_SCALES):
        k = int((1 << K_FRACTION) ** rng.uniform(0.85, 1))
        builder.configure({"k": np.array([k])})
        for _ in range(_SMALL // _SCALES):
            length = int(rng.integers(3, min(config.row, 12)))
            below = rng.uniform(10.5, 14, length) * (1 << K_FRACTION) / k
            below[0 if rng.random() < 0.5 else -1] = 0
            score = 127 - np.minimum(below.astype(np.int64), 255)
            add_row(builder, config.lanes, score, np.zeros(length, dtype=bool))


def _traffic(config: SoftmaxConfig, beats: int, *, source: str) -> Stimulus:
    """Return rows to measure activity with."""
    builder = UNITS[0].builder(config)
    for scale, rows in traffic_rows(source, config.row, beats * config.lanes):
        _load(builder, scale)
        for score, mask in rows:
            add_row(builder, config.lanes, score, mask)
    return builder.build()


def _normalize(config: SoftmaxConfig, scale: float, score: Codes, mask: Masks) -> Reals:
    """Return what the unit makes of rows, as real numbers."""
    import torch

    codes, hidden = map(torch.from_numpy, in_beats(score, mask, config.lanes))
    found = softmax(codes, hidden, softmax_constant(scale), config)
    return real_bf16(of_scores(found.numpy(), score.shape[1]))


UNITS = (
    Unit(
        name="softmax",
        family="attention",
        summary="Exact softmax within 1 ulp of bf16: two passes, logarithms instead of a division",
        config=SoftmaxConfig,
        component=lambda config: _hardware().Softmax(config),
        vectors=_vectors,
        exhaustive=_exhaustive,
        golden=_golden,
        hits=row_hits,
        bf16=lambda config: ("o.data",),
        coverage=(*COVERAGE, "head_loaded"),
        exempt=row_exempt,
        latency=lambda config: _timing(config).latency,
        item_cycles=lambda config, accepted: row_cycles(_timing(config), config, accepted),
        contract=lambda config: row_contract(config, _timing(config), {}),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        normalize=_normalize,
        sources={name: partial(_traffic, source=name) for name in ("normal", "model", "synthetic")},
        measured_with=("normal",),
    ),
)
