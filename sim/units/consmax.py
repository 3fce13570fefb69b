"""Catalogue entries of ConSmax: two architectures, and the paper's unit as a reference."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.attention.consmax import ConSmaxConfig, HeadConstants
from consilico.golden.attention.consmax_log2 import (
    Log2Config,
    log2_constants,
    mantissa_table,
)
from consilico.golden.attention.consmax_paper import PaperConfig
from consilico.golden.attention.consmax_split import (
    SplitConfig,
    SplitConstants,
    split_constants,
)
from consilico.sim.units.builder import StimulusBuilder
from consilico.sim.units.consmax_model import (
    bf16_results,
    log2_golden,
    log2_hits,
    paper_golden,
    split_golden,
    split_hits,
)
from consilico.sim.units.layout import Values
from consilico.sim.units.products import NEAR, rotated
from consilico.sim.units.scores import (
    COVERAGE,
    SOURCES,
    Scores,
    add_scores,
    every_code,
    lane_contract,
    model_scores,
    traffic_scores,
)
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["PAPER", "UNITS", "every_code_vectors", "every_wide_code_vectors"]

Architecture = Log2Config | SplitConfig


_DECIDED = 4096  # beats whose discarded bits decide


def _builder(config: Architecture) -> StimulusBuilder:
    return UNITS[0 if isinstance(config, Log2Config) else 1].builder(config)


def _head(config: Architecture, scale: float, log_c: float, *, wide: bool = False) -> Values:
    """Return the beats on ``cfg`` that load a head's constants.

    Args:
        config: The unit.
        scale: Natural units a code step.
        log_c: Natural logarithm of ConSmax's merged constant C.
        wide: Whether scores are INT16 (of ``SplitConfig`` only).
    """
    head = HeadConstants(scale=scale, log_c=log_c)
    if isinstance(config, Log2Config):
        constants = log2_constants(head, config)
        return {"k": np.array(constants.k), "b": np.array(constants.b)}
    return _table_beats(split_constants(head, config, wide=wide), config)


def _table_beats(constants: SplitConstants, config: SplitConfig) -> Values:
    """Return the beats that load tables, entry by entry."""
    values = np.array(constants.tables, dtype=np.int64)
    tables = len(values)
    beats = {
        "value": values.reshape(-1),
        "nibble": np.tile(np.arange(16), tables),
        "table": np.repeat(np.arange(tables), 16),
    }
    return beats | (
        {"wide": np.full(16 * tables, constants.wide)} if config.table_sets == 2 else {}
    )


def _halves(score: Scores) -> Scores:
    """Split INT16 scores into two lanes: low byte in the even one, high byte in the odd one."""
    return np.stack([score, score >> 8], axis=2).reshape(len(score), -1)


def every_code_vectors(
    config: Architecture, heads: Sequence[tuple[float, float]], seed: int
) -> Stimulus:
    """Drive every INT8 code in every lane under each head (scale, log C); nothing is masked."""
    rng = np.random.default_rng(seed)
    builder = _builder(config)
    for scale, log_c in heads:
        builder.configure(_head(config, scale, log_c))
        codes = every_code(rng, config.lanes)
        add_scores(builder, codes, np.zeros(codes.shape, dtype=bool))
    return builder.build()


def every_wide_code_vectors(
    config: SplitConfig, heads: Sequence[tuple[float, float]], seed: int
) -> Stimulus:
    """Drive every INT16 code in every pair of lanes under each head; nothing is masked."""
    rng = np.random.default_rng(seed)
    builder = _builder(config)
    for scale, log_c in heads:
        builder.configure(_head(config, scale, log_c, wide=True))
        pairs = [rng.permutation(1 << 16) - (1 << 15) for _ in range(config.lanes // 2)]
        score = np.stack(pairs, axis=1)
        lanes = _halves(score)
        add_scores(builder, lanes, np.zeros(lanes.shape, dtype=bool), results=score.size)
    return builder.build()


def _settings(rng: np.random.Generator, config: ConSmaxConfig) -> list[tuple[float, float]]:
    """Return scale and log C of heads: drawn, corners of the certified range, beyond it."""
    drawn = [
        (float(np.exp(rng.uniform(np.log(0.5), np.log(24)))) / 127, float(rng.uniform(-14.6, 2)))
        for _ in range(6)
    ]
    corners = [(edge / 127, log_c) for edge in (0.5, 24.0) for log_c in (-14.6, 2.0)]
    beyond = [(0.6, 40.0), (0.6, -40.0)]  # of bf16 numbers
    if config.output == "fixed":  # around the greatest and the least fixed-point result
        unit = -config.fixed_fraction * float(np.log(2))
        greatest = unit + config.fixed_width * float(np.log(2))
        beyond += [(24 / 127, unit), (24 / 127, greatest)]
        # slowly past the greatest result, which rounding alone may exceed
        beyond += [(float(np.log(2)) / 256, greatest - float(np.log(2)) / 4)]
    return drawn + corners + beyond


def _vectors(config: Architecture, seed: int) -> Stimulus:
    """Drive every code in every lane under drawn heads, then real scores; masks, resets."""
    rng = np.random.default_rng(seed)
    builder = _builder(config)
    for index, (scale, log_c) in enumerate(_settings(rng, config)):
        builder.configure(_head(config, scale, log_c))
        builder.coverage["head_loaded"] += 1
        codes = every_code(rng, config.lanes)
        if index % 2:
            mask = rng.random(codes.shape) < 0.25
            mask[rng.integers(len(mask), size=4)] = True
        else:
            mask = np.zeros(codes.shape, dtype=bool)
            builder.coverage["every_code"] += 1
        cut = int(rng.integers(64, 192))
        add_scores(builder, codes[:cut], mask[:cut])
        if index % 3 == 0:
            builder.reset()
            builder.coverage["reset_in_stream"] += 1
        add_scores(builder, codes[cut:], mask[cut:])
    _flags(builder, config)
    if isinstance(config, SplitConfig) and config.table_sets == 2:
        _wide_vectors(builder, config, rng)
    for part in model_scores(config.lanes, 8 * 64, heads=8):
        builder.configure(_head(config, part.scale, part.log_c))
        builder.coverage["model_head"] += 1
        add_scores(builder, part.score, part.mask)
    return builder.build()


def _flags(builder: StimulusBuilder, config: Architecture) -> None:
    """Add beats in which one lane would raise a flag and is masked, and some with both flags."""
    lanes = config.lanes
    if config.output == "bf16":  # the last one reaches from below the least number to above all
        step = float(np.log(2)) * (1 - 2.0**-9)
        heads = [(0.6, 40.0), (0.6, -40.0), (step, 1.5 * float(np.log(2)))]
    else:
        heads = [(24 / 127, -config.fixed_fraction * float(np.log(2)))]
    for head in heads:
        builder.configure(_head(config, *head))
        for score in (127, -128):
            add_scores(builder, np.eye(lanes, dtype=np.int64) * score, np.eye(lanes) == 1)
        both = np.zeros((2, lanes), dtype=np.int64)
        both[0, : lanes // 2], both[0, lanes // 2 :] = 127, -128
        add_scores(builder, both, both == 1)


def _log2_exhaustive(config: Log2Config, seed: int) -> Stimulus:
    """Drive every address of the mantissa table in every lane: of a score of 0, which is b's."""
    builder = _builder(config)
    none = np.zeros((1, config.lanes), dtype=np.int64)
    for address in range(1 << config.address):
        b = (63 << config.fraction) + (address << config.fraction - config.address)
        builder.configure({"k": np.array(1), "b": np.array(b)})
        add_scores(builder, none, none == 1)
    rng = np.random.default_rng(seed)
    for score, k, b in zip(*_decided(rng, config), strict=True):
        builder.configure({"k": k, "b": b})
        add_scores(builder, none + score, none == 1)
    return builder.build()


