"""Catalogue entries of ConSmax: two architectures, and the paper's unit as a reference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.attention.config import ConSmaxConfig, Log2Config, PaperConfig, SplitConfig
from sim.catalog import Unit, deferred
from sim.errors import UserError
from sim.stimulus import Ports, Stimulus, StimulusBuilder, pack

__all__ = ["PAPER", "UNITS", "every_code_vectors", "every_wide_code_vectors"]

Scores = NDArray[np.int64]
Masks = NDArray[np.bool_]
# (scale, log C) of the issue of energy on drawn scores: freshly initialised beta and gamma
_DRAWN_HEAD = (8 / 127, -1.5 - float(np.log(100.0)))
_MODEL_HEADS = 4  # heads a traffic sample is taken from, spread over the layers


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """One head's constants as beats on ``cfg``, and the golden model with them loaded."""

    beats: NDArray[np.uint8]
    golden: Callable[[Scores, Masks], tuple[Scores, Masks, Masks]]  # data, underflow, overflow


_Load = Callable[[Any, float, float, bool], _Loaded]  # configuration, scale, log C, wide


def _with_torch(function: Callable[[Any, Any], Any]) -> Callable[[Scores, Masks], Any]:
    import torch

    def run(score: Scores, mask: Masks) -> tuple[Scores, Masks, Masks]:
        result = function(torch.from_numpy(score), torch.from_numpy(mask))
        return result.data.numpy(), result.underflow.numpy(), result.overflow.numpy()

    return run


def _load_log2(config: Log2Config, scale: float, log_c: float, wide: bool) -> _Loaded:
    from golden.attention.consmax import HeadConstants
    from golden.attention.consmax_log2 import consmax_log2, log2_constants

    constants = log2_constants(HeadConstants(scale=scale, log_c=log_c), config)
    beats = pack(
        [(np.array([constants.k]), config.k_width), (np.array([constants.b]), config.b_width)]
    )
    return _Loaded(
        beats=beats, golden=_with_torch(lambda s, m: consmax_log2(s, m, constants, config))
    )


def _table_beats(tables: tuple[tuple[int, ...], ...]) -> tuple[Scores, Scores, Scores]:
    """Values, nibbles and table numbers of the beats that load tables."""
    count = len(tables)
    return (
        np.array(tables, dtype=np.int64).reshape(-1),
        np.tile(np.arange(16), count),
        np.repeat(np.arange(count), 16),
    )


def _load_split(config: SplitConfig, scale: float, log_c: float, wide: bool) -> _Loaded:
    from golden.attention.consmax import HeadConstants
    from golden.attention.consmax_split import consmax_split, split_constants

    constants = split_constants(HeadConstants(scale=scale, log_c=log_c), config, wide=wide)
    values, nibbles, numbers = _table_beats(constants.tables)
    fields = [(values, 15), (nibbles, 4), (numbers, config.table_sets)]
    if config.table_sets == 2:
        fields.append((np.full(len(values), int(wide)), 1))
    return _Loaded(
        beats=pack(fields),
        golden=_with_torch(lambda s, m: consmax_split(s, m, constants, config)),
    )


def _ports(cfg_width: Callable[[Any], int]) -> Callable[[Any], Ports]:
    def ports(config: ConSmaxConfig) -> Ports:
        return Ports(
            i_width=9 * config.lanes,
            o_width=config.result_width * config.lanes + 2,
            cfg_width=cfg_width(config),
        )

    return ports


