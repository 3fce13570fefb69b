"""Catalogue entry of the attention tile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.attention.consmax import HeadConstants
from consilico.golden.attention.consmax_base2 import Base2Constants, base2_constants
from consilico.golden.attention.consmax_log2 import Log2Constants, log2_constants
from consilico.golden.attention.consmax_split import SplitConstants, split_constants
from consilico.golden.attention.tile import (
    Constants,
    TileBeats,
    TileConfig,
    TileJob,
    beat_results,
    job_beats,
)
from consilico.golden.attention.tile_events import simulate_tile
from consilico.golden.matmul.requant import ChannelScale, channel_scale
from consilico.sim.units.accepted import Accepted, GoldenResults, one_cycle_per_item
from consilico.sim.units.layout import Values
from consilico.sim.units.stimulus import Kind, Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS", "TileBench", "drawn_job"]

Codes = NDArray[np.int64]
_QUEUED = 3  # jobs that are loaded before the data of the first of them
_GROUPS = 16  # of drawn jobs
_TRAFFIC_KEYS, _TRAFFIC_TILES = 256, 32  # of a row of drawn traffic: keys at most, key tiles
_DEVIATION = 32.0  # of operands and codes of scores in drawn traffic
_COVERAGE = (
    "single_query",
    "single_key",
    "ragged_rows",
    "ragged_keys",
    "several_tiles",
    "partly_seen",
    "nothing_seen",
    "queued",
    "shape_kept",
    "head_loaded",
    "reset_in_job",
    "reset_with_queue",
    "least_operands",
    "greatest_result",
    "least_result",
)


def _hardware() -> Any:
    from consilico.hw.attention import tile as hardware

    return hardware


@dataclass(frozen=True, kw_only=True)
class TileOperands:
    """INT8 queries, keys and values of one job, as the golden model takes them."""

    q: Codes  # (rows, head_dim)
    k: Codes  # (keys, head_dim)
    v: Codes  # (keys, head_dim)


class TileBench:
    """Adds jobs of an attention tile to a stimulus, with the constants of their heads."""

    def __init__(self, config: TileConfig) -> None:
        self.config = config
        self.builder = UNITS[0].builder(config)
        self._tables: SplitConstants | None = None
        self._shape: tuple[int, int] | None = None

    def attend(
        self, jobs: Sequence[tuple[TileJob, TileOperands]], beats: int | None = None
    ) -> None:
        """Add jobs that are loaded before the data of the first one.

        Args:
            jobs: With their operands; with ``consmax/split`` all of one head.
            beats: Cut their data after so many, and reset the unit.
        """
        import torch

        for job, _ in jobs:
            self._load(job)
        parts = [
            job_beats(
                torch.from_numpy(each.q), torch.from_numpy(each.k), torch.from_numpy(each.v),
                self.config,
            )
            for _, each in jobs
        ]  # fmt: skip
        values = {
            name: np.concatenate([getattr(part, name).numpy() for part in parts])[:beats]
            for name in TileBeats._fields
        }
        # an estimate where data are cut
        share = len(values["q"]) / sum(len(part.q) for part in parts)
        depth = self.config.head_dim
        results = sum(job.rows for job, _ in jobs) * depth
        operations = sum(job.rows * job.keys for job, _ in jobs) * 2 * depth
        self.builder.data(values, round(results * share), operations=round(operations * share))
        coverage = self.builder.coverage
        coverage["queued"] += len(jobs) > 1
        if beats is not None:
            coverage["reset_in_job"] += 1
            coverage["reset_with_queue"] += beats < len(parts[0].q) and len(jobs) > 1
            self.builder.reset()

    def _load(self, job: TileJob) -> None:
        job.check(self.config)
        head: dict[str, Any] = {}
        coverage = self.builder.coverage
        if isinstance(job.head, SplitConstants):
            if job.head != self._tables:
                self._tables = job.head
                for beat in _entries(job.head):
                    self.builder.configure(_fields(None, beat | {"entry": 1}))
                coverage["head_loaded"] += 1
            head = {"value": 0, "nibble": 0, "table": 0, "entry": 0}
        else:
            head = vars(job.head)
            coverage["head_loaded"] += 1
        self.builder.configure(_fields(job, head))
        config, tiles = self.config, self.config.key_tiles(job.keys)
        last = job.seen + job.rows - 1
        points = {
            "single_query": job.rows == 1,
            "single_key": job.keys == 1,
            "ragged_rows": job.rows < config.rows,
            "ragged_keys": job.keys % config.columns > 0,
            "several_tiles": tiles > 1,
            "partly_seen": 0 < job.seen < job.keys and last > job.seen,
            "nothing_seen": job.seen == 0,
            "shape_kept": self._shape == (job.rows, tiles),
        }
        self._shape = job.rows, tiles
        coverage.update({point: int(hit) for point, hit in points.items()})


def _entries(head: SplitConstants) -> Iterator[dict[str, int]]:
    """Yield the entries of tables as beats on ``cfg``."""
    for number, table in enumerate(head.tables):
        for nibble, value in enumerate(table):
            yield {"value": int(value), "nibble": nibble, "table": number}


def _fields(job: TileJob | None, head: dict[str, Any]) -> Values:
    """Return the beat on ``cfg`` of a job, or of an entry of a table, with the head's constants."""
    sizes = {"rows": 0, "keys": 0, "seen": 0, "scale.multiplier": 0, "scale.shift": 0}
    if job is not None:
        sizes = {name: getattr(job, name) for name in ("rows", "keys", "seen")}
        sizes |= {f"scale.{name}": part for name, part in job.scale._asdict().items()}
    named = {name if name == "entry" else f"head.{name}": part for name, part in head.items()}
    return {name: np.array([part]) for name, part in (sizes | named).items()}


