"""Catalogue entry of ``online_softmax``, the share of softmax in fused attention."""

from functools import partial
from typing import Any

import numpy as np

from consilico.golden.attention.online_softmax import (
    K_FRACTION,
    MOST_RESCALED,
    OnlineSoftmaxConfig,
    online_softmax,
)
from consilico.golden.attention.softmax import softmax_constant
from consilico.sim.traffic.score_traffic import score_traffic
from consilico.sim.traffic.scores import ScoreSampling
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.builder import StimulusBuilder
from consilico.sim.units.contract import FREE, MOVES, Contract, clocked_by
from consilico.sim.units.row_traffic import DRAWN_SCALE, model_rows, traffic_rows
from consilico.sim.units.rows import (
    Codes,
    Masks,
    Reals,
    add_row,
    in_beats,
    real_bf16,
    row_shapes,
    shape_hits,
)
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Powers, Unit

__all__ = ["UNITS"]

_LONGEST = 256  # scores of a row in stimuli
_LONGEST_SUMMED = 1 << 16  # beats of a row whose sum is as great as possible
_COVERAGE = (
    "every_code",
    "least_score",
    "greatest_score",
    "masked",
    "all_masked",
    "first_masked",
    "greatest_masked",
    "length_one",
    "lengths_one_in_a_row",
    "greatest_first",
    "greatest_last",
    "short_last_beat",
    "rescaled",
    "rescaled_away",
    "too_small",
    "above_one",
    "head_loaded",
    "loaded_within_row",
    "model_row",
    "reset_in_row",
)


def _hardware() -> Any:
    from consilico.hw.attention import online_softmax as hardware

    return hardware


def _golden(config: OnlineSoftmaxConfig, accepted: Accepted) -> GoldenResults:
    """Return the results of ``online_softmax``; a reset ends a row."""
    import torch

    data = {name: torch.from_numpy(part) for name, part in accepted.data.items()}
    ends = (data["last"] == 1) | torch.from_numpy(accepted.cut)
    k = torch.from_numpy(accepted.in_force["k"])[:, None]
    found = online_softmax(data["score"], data["mask"] == 1, ends, k, config)
    beats = {name: part.numpy() for name, part in found._asdict().items()}
    return GoldenResults(beats=beats | {"last": accepted.data["last"]})


def _hits(
    config: OnlineSoftmaxConfig, accepted: Accepted, results: GoldenResults
) -> dict[str, int]:
    """Return how often rows and their results hit coverage points."""
    found, shown = results.beats, accepted.data["mask"] == 0
    inside = np.append(False, accepted.data["last"][:-1] == 0) & (accepted.place > 0)
    loaded = np.diff(accepted.loads_before, prepend=0) > 0
    growth = found["rescale"][inside]
    points = {
        "rescaled": (growth > 0) & (growth < MOST_RESCALED),
        "rescaled_away": growth == MOST_RESCALED,
        "too_small": shown & (found["data"] == 0),
        "above_one": found["data"] >= 128 << 7,  # 2 and more
        "loaded_within_row": inside & loaded,
        "greatest_sum": found["sum"] > _great_sum(config),
    }
    counted = {name: int(hit.sum()) for name, hit in points.items()}
    return shape_hits(accepted, len(accepted.kind) + 1) | counted


def _great_sum(config: OnlineSoftmaxConfig) -> float:
    """Return what only the sum of a row of as many scores, as great, as there may be exceeds."""
    times = max(1, (config.row - config.lanes) << config.slack)
    return 1.98 * times * 2.0**config.sum_fraction


def _load(builder: StimulusBuilder, k: int) -> None:
    builder.configure({"k": np.array([k])})
    builder.coverage["head_loaded"] += 1


def _vectors(config: OnlineSoftmaxConfig, seed: int) -> Stimulus:
    """Drive rows that units and methods break at under several scales, and real rows."""
    rng = np.random.default_rng(seed)
    builder = UNITS[0].builder(config)
    lanes, longest = config.lanes, min(config.row, _LONGEST)
    _load(builder, softmax_constant(DRAWN_SCALE))
    for score, mask in row_shapes(longest, rng):
        add_row(builder, lanes, score, mask)
    for k in (1, (1 << K_FRACTION) - 1, *rng.integers(1, 1 << K_FRACTION, 6).tolist()):
        _load(builder, k)
        codes = np.stack([rng.permutation(256) - 128 for _ in range(lanes)], axis=1)
        builder.coverage["every_code"] += 1
        for part in np.array_split(codes, rng.integers(2, 40)):
            add_row(builder, lanes, part.reshape(-1), rng.random(part.size) < 0.1)
    for length in rng.integers(2, 40, 8).tolist():  # constants and resets within rows
        score, mask = rng.integers(-128, 128, length), np.zeros(length, dtype=bool)
        add_row(builder, lanes, score, mask, open_end=True)
        if length % 2:
            _load(builder, int(rng.integers(1, 1 << K_FRACTION)))
            add_row(builder, lanes, score[:3], mask[:3], open_end=True)
        builder.reset()
        builder.coverage["reset_in_row"] += 1
        add_row(builder, lanes, score[:5], mask[:5])
    for scale, rows in model_rows(score_traffic(), ScoreSampling(), 4, 1600):
        _load(builder, softmax_constant(scale))
        for score, mask in rows:
            builder.coverage["model_row"] += 1
            add_row(builder, lanes, score, mask)
    return builder.build()