def _beats(
    builder: StimulusBuilder,
    config: ConSmaxConfig,
    head: _Loaded,
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


def _settings(rng: np.random.Generator, config: ConSmaxConfig) -> list[tuple[float, float]]:
    """Scale and log C of heads: drawn ones, corners of the certified range, both flows."""
    drawn = [
        (float(np.exp(rng.uniform(np.log(0.5), np.log(24)))) / 127, float(rng.uniform(-14.6, 2)))
        for _ in range(6)
    ]
    corners = [(edge / 127, log_c) for edge in (0.5, 24.0) for log_c in (-14.6, 2.0)]
    if config.output == "bf16":
        beyond = [(0.6, 40.0), (0.6, -40.0)]
    else:  # around the greatest and the least fixed-point result
        unit = -config.fixed_fraction * float(np.log(2))
        beyond = [(24 / 127, unit), (24 / 127, unit + config.fixed_width * float(np.log(2)))]
    return drawn + corners + beyond


def _every_code(rng: np.random.Generator, lanes: int) -> Scores:
    """256 beats in which every lane sees every INT8 code once, each lane in its own order."""
    return np.stack([rng.permutation(256) - 128 for _ in range(lanes)], axis=1)


def every_code_vectors(
    config: Log2Config | SplitConfig, heads: Sequence[tuple[float, float]], seed: int
) -> Stimulus:
    """Every INT8 code in every lane under every head given as scale and log C; nothing masked."""
    load: _Load = _load_log2 if isinstance(config, Log2Config) else _load_split
    unit = next(unit for unit in UNITS if unit.config is type(config))
    rng = np.random.default_rng(seed)
    builder = StimulusBuilder(unit.ports(config))
    for scale, log_c in heads:
        head = load(config, scale, log_c, False)
        builder.configure(head.beats)
        codes = _every_code(rng, config.lanes)
        _beats(builder, config, head, codes, np.zeros(codes.shape, dtype=bool))
    return builder.build()


def every_wide_code_vectors(
    config: SplitConfig, heads: Sequence[tuple[float, float]], seed: int
) -> Stimulus:
    """Every INT16 code in every pair of lanes under every head; nothing masked."""
    unit = next(unit for unit in UNITS if unit.config is type(config))
    rng = np.random.default_rng(seed)
    builder = StimulusBuilder(unit.ports(config))
    for scale, log_c in heads:
        head = _load_split(config, scale, log_c, True)
        builder.configure(head.beats)
        pairs = [rng.permutation(1 << 16) - (1 << 15) for _ in range(config.lanes // 2)]
        score = np.stack(pairs, axis=1)
        lanes = _halves(score)
        _beats(builder, config, head, lanes, np.zeros(lanes.shape, dtype=bool), results=score.size)
    return builder.build()


def _halves(score: Scores) -> Scores:
    """INT16 scores, one a pair of lanes: low byte in the even lane, high byte in the odd one."""
    return np.stack([score & 0xFF, (score >> 8) & 0xFF], axis=2).reshape(len(score), -1)


def _vectors(load: _Load, ports: Callable[[Any], Ports]) -> Callable[[Any, int], Stimulus]:
    def vectors(config: ConSmaxConfig, seed: int) -> Stimulus:
        """Every code in every lane under drawn heads, then real scores; masks and resets."""
        rng = np.random.default_rng(seed)
        builder = StimulusBuilder(ports(config))
        for index, (scale, log_c) in enumerate(_settings(rng, config)):
            head = load(config, scale, log_c, False)
            builder.configure(head.beats)
            builder.coverage["head_loaded"] += 1
            codes = _every_code(rng, config.lanes)
            if index % 2:
                mask = rng.random(codes.shape) < 0.25
                mask[rng.integers(len(mask), size=4)] = True
            else:
                mask = np.zeros(codes.shape, dtype=bool)
                builder.coverage["every_code"] += 1
            cut = int(rng.integers(64, 192))
            _beats(builder, config, head, codes[:cut], mask[:cut])
            if index % 3 == 0:
                builder.reset()
                builder.coverage["reset_in_stream"] += 1
            _beats(builder, config, head, codes[cut:], mask[cut:])
        if isinstance(config, SplitConfig) and config.table_sets == 2:
            _wide_vectors(builder, config, load, rng)
        for head, score, mask in _model_beats(config, load, 8 * 64, heads=8):
            builder.configure(head.beats)
            builder.coverage["model_head"] += 1
            _beats(builder, config, head, score, mask)
        return builder.build()

    return vectors


def _wide_vectors(
    builder: StimulusBuilder, config: SplitConfig, load: _Load, rng: np.random.Generator
) -> None:
    """INT16 scores, one a pair of lanes: corners, a sweep, drawn ones; INT8 again in between."""
    for edge, log_c in ((0.5, -4.6), (24.0, 2.0), (24.0, -14.6), (85.0, 40.0), (85.0, -40.0)):
        head = load(config, edge / 32767, log_c, True)
        builder.configure(head.beats)
        pairs = config.lanes // 2
        score = rng.integers(-32768, 32768, size=(512, pairs))
        score[:6] = np.array([-32768, 32767, 0, -1, 255, -256])[:, None]
        lanes = _halves(score)
        mask = np.repeat(rng.random(score.shape) < 0.2, 2, axis=1)
        _beats(builder, config, head, lanes, mask, results=score.size)
        builder.coverage["wide"] += 1
        narrow = load(config, 8 / 127, log_c, False)
        builder.configure(narrow.beats)
        codes = _every_code(rng, config.lanes)[:16]
        _beats(builder, config, narrow, codes, np.zeros(codes.shape, dtype=bool))


def _model_beats(
    config: ConSmaxConfig, load: _Load, beats: int, heads: int, *, synthetic: bool = False
) -> list[tuple[_Loaded, Scores, Masks]]:
    """Real scores of a few heads, evenly spread over the model, in the order they arise."""
    from sim.workload.sampling import Sampling
    from sim.workload.synthetic import synthetic_traffic
    from sim.workload.traffic import score_traffic

    traffic = synthetic_traffic(Sampling(), reason="asked for") if synthetic else score_traffic()
    share = max(1, beats // heads)
    parts = []
    for index in np.linspace(0, len(traffic.heads) - 1, heads).astype(int):
        where = np.flatnonzero(traffic.head == index)
        picked = np.resize(where, share * config.lanes)
        constants = traffic.heads[index]
        shape = (share, config.lanes)
        parts.append(
            (
                load(config, constants.scale, constants.log_c, False),
                traffic.codes[picked].astype(np.int64).reshape(shape),
                traffic.mask[picked].reshape(shape),
            )
        )
    return parts


def _traffic(load: _Load, ports: Callable[[Any], Ports]) -> Callable[[Any, str, int], Stimulus]:
    def traffic(config: ConSmaxConfig, source: str, beats: int) -> Stimulus:
        """Scores to measure activity with.

        Args:
            config: The unit.
            source: ``"model"``: of a language model, with its masks (from a synthetic trace
                where the model is not installed); ``"synthetic"``: of that synthetic trace;
                ``"normal"``: a clipped normal, mean -20, deviation 35, nothing masked.
            beats: Number of beats, about.

        Raises:
            UserError: If the source is unknown.
        """
        from sim.workload.traffic import normal_codes

        builder = StimulusBuilder(ports(config))
        if source in ("model", "synthetic"):
            parts = _model_beats(config, load, beats, _MODEL_HEADS, synthetic=source == "synthetic")
        elif source == "normal":
            codes = normal_codes(beats * config.lanes, 1).astype(np.int64)
            score = codes.reshape(beats, config.lanes)
            mask = np.zeros(score.shape, dtype=bool)
            parts = [(load(config, *_DRAWN_HEAD, False), score, mask)]
        else:
            raise UserError(f"unknown traffic {source!r}; there are: model, normal, synthetic")
        for head, score, mask in parts:
            builder.configure(head.beats)
            _beats(builder, config, head, score, mask)
        return builder.build()

    return traffic


_COVERAGE = (
    "every_code",
    "least_score",
    "greatest_score",
    "zero_score",
    "masked",
    "unmasked",
    "all_masked",
    "underflow",
    "overflow",
    "head_loaded",
    "model_head",
    "reset_in_stream",
)
_LOG2_PORTS = _ports(lambda config: config.k_width + config.b_width)
_SPLIT_PORTS = _ports(lambda config: 19 + (1 if config.table_sets == 1 else 3))

UNITS = (
    Unit(
        name="consmax/log2",
        family="attention",
        summary="ConSmax as 2^(k s + b): one multiply-add and a fraction table",
        config=Log2Config,
        component=deferred("hw.attention.consmax_log2", "ConSmaxLog2"),
        ports=_LOG2_PORTS,
        vectors=_vectors(_load_log2, _LOG2_PORTS),
        traffic=_traffic(_load_log2, _LOG2_PORTS),
        coverage=_COVERAGE,
        latency=deferred("hw.attention.consmax_log2", "latency"),
        operations_per_beat=lambda config: config.lanes,
    ),
    Unit(
        name="consmax/split",
        family="attention",
        summary="ConSmax as a product of two bf16 table entries, one a nibble (the paper's)",
        config=SplitConfig,
        component=deferred("hw.attention.consmax_split", "ConSmaxSplit"),
        ports=_SPLIT_PORTS,
        vectors=_vectors(_load_split, _SPLIT_PORTS),
        traffic=_traffic(_load_split, _SPLIT_PORTS),
        coverage=_COVERAGE,
        latency=deferred("hw.attention.consmax_split", "latency"),
        operations_per_beat=lambda config: config.lanes,
    ),
)


def _paper_traffic(config: PaperConfig, source: str, beats: int) -> Stimulus:
    """Scores of a clipped normal; the unit has no mask bits, so real ones are left out."""
    import torch

    from golden.attention.consmax import HeadConstants
    from golden.attention.consmax_split import consmax_paper, split_constants
    from golden.bfloat16 import to_fixed
    from hw.attention.consmax_paper import RESULT
    from sim.workload.traffic import normal_codes

    if source != "normal":
        raise UserError(f"consmax/paper takes traffic normal, not {source!r}")
    scale, log_c = _DRAWN_HEAD
    constants = split_constants(HeadConstants(scale=scale, log_c=log_c), SplitConfig())
    values, nibbles, numbers = _table_beats(constants.tables)
    score = normal_codes(beats, 1).astype(np.int64)
    bits = consmax_paper(torch.from_numpy(score), constants)
    data = to_fixed(bits, RESULT.fixed_width, RESULT.fixed_fraction).bits.numpy()
    builder = StimulusBuilder(_PAPER_PORTS)
    builder.configure(pack([(values, 16), (nibbles, 4), (numbers, 1)]))
    builder.data(pack([(score, 8)]), pack([(data, 8)]), beats)
    return builder.build()


_PAPER_PORTS = Ports(i_width=8, o_width=8, cfg_width=21)

# Not in the catalogue: it obeys no back-pressure, so it cannot pass verification.
PAPER = Unit(
    name="consmax/paper",
    family="attention",
    summary="The paper's unit built straight: what the others are measured against",
    config=PaperConfig,
    component=deferred("hw.attention.consmax_paper", "ConSmaxPaper"),
    ports=lambda config: _PAPER_PORTS,
    vectors=lambda config, seed: _paper_traffic(config, "normal", 4096),
    traffic=_paper_traffic,
    coverage=(),
    latency=lambda config: 3,
    operations_per_beat=lambda config: 1,
)