def _jobs(config: TileConfig, accepted: Accepted) -> Iterator[tuple[TileJob, slice]]:
    """Yield the jobs in what was accepted, and their beats, the last ones cut.

    Raises:
        ValueError: If a beat of data comes before the first job, or a job does not fit the unit.
    """
    if accepted.beats and not accepted.loads_before[0]:
        raise ValueError("a beat of data comes before the first job")
    loads = accepted.loads
    epochs = np.cumsum(accepted.kind == Kind.RESET)[accepted.kind == Kind.CONFIG]
    tables = _Tables(loads)
    at = end = here = -1
    for load, epoch in enumerate(epochs.tolist()):
        if tables.used and loads["entry"][load]:
            continue
        if epoch > here:
            at, here = int(np.searchsorted(accepted.resets_before, epoch)), epoch
            end = int(np.searchsorted(accepted.resets_before, epoch, side="right"))
        at = max(at, int(accepted.beats_before_load[load]))  # none is taken while no job waits
        known = accepted.loads_before[at] if at < end else load
        job = TileJob(
            **{name: int(loads[name][load]) for name in ("rows", "keys", "seen")},
            scale=ChannelScale(*(int(loads[f"scale.{n}"][load]) for n in ChannelScale._fields)),
            head=tables.after(int(known)) if tables.used else _head(config, loads, load),
        )
        job.check(config)
        last = min(at + config.key_tiles(job.keys) * config.head_dim, end)
        yield job, slice(at, last)
        at = last


class _Tables:
    """Tables of ``consmax/split``; a job has those that are loaded when its data begin."""

    def __init__(self, loads: dict[str, Codes]) -> None:
        self.used = "entry" in loads
        self._loads, self._done = loads, 0
        self._tables = np.zeros((2, 16), dtype=np.int64)

    def after(self, count: int) -> SplitConstants:
        """Return the tables after so many beats of configuration, at least as many as before."""
        for load in range(self._done, count):
            if self._loads["entry"][load]:
                place = self._loads["head.table"][load], self._loads["head.nibble"][load]
                self._tables[place] = self._loads["head.value"][load]
        self._done = count
        return SplitConstants(tables=tuple(map(tuple, self._tables.tolist())), wide=False)


def _head(config: TileConfig, loads: dict[str, Codes], load: int) -> Constants:
    """Return the normalizer's constants that come along with a job."""
    if config.normalizer == "consmax/base2":
        return Base2Constants(
            exponent=int(loads["head.exponent"][load]),
            mantissa=loads["head.mantissa"][load].tolist(),
            carry=loads["head.carry"][load].tolist(),
        )
    return Log2Constants(k=int(loads["head.k"][load]), b=int(loads["head.b"][load]))


