"""Catalogue entry of ``ibert``, the integer softmax of I-BERT."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.attention.ibert import (
    IbertConfig,
    IbertConstants,
    ibert,
    ibert_constants,
)
from consilico.sim.traffic.score_traffic import score_traffic
from consilico.sim.traffic.scores import ScoreSampling
from consilico.sim.units.accepted import Accepted, GoldenResults
from consilico.sim.units.builder import StimulusBuilder
from consilico.sim.units.contract import Contract, PerBeat
from consilico.sim.units.row_contract import row_contract
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
    row_exempt,
    row_hits,
    row_results,
    rows_of,
)
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS"]

_FIELDS = ("ln2", "b", "c", "align", "multiplier")


def _hardware() -> Any:
    from consilico.hw.attention import ibert as hardware

    return hardware


def _timing(config: IbertConfig) -> RowTiming:
    hardware = _hardware()
    return RowTiming(
        gather=hardware.GATHER,
        deliver=hardware.DELIVER,
        prepares=hardware.cycles_of_sum(config),
        survey=config.beats,
        drains=hardware.READ_CONSTANTS,
    )


def _contract(config: IbertConfig) -> Contract:
    hardware = _hardware()
    twice = {f"deliver_stage{stage}": PerBeat(ticks=2) for stage in range(hardware.DELIVER)}
    often = {
        "survey": PerBeat(),
        "shown": PerBeat(ticks=3),  # for both passes over a word, and between them
        "divide": PerBeat(ticks=1 + hardware.FACTOR_BITS),
        "constants": PerBeat(stream="cfg"),
    }
    return row_contract(config, _timing(config), twice | often)


def _golden(config: IbertConfig, accepted: Accepted) -> GoldenResults:
    """Return the results of ``ibert``: a row has the constants that its last beat meets."""
    import torch

    rows = rows_of(accepted)
    last = rows.first + rows.beats - 1
    of_row = {name: accepted.in_force[name][last] if len(last) else last for name in _FIELDS}

    def normalized(score: Any, mask: Any, rows: Any) -> Any:
        constants = IbertConstants(
            **{name: torch.from_numpy(of_row[name][rows])[:, None, None] for name in _FIELDS}
        )
        return ibert(torch.from_numpy(score), torch.from_numpy(mask), constants, config).numpy()

    return row_results(config, accepted, normalized)


def _step(config: IbertConfig) -> int:
    """Return how many codes of the unit an INT8 score counts."""
    return 1 << config.score_width - 8


def _load(builder: StimulusBuilder, scale: float, config: IbertConfig) -> None:
    constants = ibert_constants(scale / _step(config), config)
    builder.configure({name: np.array([getattr(constants, name)]) for name in _FIELDS})
    builder.coverage["head_loaded"] += 1


def _fine(score: Codes, config: IbertConfig, rng: np.random.Generator) -> Codes:
    """Return INT8 scores with drawn bits below them where the unit has such."""
    step = _step(config)
    below = rng.integers(-(step // 2), (step + 1) // 2, len(score))
    least = -(1 << config.score_width - 1)
    found: Codes = np.clip(score * step + below, least, -1 - least)
    return found


def _vectors(config: IbertConfig, seed: int) -> Stimulus:
    """Drive rows that units and methods break at under several scales, and real rows."""
    rng = np.random.default_rng(seed)
    builder = UNITS[0].builder(config)
    _load(builder, DRAWN_SCALE, config)
    lanes, longest = config.lanes, config.row
    half = 1 << config.score_width - 1

    def drawn(length: int, share: float = 0.1) -> tuple[Codes, NDArray[np.bool_]]:
        return rng.integers(-half, half, length), rng.random(length) < share

    add_row(builder, lanes, *drawn(longest, 0))
    add_rows(builder, config, rng, [])
    least, most = config.least_scale * _step(config), float(_step(config))
    scales = (least * 1.0001, least * 2, 8 / 127, 24 / 127, most / 3, most)
    for scale in (*scales, *np.exp(rng.uniform(np.log(least), np.log(most), 6))):
        _load(builder, float(scale), config)
        for length in (1, 2, *rng.integers(1, min(longest, 60), 3)):
            add_row(builder, lanes, *drawn(int(length)))
        # near the greatest score, where exponentials are not 0
        for bits in (2, 4, 6, config.score_width - 2, config.score_width):
            near = rng.integers(0, 1 << bits, int(rng.integers(2, min(longest, 40))))
            add_row(builder, lanes, half - 1 - near, rng.random(len(near)) < 0.1)
    for scale, rows in model_rows(score_traffic(), ScoreSampling(), 4, 1600):
        _load(builder, scale, config)
        for score, mask in rows:
            builder.coverage["model_row"] += 1
            add_row(builder, lanes, _fine(score, config, rng)[:longest], mask[:longest])
    return builder.build()


def _traffic(config: IbertConfig, beats: int, *, source: str) -> Stimulus:
    """Return rows to measure activity with; their low bits, which INT8 scores lack, are drawn."""
    rng = np.random.default_rng(1)
    builder = UNITS[0].builder(config)
    for scale, rows in traffic_rows(source, config.row, beats * config.lanes):
        _load(builder, scale, config)
        for score, mask in rows:
            add_row(builder, config.lanes, _fine(score, config, rng), mask)
    return builder.build()


def _normalize(config: IbertConfig, scale: float, score: Codes, mask: Masks) -> Reals:
    """Return what the unit makes of rows, as real numbers."""
    import torch

    codes, hidden = map(torch.from_numpy, in_beats(score * _step(config), mask, config.lanes))
    constants = ibert_constants(scale / _step(config), config)
    found = ibert(codes, hidden, constants, config)
    return of_scores(found.numpy(), score.shape[1]) / 2.0**config.result_width


UNITS = (
    Unit(
        name="ibert",
        family="attention",
        summary="Integer softmax by a polynomial, with two passes after the maximum (I-BERT)",
        config=IbertConfig,
        component=lambda config: _hardware().Ibert(config),
        vectors=_vectors,
        golden=_golden,
        hits=row_hits,
        coverage=(*COVERAGE, "head_loaded"),
        exempt=row_exempt,
        latency=lambda config: _timing(config).latency,
        item_cycles=lambda config, accepted: row_cycles(_timing(config), config, accepted),
        contract=_contract,
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        normalize=_normalize,
        sources={name: partial(_traffic, source=name) for name in ("normal", "model", "synthetic")},
        measured_with=("normal",),
    ),
)