def _decided(
    rng: np.random.Generator, config: Log2Config
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Draw scores and constants whose product lies a few units from a step of the table's address.

    There the bits of ``k * s`` that are discarded decide which address it is: a small error shows.

    Returns:
        Scores, ``k`` and ``b``, shape ``(beats,)`` each; the exponents are those of bf16 numbers.
    """
    unit = 1 << config.k_fraction - config.address
    score = rng.choice(np.append(np.arange(-128, 0), np.arange(1, 128)), _DECIDED)
    # k * s = near modulo the unit, if both are divided by the greatest power of two in s
    power = score & -score
    near = rng.integers(-NEAR, NEAR, _DECIDED) & -power
    inverse = np.array([pow(each, -1, unit) for each in (score // power).tolist()])
    bits = rng.integers(0, config.k_width + 1, _DECIDED)
    above = rng.integers(0, 1 << config.k_width, _DECIDED) & (1 << bits) - 1
    k = above & -unit | inverse * (near // power) % unit
    whole = np.clip(63 - (k * score >> config.k_fraction), 0, 127)
    address = rng.integers(0, 1 << config.address, _DECIDED)
    return score, k, (whole << config.fraction) + (address << config.fraction - config.address)


def _split_exhaustive(config: SplitConfig, seed: int) -> Stimulus:
    """Drive every product of mantissas in every lane, exponents of a single bit, and zeros."""
    builder = _builder(config)
    # where fixed-point results, of 1 to 4 times this, have as many bits as there are
    top = 127 if config.output == "bf16" else 127 + config.fixed_width - 2 - config.fixed_fraction
    score = rotated(256, config.lanes) - 128
    for first in range(0, 128, 16):
        for second in range(0, 128, 16):
            entries = [127 << 7 | first + np.arange(16), top << 7 | second + np.arange(16)]
            tables = tuple(tuple(table.tolist()) for table in entries * config.table_sets)
            builder.configure(_table_beats(SplitConstants(tables=tables, wide=False), config))
            add_scores(builder, score, np.zeros(score.shape, dtype=bool))
    rng = np.random.default_rng(seed)
    for bit in range(8):
        for turned in (False, True):
            # one bit of the exponent, and what makes a product of about 1 or 2 of it
            entries = [
                exponent << 7 | rng.integers(0, 128, 16)
                for exponent in (1 << bit, min(254, top + 127 - (1 << bit)))
            ]
            tables = tuple(
                tuple(table.tolist())
                for table in entries[:: -1 if turned else 1] * config.table_sets
            )
            builder.configure(_table_beats(SplitConstants(tables=tables, wide=False), config))
            add_scores(builder, score, np.zeros(score.shape, dtype=bool))
    # entries of 0 among all others: the least and the greatest numbers, and those near 1
    exponents = (0, 0, 1, 1, 2, 64, 126, 127, 127, 128, 129, 192, 253, 254, 254, 0)
    mantissas = (0, 1, 0, 127, 0, 0, 0, 0, 127, 0, 0, 0, 0, 0, 127, 127)
    words = zip(exponents, mantissas, strict=True)
    tables = (tuple(high << 7 | low for high, low in words),) * (2 * config.table_sets)
    builder.configure(_table_beats(SplitConstants(tables=tables, wide=False), config))
    add_scores(builder, score, np.zeros(score.shape, dtype=bool))
    return builder.build()


def _wide_vectors(builder: StimulusBuilder, config: SplitConfig, rng: np.random.Generator) -> None:
    """Add INT16 scores, one per pair of lanes: corners, a sweep, drawn ones; INT8 in between."""
    for edge, log_c in ((0.5, -4.6), (24.0, 2.0), (24.0, -14.6), (85.0, 40.0), (85.0, -40.0)):
        builder.configure(_head(config, edge / 32767, log_c, wide=True))
        pairs = config.lanes // 2
        score = rng.integers(-32768, 32768, size=(512, pairs))
        score[:6] = np.array([-32768, 32767, 0, -1, 255, -256])[:, None]
        mask = np.repeat(rng.random(score.shape) < 0.2, 2, axis=1)
        add_scores(builder, _halves(score), mask, results=score.size)
        builder.coverage["wide"] += 1
        builder.configure(_head(config, 8 / 127, log_c))
        codes = every_code(rng, config.lanes)[:16]
        add_scores(builder, codes, np.zeros(codes.shape, dtype=bool))


def _traffic(config: Architecture, beats: int, *, source: str) -> Stimulus:
    """Return scores to measure activity with, see :func:`traffic_scores`."""
    builder = _builder(config)
    for part in traffic_scores(source, config.lanes, beats):
        builder.configure(_head(config, part.scale, part.log_c))
        add_scores(builder, part.score, part.mask)
    return builder.build()


def _exempt(config: Architecture) -> dict[str, str]:
    """Return the coverage points that a unit cannot hit, with the reason."""
    found = {}
    if config.lanes == 1:
        found["both_flags"] = "one lane does not underflow and overflow at once"
    significand = 255  # the greatest
    if isinstance(config, Log2Config):
        significand = 128 + mantissa_table(config.address)[-1]
    if config.output == "bf16":
        found["rounded_too_large"] = "bf16 results are not rounded to another form"
    elif config.fixed_width > 7 or significand < 256 - (1 << 7 - config.fixed_width):
        found["rounded_too_large"] = (
            f"no product lies between {(1 << config.fixed_width) - 0.5} and "
            f"{1 << config.fixed_width} steps of the result"
        )
    return found


def _log2() -> Any:
    from consilico.hw.attention import consmax_log2

    return consmax_log2


def _split() -> Any:
    from consilico.hw.attention import consmax_split

    return consmax_split


def _paper() -> Any:
    from consilico.hw.attention import consmax_paper

    return consmax_paper


_SOURCES = {name: partial(_traffic, source=name) for name in SOURCES}


UNITS = (
    Unit(
        name="consmax/log2",
        family="attention",
        summary="ConSmax as 2^(k s + b): one multiply-add and a fraction table",
        config=Log2Config,
        component=lambda config: _log2().ConSmaxLog2(config),
        vectors=_vectors,
        golden=log2_golden,
        hits=log2_hits,
        bf16=bf16_results,
        coverage=COVERAGE,
        exempt=_exempt,
        exhaustive=_log2_exhaustive,
        exhaustive_coverage=("every_address", "product_decides"),
        latency=lambda config: _log2().latency(config),
        contract=lambda config: lane_contract(
            range(config.lanes), _log2().latency(config), ("constants",)
        ),
        census=lambda batch: _log2().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        sources=_SOURCES,
        measured_with=("normal",),
    ),
    Unit(
        name="consmax/split",
        family="attention",
        summary="ConSmax as a product of two bf16 table entries, one per nibble (the paper's)",
        config=SplitConfig,
        component=lambda config: _split().ConSmaxSplit(config),
        vectors=_vectors,
        golden=split_golden,
        hits=split_hits,
        bf16=bf16_results,
        coverage=(*COVERAGE, "tie_to_even", "tie_to_odd", "above_tie", "below_tie"),
        exempt=_exempt,
        exhaustive=_split_exhaustive,
        exhaustive_coverage=("every_product", "every_exponent_bit", "zero_times_great"),
        latency=lambda config: _split().latency(config),
        # of a pair of lanes that look up in tables of their own, the second one never rests
        contract=lambda config: lane_contract(
            range(0, config.lanes, config.table_sets),
            _split().latency(config),
            looks_up=("lower_entry", "upper_entry"),
        ),
        census=lambda batch: _split().census(batch),
        operations_per_beat=lambda config: config.lanes,
        operations_per_result=lambda config, source: 1,
        sources=_SOURCES,
        measured_with=("normal",),
    ),
)


def _paper_traffic(config: PaperConfig, beats: int) -> Stimulus:
    """Return scores of a clipped normal; real ones have masks, for which the unit has no bits."""
    (drawn,) = traffic_scores("normal", 1, beats)
    builder = PAPER.builder(config)
    builder.configure(_head(SplitConfig(), drawn.scale, drawn.log_c))
    builder.data({"payload": drawn.score[:, 0]}, beats)
    return builder.build()


# Not in the catalogue: it obeys no back-pressure, so it cannot pass verification.
PAPER = Unit(
    name="consmax/paper",
    family="attention",
    summary="The paper's unit built straight: what the others are measured against",
    config=PaperConfig,
    component=lambda config: _paper().ConSmaxPaper(config),
    vectors=lambda config, seed: _paper_traffic(config, 4096),
    golden=paper_golden,
    sources={"normal": _paper_traffic},
    coverage=(),
    latency=lambda config: 3,
    census=lambda batch: _paper().census(batch),
    operations_per_beat=lambda config: 1,
    operations_per_result=lambda config, source: 1,
)