def _golden(config: TileConfig, accepted: Accepted) -> GoldenResults:
    """Return the results of all jobs; data for which no job waits, which is not taken, has none."""
    import torch

    data = [torch.from_numpy(accepted.data[name]) for name in TileBeats._fields]
    completes = np.zeros(accepted.beats, dtype=np.int64)
    results = [np.zeros((0, config.head_dim), dtype=np.int64)]
    for job, beats in _jobs(config, accepted):
        if beats.stop - beats.start == config.key_tiles(job.keys) * config.head_dim:
            part = TileBeats(*(each[beats] for each in data))
            results.append(beat_results(part, job, config).numpy())
            completes[beats.stop - 1] = job.rows
    return GoldenResults(beats={"payload": np.concatenate(results)}, completes=completes)


def _item_cycles(config: TileConfig, accepted: Accepted) -> NDArray[np.int64]:
    """Return the cycles of items, those of operands by the event model.

    What is loaded between the data of two jobs takes a cycle each.
    """
    cycles = one_cycle_per_item(config, accepted)
    of_beats = np.ones(accepted.beats, dtype=np.int64)
    timing = _hardware().timing(config)
    found = [part for part in _jobs(config, accepted) if part[1].stop > part[1].start]
    for _, group in groupby(found, lambda part: int(accepted.resets_before[part[1].start])):
        jobs = [*group]
        sizes = [(job.rows, config.key_tiles(job.keys)) for job, _ in jobs]
        loads = accepted.loads_before[[beats.start for _, beats in jobs]]
        gaps = np.diff(loads, prepend=loads[0])
        beats = slice(jobs[0][1].start, jobs[-1][1].stop)
        run = simulate_tile(timing, sizes, gaps.tolist())
        of_beats[beats] = np.diff(run.operands, prepend=-1)[: beats.stop - beats.start]
        of_beats[[part.start for _, part in jobs]] -= gaps
    cycles[accepted.is_beat] = of_beats
    return cycles


def _hits(config: TileConfig, accepted: Accepted, results: GoldenResults) -> dict[str, int]:
    """Return how often operands and results hit coverage points."""
    sums = _greatest_keys(config) * ((1 << config.p_bits) - 1)
    payload = results.beats["payload"]
    least = [(accepted.data[name] == -128).all(axis=1) for name in ("q", "k")]
    return {
        "least_operands": int((least[0] & least[1]).sum()),
        "greatest_result": int((payload == 127 * sums).sum()),
        "least_result": int((payload == -128 * sums).sum()),
    }


def _greatest_keys(config: TileConfig) -> int:
    """Return the keys of jobs whose sums are the greatest and the least of so many terms."""
    return min(2 * config.columns, config.tokens)


def _exempt(config: TileConfig) -> dict[str, str]:
    """Return the coverage points that a configuration cannot hit, with the reason."""
    why = {}
    if config.tokens <= config.columns:
        why["several_tiles"] = f"{config.tokens} tokens fit into one key tile"
    if config.tokens == 1:
        why["partly_seen"] = "a lone key is seen or not"
    return why


def constants_of(config: TileConfig, scale: float, log_c: float) -> Constants:
    """Return a head's constants for the normalizer.

    Args:
        config: The unit.
        scale: Natural units per code; ``consmax/base2`` has its own, a quarter of a bit.
        log_c: Natural logarithm of ConSmax's merged constant C.

    Raises:
        ValueError: If the normalizer cannot have them.
    """
    if config.normalizer == "consmax/base2":
        return base2_constants(log_c)
    head = HeadConstants(scale=scale, log_c=log_c)
    if config.normalizer == "consmax/log2":
        return log2_constants(head, config.normalizing)  # type: ignore[arg-type]
    return split_constants(head, config.normalizing)  # type: ignore[arg-type]


def drawn_job(
    rng: np.random.Generator, config: TileConfig, rows: int, keys: int, seen: int, head: Constants
) -> tuple[TileJob, TileOperands]:
    """Return a job of drawn codes, whose scores fill the range of what the normalizer tells apart.

    Args:
        rng: Random generator.
        config: The unit.
        rows: Queries.
        keys: Keys.
        seen: Keys that the first query sees.
        head: Constants of the normalizer.
    """
    depth = config.head_dim
    # standard deviation of a sum of products of drawn codes, and of the codes of scores
    sums, codes = 5461.0 * depth**0.5, 12 if config.normalizer == "consmax/base2" else 48
    scale = Fraction(codes / sums * float(np.exp2(rng.uniform(-1, 1))))
    job = TileJob(
        rows=rows, keys=keys, seen=seen, scale=channel_scale(scale, config.requantizer), head=head
    )
    sizes = {"q": rows, "k": keys, "v": keys}
    drawn = {name: rng.integers(-128, 128, (count, depth)) for name, count in sizes.items()}
    return job, TileOperands(**drawn)


