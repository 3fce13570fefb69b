"""Catalogue entry of ``consmax/base2``: ConSmax on scores that are fixed-point exponents of 2."""

from functools import partial
from typing import Any

import numpy as np

from consilico.golden.attention.consmax_base2 import (
    QUARTERS,
    Base2Config,
    Base2Constants,
    base2_codes,
    base2_constants,
)
from consilico.sim.units.builder import StimulusBuilder
from consilico.sim.units.consmax_model import base2_golden, base2_hits, bf16_results
from consilico.sim.units.layout import Values
from consilico.sim.units.scores import (
    COVERAGE,
    SOURCES,
    HeadScores,
    Scores,
    add_scores,
    every_code,
    lane_contract,
    model_scores,
    traffic_scores,
)
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS"]

_BIT = float(np.log(2))  # in natural units


def _builder(config: Base2Config) -> StimulusBuilder:
    return UNITS[0].builder(config)


def _beat(constants: Base2Constants) -> Values:
    """Return the beat on ``cfg`` that loads a head's constants."""
    return {
        "exponent": np.array([constants.exponent]),
        "mantissa": np.array([constants.mantissa]),
        "carry": np.array([constants.carry]),
    }


def _heads(rng: np.random.Generator, config: Base2Config) -> list[Base2Constants]:
    """Return heads: of models, at the ends of bf16 numbers, with any contents of the register."""
    logs = [*rng.uniform(-14.6, 2, 4), -14.6, 2.0, -126 * _BIT, 120 * _BIT]
    if config.output == "fixed":  # around the greatest and the least fixed-point result
        unit = -config.fixed_fraction * _BIT
        logs += [unit, unit + config.fixed_width * _BIT]
    drawn = [
        Base2Constants(
            exponent=int(rng.integers(256)),
            mantissa=rng.integers(0, 128, QUARTERS).tolist(),
            carry=rng.integers(0, 2, QUARTERS - 1).tolist(),
        )
        for _ in range(6)
    ]
    return [*map(base2_constants, logs), *drawn]


