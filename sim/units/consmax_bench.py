"""Stimuli of the ConSmax units: heads to load, and scores with what the golden model makes of them.

A head's constants come as beats on ``cfg``, in the form of the unit's architecture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.attention.consmax import HeadConstants
from consilico.golden.attention.consmax_log2 import Log2Config, consmax_log2, log2_constants
from consilico.golden.attention.consmax_split import SplitConfig, consmax_split, split_constants
from consilico.sim.units.layout import stream_layouts
from consilico.sim.units.stimulus import Ports, Stimulus, StimulusBuilder, pack

__all__ = [
    "Architecture",
    "HeadLoaded",
    "Masks",
    "Scores",
    "add_beats",
    "every_code",
    "every_code_vectors",
    "every_wide_code_vectors",
    "halves",
    "load_head",
    "ports",
    "table_beats",
]

Scores = NDArray[np.int64]
Masks = NDArray[np.bool_]
Architecture = Log2Config | SplitConfig


@dataclass(frozen=True, kw_only=True)
class HeadLoaded:
    """One head's constants as beats on ``cfg``, and the golden model with them loaded."""

    beats: NDArray[np.uint8]
    golden: Callable[[Scores, Masks], tuple[Scores, Masks, Masks]]  # data, underflow, overflow


def _with_torch(function: Callable[[Any, Any], Any]) -> Callable[[Scores, Masks], Any]:
    import torch

    def run(score: Scores, mask: Masks) -> tuple[Scores, Masks, Masks]:
        result = function(torch.from_numpy(score), torch.from_numpy(mask))
        return result.data.numpy(), result.underflow.numpy(), result.overflow.numpy()

    return run


def _load_log2(config: Log2Config, scale: float, log_c: float) -> HeadLoaded:

    constants = log2_constants(HeadConstants(scale=scale, log_c=log_c), config)
    beats = pack(
        [(np.array([constants.k]), config.k_width), (np.array([constants.b]), config.b_width)]
    )
    return HeadLoaded(
        beats=beats, golden=_with_torch(lambda s, m: consmax_log2(s, m, constants, config))
    )


def table_beats(tables: tuple[tuple[int, ...], ...]) -> tuple[Scores, Scores, Scores]:
    """Return values, nibbles and table numbers of the beats that load tables."""
    count = len(tables)
    return (
        np.array(tables, dtype=np.int64).reshape(-1),
        np.tile(np.arange(16), count),
        np.repeat(np.arange(count), 16),
    )


def _load_split(config: SplitConfig, scale: float, log_c: float, wide: bool) -> HeadLoaded:

    constants = split_constants(HeadConstants(scale=scale, log_c=log_c), config, wide=wide)
    values, nibbles, numbers = table_beats(constants.tables)
    fields = [(values, 15), (nibbles, 4), (numbers, config.table_sets)]
    if config.table_sets == 2:
        fields.append((np.full(len(values), int(wide)), 1))
    return HeadLoaded(
        beats=pack(fields),
        golden=_with_torch(lambda s, m: consmax_split(s, m, constants, config)),
    )


def ports(config: Architecture) -> Ports:
    """Return the payload widths of a unit's streams."""
    from consilico.hw.attention.consmax_log2 import ConSmaxLog2
    from consilico.hw.attention.consmax_split import ConSmaxSplit

    if isinstance(config, Log2Config):
        return stream_layouts(ConSmaxLog2(config)).ports
    return stream_layouts(ConSmaxSplit(config)).ports


def load_head(
    config: Architecture, scale: float, log_c: float, *, wide: bool = False
) -> HeadLoaded:
    """Return the beats that load a head's constants, with the golden model that has them.

    Args:
        config: The unit.
        scale: Natural units a code step.
        log_c: Natural logarithm of ConSmax's merged constant C.
        wide: Whether scores are INT16 (of ``SplitConfig`` only).
    """
    if isinstance(config, Log2Config):
        return _load_log2(config, scale, log_c)
    return _load_split(config, scale, log_c, wide)


def add_beats(
    builder: StimulusBuilder,
    config: Architecture,
    head: HeadLoaded,
    score: Scores,
    mask: Masks,
    results: int | None = None,
) -> None:
    """Add beats of scores, shape ``(beats, lanes)``, with the golden results."""
    data, under, over = head.golden(score, mask)
    rows = pack([((score & 0xFF) | mask.astype(np.int64) << 8, 9)])
    expected = pack([(data, config.result_width), (under, 1), (over, 1)])
    builder.data(rows, expected, score.size if results is None else results)
    builder.coverage.update(
        {
            "masked": int(mask.sum()),
            "all_masked": int(mask.all(axis=1).sum()),
            "unmasked": int((~mask).sum()),
            "underflow": int(under.sum()),
            "overflow": int(over.sum()),
            "zero_score": int((score == 0).sum()),
            "least_score": int((score == -128).sum()),
            "greatest_score": int((score == 127).sum()),
        }
    )


def every_code(rng: np.random.Generator, lanes: int) -> Scores:
    """Return 256 beats in which every lane sees every INT8 code once, each in its own order."""
    return np.stack([rng.permutation(256) - 128 for _ in range(lanes)], axis=1)


def every_code_vectors(
    config: Architecture, heads: Sequence[tuple[float, float]], seed: int
) -> Stimulus:
    """Drive every INT8 code in every lane under each head (scale, log C); nothing is masked."""
    rng = np.random.default_rng(seed)
    builder = StimulusBuilder(ports(config))
    for scale, log_c in heads:
        head = load_head(config, scale, log_c)
        builder.configure(head.beats)
        codes = every_code(rng, config.lanes)
        add_beats(builder, config, head, codes, np.zeros(codes.shape, dtype=bool))
    return builder.build()


def every_wide_code_vectors(
    config: SplitConfig, heads: Sequence[tuple[float, float]], seed: int
) -> Stimulus:
    """Drive every INT16 code in every pair of lanes under each head; nothing is masked."""
    rng = np.random.default_rng(seed)
    builder = StimulusBuilder(ports(config))
    for scale, log_c in heads:
        head = load_head(config, scale, log_c, wide=True)
        builder.configure(head.beats)
        pairs = [rng.permutation(1 << 16) - (1 << 15) for _ in range(config.lanes // 2)]
        score = np.stack(pairs, axis=1)
        lanes = halves(score)
        add_beats(
            builder, config, head, lanes, np.zeros(lanes.shape, dtype=bool), results=score.size
        )
    return builder.build()


def halves(score: Scores) -> Scores:
    """Split INT16 scores into two lanes: low byte in the even one, high byte in the odd one."""
    return np.stack([score & 0xFF, (score >> 8) & 0xFF], axis=2).reshape(len(score), -1)
