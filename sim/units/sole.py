"""Catalogue entry of ``sole``, E2Softmax: a rival of ConSmax that only shifts."""

from functools import partial
from typing import Any

import numpy as np

from consilico.golden.attention.sole import (
    MOST_EXPONENT,
    SCORE_FRACTION,
    SUM_FRACTION,
    SoleConfig,
    exponent_of,
    row_sum,
    sole,
)
from consilico.sim.traffic.score_traffic import score_traffic
from consilico.sim.traffic.scores import ScoreSampling
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.row_contract import row_contract
from consilico.sim.units.row_draws import drawn_rows
from consilico.sim.units.row_timing import RowTiming, row_cycles
from consilico.sim.units.row_traffic import model_rows, traffic_rows
from consilico.sim.units.rows import (
    COVERAGE,
    Codes,
    Masks,
    Reals,
    add_row,
    add_rows,
    in_beats,
    of_scores,
    row_exempt,
    row_hits,
    row_results,
)
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS", "row_at_step"]

_DRAWN = 1 << 16  # beats of the exhaustive stimulus
_AT_STEPS = 2000  # rows of it whose sums are at steps of the quotient, or one below


def _hardware() -> Any:
    from consilico.hw.attention import sole as hardware

    return hardware


def _timing(config: SoleConfig) -> RowTiming:
    hardware = _hardware()
    return RowTiming(gather=hardware.gather_stages(config), deliver=hardware.DELIVER)


def _golden(config: SoleConfig, accepted: Accepted) -> GoldenResults:
    """Return the results of ``sole``."""
    import torch

    def normalized(score: Codes, mask: Masks, rows: Codes) -> Codes:
        found: Codes = sole(torch.from_numpy(score), torch.from_numpy(mask), config).numpy()
        return found

    return row_results(config, accepted, normalized)


def _codes(score: Codes, scale: float) -> Codes:
    """Return INT8 scores as the unit takes them: in natural units, with 4 fraction bits."""
    codes = np.rint(score * (scale * (1 << SCORE_FRACTION)))
    found: Codes = np.clip(codes, -128, 127).astype(np.int64)
    return found


def _vectors(config: SoleConfig, seed: int) -> Stimulus:
    """Drive rows that units and methods break at, every code, and real rows; masks, resets."""
    builder = UNITS[0].builder(config)
    real = [
        (_codes(score, scale), mask)
        for scale, rows in model_rows(score_traffic(), ScoreSampling(), 4, 1600)
        for score, mask in rows
    ]
    add_rows(builder, config, np.random.default_rng(seed), real)
    return builder.build()


def _exhaustive(config: SoleConfig, seed: int) -> Stimulus:
    """Drive rows whose sums and shares take all values that those of short rows have."""
    builder = UNITS[0].builder(config)
    rng = np.random.default_rng(seed)
    for score, mask in drawn_rows(rng, config.lanes, config.beats, _DRAWN):
        add_row(builder, config.lanes, score, mask)
    for _ in range(_AT_STEPS):
        score, mask = row_at_step(config, rng)
        builder.coverage["sum_at_step"] += 1
        add_row(builder, config.lanes, score, mask)
    return builder.build()


def row_at_step(config: SoleConfig, rng: np.random.Generator) -> tuple[Codes, Masks]:
    """Draw a row whose sum is where results change, or one less.

    They change where the sum's leading one moves and where its second bit does. Drawn scores come
    first, then the greatest one, and then what is missing to a step, a power of two per score, so
    that every bit of the sum and of what was added to it decides about the result.

    Args:
        config: The unit.
        rng: Random generator.

    Returns:
        Scores and whether each is masked, shape ``(scores,)``; none is.
    """
    import torch

    # of each exponent the least excess of the maximum
    excess = np.searchsorted(exponent_of(torch.arange(256)).numpy(), np.arange(MOST_EXPONENT + 1))
    while True:
        greatest = int(rng.integers(40, 128))  # so that every exponent has a score
        beats = int(rng.integers(1, 4))
        drawn = rng.integers(-128, greatest + 1, (1, beats, config.lanes))
        drawn[0, -1, -1] = greatest
        mask = np.zeros(drawn.shape, dtype=np.bool_)
        total = int(row_sum(torch.from_numpy(drawn), torch.from_numpy(mask)).total[0])
        step = int(rng.choice([3, 4, 6])) << total.bit_length() - 1 >> 1
        missing = step - int(rng.integers(2)) - total
        if missing < 0:
            continue
        exponents = [0] * (missing >> SUM_FRACTION)
        exponents += [SUM_FRACTION - bit for bit in range(SUM_FRACTION) if missing >> bit & 1]
        if drawn.size + len(exponents) <= config.row:
            closing = greatest - rng.permutation(excess[exponents])
            score = np.append(drawn, closing)
            return score, np.zeros(len(score), dtype=np.bool_)


def _traffic(config: SoleConfig, beats: int, *, source: str) -> Stimulus:
    """Return rows to measure activity with."""
    builder = UNITS[0].builder(config)
    for scale, rows in traffic_rows(source, config.row, beats * config.lanes):
        for score, mask in rows:
            add_row(builder, config.lanes, _codes(score, scale), mask)
    return builder.build()


def _normalize(config: SoleConfig, scale: float, score: Codes, mask: Masks) -> Reals:
    """Return what the unit makes of rows, as real numbers; scores are rounded to what it takes."""
    import torch

    codes, hidden = in_beats(_codes(score, scale), mask, config.lanes)
    found = sole(torch.from_numpy(codes), torch.from_numpy(hidden), config)
    return of_scores(found.numpy(), score.shape[1]) / 2.0**config.result_width


UNITS = (
    Unit(
        name="sole",
        family="attention",
        summary="Softmax by powers of two and a division of logarithms (E2Softmax of SOLE)",
        config=SoleConfig,
        component=lambda config: _hardware().Sole(config),
        vectors=_vectors,
        exhaustive=_exhaustive,
        golden=_golden,
        hits=row_hits,
        coverage=COVERAGE,
        exhaustive_coverage=("sum_at_step",),
        exempt=row_exempt,
        latency=lambda config: _timing(config).latency,
        item_cycles=lambda config, accepted: row_cycles(_timing(config), config, accepted),
        contract=lambda config: row_contract(config, _timing(config), {}),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        normalize=_normalize,
        score_scale=lambda config: 2.0**-SCORE_FRACTION,
        sources={name: partial(_traffic, source=name) for name in ("normal", "model", "synthetic")},
        measured_with=("normal",),
    ),
)