def _vectors(config: Base2Config, seed: int) -> Stimulus:
    """Drive every code in every lane under several heads, then real scores; masks, resets."""
    rng = np.random.default_rng(seed)
    builder = _builder(config)
    for index, head in enumerate(_heads(rng, config)):
        builder.configure(_beat(head))
        builder.coverage["head_loaded"] += 1
        codes = every_code(rng, config.lanes, config.score_width)
        mask = np.zeros(codes.shape, dtype=bool)
        if index % 2:
            mask = rng.random(codes.shape) < 0.25
            mask[rng.integers(len(mask), size=4)] = True
        else:
            builder.coverage["every_code"] += 1
        cut = int(rng.integers(len(codes) // 4, 3 * len(codes) // 4))
        add_scores(builder, codes[:cut], mask[:cut])
        if index % 3 == 0:
            builder.reset()
            builder.coverage["reset_in_stream"] += 1
        add_scores(builder, codes[cut:], mask[cut:])
    _flags(builder, config)
    for part in model_scores(config.lanes, 8 * 64, heads=8):
        builder.configure(_beat(base2_constants(part.log_c)))
        builder.coverage["model_head"] += 1
        add_scores(builder, _codes(part, config), part.mask)
    return builder.build()


def _flags(builder: StimulusBuilder, config: Base2Config) -> None:
    """Add beats in which one lane would raise a flag and is masked, and some with both flags."""
    lanes, greatest = config.lanes, (1 << config.score_width - 1) - 1
    least = -greatest - 1
    top = 254 if config.output == "bf16" else 126 + config.fixed_width - config.fixed_fraction
    bottom = 1 if config.output == "bf16" else 126 - config.fixed_fraction
    # the exponents from which the greatest and the least score go just beyond the ends
    for exponent in (top - (greatest >> 2) + 1, bottom - (least >> 2) - 1):
        # with the greatest mantissas; rounding alone makes the last fixed-point results too great
        head = Base2Constants(
            exponent=min(max(exponent, 0), 255), mantissa=[127] * 4, carry=[0] * 3
        )
        builder.configure(_beat(head))
        for score in (greatest, least):
            add_scores(builder, np.eye(lanes, dtype=np.int64) * score, np.eye(lanes) == 1)
        both = np.zeros((2, lanes), dtype=np.int64)
        both[0, : lanes // 2], both[0, lanes // 2 :] = greatest, least
        add_scores(builder, both, both == 1)
        codes = np.arange(least, greatest + 1)[:, None] + np.zeros((1, lanes), dtype=np.int64)
        add_scores(builder, codes, codes > greatest)


def _exhaustive(config: Base2Config, seed: int) -> Stimulus:
    """Drive every code with every mantissa in every quarter, and with every exponent."""
    rng = np.random.default_rng(seed)
    builder = _builder(config)
    for number in range(256):
        turned = rng.integers(0, 128, QUARTERS)
        turned[number % QUARTERS] = number // 2
        carry = rng.integers(0, 2, QUARTERS - 1)
        for mantissa in ((number + 32 * np.arange(QUARTERS)) % 128, turned):
            head = Base2Constants(exponent=number, mantissa=mantissa.tolist(), carry=carry.tolist())
            builder.configure(_beat(head))
            codes = every_code(rng, config.lanes, config.score_width)
            add_scores(builder, codes, np.zeros(codes.shape, dtype=bool))
    return builder.build()


def _codes(part: HeadScores, config: Base2Config) -> Scores:
    """Return a head's scores as the unit takes them."""
    import torch

    codes = base2_codes(torch.from_numpy(part.score * part.scale), config)
    found: Scores = codes.numpy()
    return found


def _traffic(config: Base2Config, beats: int, *, source: str) -> Stimulus:
    """Return the scores that the other ConSmax units are measured with, in quarters of a bit."""
    builder = _builder(config)
    for part in traffic_scores(source, config.lanes, beats):
        builder.configure(_beat(base2_constants(part.log_c)))
        add_scores(builder, _codes(part, config), part.mask)
    return builder.build()


def _exempt(config: Base2Config) -> dict[str, str]:
    """Return the coverage points that a configuration cannot hit, with the reason."""
    found = {}
    # binades from the greatest result that becomes 0 to the least that is limited
    apart = 254 if config.output == "bf16" else config.fixed_width + 1
    if config.lanes == 1:
        found["both_flags"] = "one lane does not underflow and overflow at once"
    elif apart >= 1 << config.score_integer:
        found["both_flags"] = (
            f"scores of a head span {1 << config.score_integer} binades, results {apart}"
        )
    if config.output == "bf16":
        found["rounded_too_large"] = "bf16 results are not rounded to another form"
    elif config.fixed_width > 7:
        found["rounded_too_large"] = "a bf16 number is no closer to the limit than 1/256 of it"
    return found


def _hardware() -> Any:
    from consilico.hw.attention import consmax_base2

    return consmax_base2


UNITS = (
    Unit(
        name="consmax/base2",
        family="attention",
        summary="ConSmax on base-2 scores with 2 fraction bits: four mantissas and an exponent",
        config=Base2Config,
        component=lambda config: _hardware().ConSmaxBase2(config),
        vectors=_vectors,
        golden=base2_golden,
        hits=base2_hits,
        bf16=bf16_results,
        coverage=COVERAGE,
        exempt=_exempt,
        exhaustive=_exhaustive,
        exhaustive_coverage=("every_mantissa", "every_exponent"),
        latency=lambda config: _hardware().latency(config),
        contract=lambda config: lane_contract(
            range(config.lanes), _hardware().latency(config), ("constants",)
        ),
        census=lambda batch: _hardware().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        sources={name: partial(_traffic, source=name) for name in SOURCES},
        measured_with=("normal",),
    ),
)