def _drawn_head(rng: np.random.Generator, config: TileConfig) -> Constants:
    return constants_of(config, float(rng.uniform(1, 6)) / 127, float(rng.uniform(-6, -1)))


def _vectors(config: TileConfig, seed: int) -> Stimulus:
    """Drive drawn jobs of all sizes, one by one and queued, prompts, resets and extremes."""
    rng = np.random.default_rng(seed)
    bench = TileBench(config)
    rows, size = config.rows, config.columns

    def job(m: int, n: int, seen: int, head: Constants) -> tuple[TileJob, TileOperands]:
        n = min(n, config.tokens)
        return drawn_job(rng, config, m, n, min(seen, config.tokens), head)

    head = _drawn_head(rng, config)
    bench.attend([job(1, 1, 1, head)])
    for group in range(_GROUPS):
        if group % 2:
            head = _drawn_head(rng, config)
        cut = group % 5 == 4
        count = 2 if cut else 1 + group % _QUEUED
        jobs = []
        for _ in range(count):
            m = rows if rng.random() < 0.4 else int(rng.integers(1, rows + 1))
            n = int(rng.integers(1, 3 * size + 1))
            seen = int(rng.choice([n, 0, int(rng.integers(0, n + 1))], p=[0.4, 0.1, 0.5]))
            jobs.append(job(m, n, seen, head))
        if cut:  # in the second job, or in the first one
            whole = config.key_tiles(jobs[0][0].keys) * config.head_dim
            bench.attend(jobs, whole + 1 if group % 2 else int(rng.integers(1, whole)))
        bench.attend(jobs)
    # a prompt, strip by strip, and tokens after it
    for first in range(0, 3 * rows, rows):
        bench.attend([job(rows, first + rows, first + 1, head)])
    bench.attend([job(1, 3 * rows + n, 3 * rows + n, head) for n in (1, 2, 3)])
    for q, k, v in ((-128, -128, 127), (-128, -128, -128), (-128, 127, 127)):
        keys = _greatest_keys(config)
        greatest, each = job(rows, keys, keys, constants_of(config, 6 / 127, 1.0))
        for codes, code in zip((each.q, each.k, each.v), (q, k, v), strict=True):
            codes[:] = code
        bench.attend([(greatest, each)])
    return bench.builder.build()


def _traffic(config: TileConfig, beats: int) -> Stimulus:
    """Return rounded normal operands of prompts with a causal mask, heads one after another."""
    rng = np.random.default_rng(1)
    bench = TileBench(config)
    head = constants_of(config, 6 / 127, -4.0)
    keys = min(_TRAFFIC_KEYS, _TRAFFIC_TILES * config.columns, config.tokens)
    scale = channel_scale(Fraction(1 / (_DEVIATION * config.head_dim**0.5)), config.requantizer)
    driven = 0
    while driven < beats:
        for first in range(0, keys - config.rows + 1, config.rows):
            job = TileJob(
                rows=config.rows, keys=first + config.rows, seen=first + 1, scale=scale, head=head
            )
            drawn = [
                np.clip(np.rint(rng.normal(0, _DEVIATION, (n, config.head_dim))), -128, 127)
                for n in (job.rows, job.keys, job.keys)
            ]
            q, k, v = (codes.astype(np.int64) for codes in drawn)
            bench.attend([(job, TileOperands(q=q, k=k, v=v))])
            driven += config.key_tiles(job.keys) * config.head_dim
            if driven >= beats:
                break
    return bench.builder.build()


UNITS = (
    Unit(
        name="attention/tile",
        summary="Attention of a few queries: scores, ConSmax and weighted sums of values",
        config=TileConfig,
        component=lambda config: _hardware().AttentionTile(config),
        vectors=_vectors,
        golden=_golden,
        hits=_hits,
        item_cycles=_item_cycles,
        coverage=_COVERAGE,
        exempt=_exempt,
        latency=lambda config: _hardware().latency(config),
        operation="MAC",
        operations_per_beat=lambda config: 2 * config.rows * config.columns,
        operations_per_result=lambda config, source: 2 * _TRAFFIC_KEYS,
        sources={"normal": _traffic},
    ),
)
