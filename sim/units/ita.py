"""Catalogue entry of ``ita``, a rival of ConSmax that only shifts."""

import math
from functools import partial
from typing import Any

import numpy as np

from consilico.golden.attention.ita import ItaConfig, ita
from consilico.sim.traffic.score_traffic import score_traffic
from consilico.sim.traffic.scores import ScoreSampling
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.contract import PerBeat
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

__all__ = ["UNITS"]

_DRAWN = 1 << 16  # beats of the exhaustive stimulus

_BIT = float(np.log(2))  # in natural units


def _hardware() -> Any:
    from consilico.hw.attention import ita as hardware

    return hardware


def _timing(config: ItaConfig) -> RowTiming:
    hardware = _hardware()
    return RowTiming(
        gather=hardware.gather_stages(config), deliver=hardware.DELIVER, prepares=hardware.DIVIDES
    )


def _golden(config: ItaConfig, accepted: Accepted) -> GoldenResults:
    """Return the results of ``ita``."""
    import torch

    def normalized(score: Codes, mask: Masks, rows: Codes) -> Codes:
        found: Codes = ita(torch.from_numpy(score), torch.from_numpy(mask), config).numpy()
        return found

    return row_results(config, accepted, normalized)


def _codes(score: Codes, scale: float, config: ItaConfig) -> Codes:
    """Return INT8 scores as the unit takes them: as exponents of 2 with their fraction bits."""
    codes = np.rint(score * (scale / _BIT * (1 << config.fraction)))
    found: Codes = np.clip(codes, -128, 127).astype(np.int64)
    return found


def _vectors(config: ItaConfig, seed: int) -> Stimulus:
    """Drive rows that units and methods break at, every code, and real rows; masks, resets."""
    builder = UNITS[0].builder(config)
    real = [
        (_codes(score, scale, config), mask)
        for scale, rows in model_rows(score_traffic(), ScoreSampling(), 4, 1600)
        for score, mask in rows
    ]
    add_rows(builder, config, np.random.default_rng(seed), real)
    return builder.build()


def _exhaustive(config: ItaConfig, seed: int) -> Stimulus:
    """Drive rows whose sums and shares take all values that those of short rows have."""
    builder = UNITS[0].builder(config)
    rng = np.random.default_rng(seed)
    for score, mask in drawn_rows(rng, config.lanes, config.beats, _DRAWN):
        add_row(builder, config.lanes, score, mask)
    return builder.build()


def _traffic(config: ItaConfig, beats: int, *, source: str) -> Stimulus:
    """Return rows to measure activity with."""
    builder = UNITS[0].builder(config)
    for scale, rows in traffic_rows(source, config.row, beats * config.lanes):
        for score, mask in rows:
            add_row(builder, config.lanes, _codes(score, scale, config), mask)
    return builder.build()


def _normalize(config: ItaConfig, scale: float, score: Codes, mask: Masks) -> Reals:
    """Return what the unit makes of rows, as real numbers; scores are rounded to what it takes."""
    import torch

    codes, hidden = in_beats(_codes(score, scale, config), mask, config.lanes)
    found = ita(torch.from_numpy(codes), torch.from_numpy(hidden), config)
    return of_scores(found.numpy(), score.shape[1]) / 2.0**config.result_width


UNITS = (
    Unit(
        name="ita",
        family="attention",
        summary="Softmax by shifts with a running maximum and one division per row (ITA)",
        config=ItaConfig,
        component=lambda config: _hardware().Ita(config),
        vectors=_vectors,
        exhaustive=_exhaustive,
        golden=_golden,
        hits=row_hits,
        coverage=COVERAGE,
        exempt=row_exempt,
        latency=lambda config: _timing(config).latency,
        item_cycles=lambda config, accepted: row_cycles(_timing(config), config, accepted),
        contract=lambda config: row_contract(
            config, _timing(config), {"divide": PerBeat(ticks=1 + _hardware().DIVIDES)}, "left"
        ),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        normalize=_normalize,
        score_scale=lambda config: math.log(2) / 2**config.fraction,
        sources={name: partial(_traffic, source=name) for name in ("normal", "model", "synthetic")},
        measured_with=("normal",),
    ),
)
