"""Catalogue entry of ``base2_scores``, the scale in front of units that take exponents of 2."""

from functools import partial
from typing import Any

import numpy as np

from consilico.golden.attention.base2_scores import (
    FRACTION,
    K_FRACTION,
    Base2ScoresConfig,
    base2_scores,
    scale_constant,
)
from consilico.sim.traffic.score_traffic import score_traffic
from consilico.sim.traffic.scores import ScoreSampling
from consilico.sim.units.accepted import Accepted, GoldenResults, one_cycle_per_item
from consilico.sim.units.builder import StimulusBuilder
from consilico.sim.units.contract import MOVES, Contract, clocked_by
from consilico.sim.units.products import in_every_lane
from consilico.sim.units.row_traffic import model_rows, traffic_rows
from consilico.sim.units.rows import add_row
from consilico.sim.units.scores import every_code
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS"]

_LONGEST = 256  # scores of a row in stimuli
_CODES, _SCALES = 256, 1 << K_FRACTION  # that there are
_WHOLE_LANES = 4  # up to which the exhaustive stimulus has every scale


def _hardware() -> Any:
    from consilico.hw.attention import base2_scores as hardware

    return hardware


def _golden(config: Base2ScoresConfig, accepted: Accepted) -> GoldenResults:
    """Return the results of ``base2_scores``; masks and ends of rows pass through."""
    import torch

    score = torch.from_numpy(accepted.data["score"])
    k = torch.from_numpy(accepted.in_force["k"])[:, None]
    return GoldenResults(
        beats={
            "score": base2_scores(score, k, config).numpy(),
            "mask": accepted.data["mask"],
            "last": accepted.data["last"],
        }
    )


def _hits(config: Base2ScoresConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    """Return how often scores and results hit coverage points."""
    score, code = accepted.data["score"], results.beats["score"]
    k = accepted.in_force["k"][:, None]
    product = score * k
    drop = K_FRACTION - FRACTION
    rounded = (product + (1 << drop - 1)) >> drop
    rest = product & (1 << drop) - 1
    points = {
        "least_score": score == -128,
        "greatest_score": score == 127,
        "masked": accepted.data["mask"] == 1,
        "row_ends": accepted.data["last"] == 1,
        "rounded_up": rest > 1 << drop - 1,
        "rounded_down": (rest > 0) & (rest < 1 << drop - 1),
        "tie": rest == 1 << drop - 1,
        "saturated_low": code > rounded,
        "saturated_high": code < rounded,
    }
    counted = {name: int(hit.sum()) for name, hit in points.items()}
    if config.lanes <= _WHOLE_LANES:
        counted["every_product"] = in_every_lane(score + 128 + _CODES * k, _CODES * _SCALES)
    return counted


def _load(builder: StimulusBuilder, k: int) -> None:
    builder.configure({"k": np.array([k])})
    builder.coverage["head_loaded"] += 1


def _vectors(config: Base2ScoresConfig, seed: int) -> Stimulus:
    """Drive every code in every lane under several scales, and real rows; masks, resets."""
    rng = np.random.default_rng(seed)
    builder = UNITS[0].builder(config)
    ends = (1, 2, (1 << K_FRACTION) - 1, 1 << K_FRACTION - 1, *map(scale_constant, (0.1, 0.19)))
    for index, k in enumerate((*ends, *rng.integers(1, 1 << K_FRACTION, 8).tolist())):
        _load(builder, k)
        codes = np.stack([rng.permutation(256) - 128 for _ in range(config.lanes)], axis=1)
        builder.coverage["every_code"] += 1
        for part in np.array_split(codes, rng.integers(2, 12)):
            add_row(builder, config.lanes, part.reshape(-1), rng.random(part.size) < 0.2)
        if index % 3 == 0:
            builder.reset()
            builder.coverage["reset_in_stream"] += 1
    for scale, rows in model_rows(score_traffic(), ScoreSampling(), 4, 1600):
        _load(builder, scale_constant(scale))
        for score, mask in rows:
            builder.coverage["model_row"] += 1
            add_row(builder, config.lanes, score, mask)
    return builder.build()


def _exhaustive(config: Base2ScoresConfig, seed: int) -> Stimulus:
    """Drive every score with every scale in every lane; with some of the scales in many lanes."""
    rng = np.random.default_rng(seed)
    builder = UNITS[0].builder(config)
    whole = config.lanes <= _WHOLE_LANES
    scales = range(_SCALES) if whole else rng.permutation(_SCALES)[: _SCALES // 16].tolist()
    for k in scales:
        builder.configure({"k": np.array([k])})
        codes = every_code(rng, config.lanes)
        last = np.zeros(len(codes), dtype=np.int64)
        last[-1] = 1
        builder.data({"score": codes, "mask": 0 * codes, "last": last}, results=codes.size)
    return builder.build()


def _traffic(config: Base2ScoresConfig, beats: int, *, source: str) -> Stimulus:
    """Return rows to measure activity with."""
    builder = UNITS[0].builder(config)
    for scale, rows in traffic_rows(source, _LONGEST, beats * config.lanes):
        _load(builder, scale_constant(scale))
        for score, mask in rows:
            add_row(builder, config.lanes, score, mask)
    return builder.build()


def _exempt(config: Base2ScoresConfig) -> dict[str, str]:
    """Return the coverage points that a configuration cannot hit, with the reason."""
    found: dict[str, str] = {}
    if not config.saturates:
        fits = "every product of a score and a scale fits a result"
        found |= {"saturated_low": fits, "saturated_high": fits}
    if config.lanes > _WHOLE_LANES:
        found["every_product"] = (
            f"{config.lanes} lanes see every score with {_SCALES // 16} scales, drawn from"
            f" {_SCALES}; up to {_WHOLE_LANES} lanes see them all"
        )
    return found


UNITS = (
    Unit(
        name="base2_scores",
        family="attention",
        summary="INT8 scores times a scale per head, as exponents of 2 with 2 fraction bits",
        config=Base2ScoresConfig,
        component=lambda config: _hardware().Base2Scores(config),
        vectors=_vectors,
        golden=_golden,
        hits=_hits,
        coverage=(
            "every_code",
            "least_score",
            "greatest_score",
            "masked",
            "row_ends",
            "rounded_up",
            "rounded_down",
            "tie",
            "saturated_low",
            "saturated_high",
            "head_loaded",
            "model_row",
            "reset_in_stream",
        ),
        exempt=_exempt,
        exhaustive=_exhaustive,
        exhaustive_coverage=("every_product",),
        item_cycles=one_cycle_per_item,
        latency=lambda config: _hardware().STAGES,
        contract=lambda config: Contract(
            beat_clocks=clocked_by(1, i=("taken",), cfg=("constants",)),
            ready={"i": f"{MOVES} && !cfg_valid", "cfg": "1"},
        ),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        sources={name: partial(_traffic, source=name) for name in ("normal", "model", "synthetic")},
        measured_with=("normal",),
    ),
)