def _exhaustive(config: OnlineSoftmaxConfig, seed: int) -> Stimulus:
    """Drive a row as long as may be whose sum has as many bits as there are."""
    builder = UNITS[0].builder(config)
    _load(builder, (1 << K_FRACTION) - 1)  # an exponent is hardly less than its score
    beats = min(-(-config.row // config.lanes), _LONGEST_SUMMED)
    score = np.full((beats, config.lanes), 1 + config.slack)
    mask = np.zeros_like(score)
    score[0], mask[0, 1:] = 1, 1  # the reference: others exceed it by as much as they may
    last = np.append(np.zeros(beats - 1, dtype=np.int64), 1)
    builder.data({"score": score, "mask": mask, "last": last}, results=score.size)
    return builder.build()


def _traffic(config: OnlineSoftmaxConfig, beats: int, *, source: str) -> Stimulus:
    """Return rows to measure activity with."""
    builder = UNITS[0].builder(config)
    for scale, rows in traffic_rows(source, _LONGEST, beats * config.lanes):
        _load(builder, softmax_constant(scale))
        for score, mask in rows:
            add_row(builder, config.lanes, score, mask)
    return builder.build()


def _exempt(config: OnlineSoftmaxConfig) -> dict[str, str]:
    """Return the coverage points that a configuration cannot hit, with the reason."""
    found = {}
    if config.lanes == 1:
        found["short_last_beat"] = "a beat of one score is never short"
    if not config.slack:
        found["above_one"] = "no score exceeds the reference by a bit"
    if config.row > _LONGEST_SUMMED * config.lanes:
        found["greatest_sum"] = f"rows of {_LONGEST_SUMMED} beats are the longest that are driven"
    return found


def _contract(config: OnlineSoftmaxConfig) -> Contract:
    masks = {f"lane{lane}/mask": f"taken{lane}_clk" for lane in range(config.lanes)}
    return Contract(
        closes="i_last",
        masked_clocks=masks,
        beat_clocks=clocked_by(_hardware().STAGES, cfg=("constants",)),
        ready={"i": MOVES, "cfg": FREE},
        lemma_nets={name: name for name in ("last2", "last3")},  # where a row begins anew
    )


def _powers(config: OnlineSoftmaxConfig, scale: float, score: Codes, mask: Masks) -> Powers:
    """Return what the unit makes of rows, as real numbers."""
    import torch

    codes, hidden = in_beats(score, mask, config.lanes)
    rows, beats, lanes = codes.shape
    ends = torch.zeros(rows, beats, dtype=torch.bool)
    ends[:, -1] = True
    found = online_softmax(
        torch.from_numpy(codes).reshape(-1, lanes),
        torch.from_numpy(hidden).reshape(-1, lanes),
        ends.reshape(-1),
        softmax_constant(scale),
        config,
    )
    shifts = found.rescale.numpy().reshape(rows, beats)
    later = shifts[:, ::-1].cumsum(axis=1)[:, ::-1] - shifts  # by how much a result is shifted yet
    scores = score.shape[1]
    return Powers(
        value=real_bf16(found.data.numpy()).reshape(rows, -1)[:, :scores],
        shift=later.repeat(lanes, axis=1)[:, :scores],
        total=found.sum.numpy().reshape(rows, beats)[:, -1] / 2.0**config.sum_fraction,
        top=1 + config.slack,
    )


def _normalize(config: OnlineSoftmaxConfig, scale: float, score: Codes, mask: Masks) -> Reals:
    """Return results rescaled and divided by the sum of their row, as what uses the unit does."""
    value, shift, total, _ = _powers(config, scale, score, mask)
    divided: Reals = value * 2.0**-shift / np.where(total == 0, 1, total)[:, None]
    return divided


UNITS = (
    Unit(
        name="online_softmax",
        family="attention",
        summary="Softmax of fused attention: exponentials, rescaling by shifts and a running sum",
        config=OnlineSoftmaxConfig,
        component=lambda config: _hardware().OnlineSoftmax(config),
        vectors=_vectors,
        golden=_golden,
        hits=_hits,
        bf16=lambda config: ("o.data",),
        coverage=_COVERAGE,
        exempt=_exempt,
        exhaustive=_exhaustive,
        exhaustive_coverage=("greatest_sum",),
        latency=lambda config: _hardware().STAGES,
        contract=_contract,
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        normalize=_normalize,
        powers=_powers,
        sources={name: partial(_traffic, source=name) for name in ("normal", "model", "synthetic")},
        measured_with=("normal",),
    ),
)
