"""Specify ``matmul/systolic``: matrix products on a systolic array.

A product of two matrices is one job. This module gives the order in which a job's operands enter
the array, the results in the order in which they leave it, and the number of cycles.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from consilico.golden.config import Config, choice, integer
from consilico.golden.lazy import torch
from consilico.golden.matmul.dot import wrap
from consilico.golden.matmul.operand import Operands, code_range, sum_width

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "JobBeats",
    "SystolicConfig",
    "SystolicJob",
    "beat_results",
    "cycles",
    "drained_cycles",
    "job_beats",
    "latency",
    "matmul",
    "occupied_cycles",
    "result_matrix",
]


@dataclass(frozen=True, kw_only=True)
class SystolicJob:
    """Shape of a product ``x @ w`` of an ``m`` x ``k`` matrix and a ``k`` x ``n`` matrix."""

    m: int  # rows of x and of the result
    k: int  # columns of x, rows of w: products of a sum
    n: int  # columns of w and of the result


@dataclass(frozen=True, kw_only=True)
class SystolicConfig(Operands, Config):
    """Parameters of an array of ``rows`` x ``columns`` multipliers for matrix products of any size.

    The widths of the operands are fixed by the configuration: an INT4 array takes about half the
    area and energy of an INT8 array (NanGate 45 nm, 4 x 4). An INT8 array computes with INT4 codes
    as they are, but no faster: a mode at run time would only gain with multipliers that split, as
    in ``matmul/fused_dot``.
    """

    rows: int = integer(4, 2, 64, "rows of multipliers, activations per beat")
    columns: int = integer(4, 1, 64, "columns of multipliers, weights and results per beat")
    dataflow: str = choice(
        "weight_stationary",
        ("weight_stationary", "output_stationary"),
        "operand that stays in a multiplier",
    )
    x: str = choice("int8", ("int8", "int4"), "activations, signed")
    w: str = choice("int8", ("int8", "int4"), "weights, signed")
    depth: int = integer(4096, 1, 1 << 20, "greatest k of a job, for which no sum overflows")
    extent: int = integer(4096, 1, 1 << 20, "greatest m and n of a job")
    block: int = integer(8, 2, 256, "weight_stationary: activation vectors per tile")

    @property
    def tile_rows(self) -> int:
        """Return the rows of a tile of results.

        A weight-stationary array computes that many rows with one tile of weights; an
        output-stationary array holds that many rows.
        """
        return self.block if self.dataflow == "weight_stationary" else self.rows

    @property
    def cluster(self) -> int:
        """Return the rows, and the columns, of multipliers that a beat passes in one cycle.

        The multipliers of a cluster share the registers of their operands. (Gemmini calls it a
        tile: H. Genc et al., DAC 2021.)
        """
        return 1 if self.dataflow == "weight_stationary" else 2

    @property
    def cluster_rows(self) -> int:
        """Return the number of clusters in a column; the last one may have fewer rows."""
        return -(-self.rows // self.cluster)

    @property
    def cluster_columns(self) -> int:
        """Return the number of clusters in a row; the last one may have fewer columns."""
        return -(-self.columns // self.cluster)

    @property
    def column_width(self) -> int:
        """Return the number of bits of a sum over the rows of the array, signed."""
        return sum_width(self.rows, *self.product_range)

    @property
    def sum_width(self) -> int:
        """Return the number of bits of a result, signed; no sum of ``depth`` products overflows."""
        return sum_width(max(self.depth, self.rows), *self.product_range)

    def check(self, job: SystolicJob) -> None:
        """Refuse a job that the counters cannot hold.

        Raises:
            ValueError: If ``m``, ``k`` or ``n`` is out of range; the message names it.
        """
        for name, limit in (("m", self.extent), ("k", self.depth), ("n", self.extent)):
            value = getattr(job, name)
            if type(value) is not int or not 1 <= value <= limit:
                raise ValueError(f"{name} must be an integer in [1, {limit}], not {value!r}")


class JobBeats(NamedTuple):
    """Operands and results of a job, in the order of the streams; lanes beyond a matrix are 0."""

    x: Tensor  # int64, shape (beats, rows)
    w: Tensor  # int64, shape (beats, columns)
    completes: Tensor  # int64, shape (beats,): beats of results that a beat completes
    results: Tensor  # int64, shape (beats of results, columns)


def matmul(x: Tensor, w: Tensor, config: SystolicConfig) -> Tensor:
    """Return ``x @ w``, exactly.

    Args:
        x: Signed codes of the form ``config.x``, int64, shape ``(m, k)``.
        w: Signed codes of the form ``config.w``, int64, shape ``(k, n)``.
        config: The unit.

    Raises:
        ValueError: If the shapes do not match, a size exceeds the unit's limits or a code is out of
            range.
    """
    _job(x, w, config)
    return x @ w


def job_beats(x: Tensor, w: Tensor, config: SystolicConfig) -> JobBeats:
    """Return the beats of a job and its results.

    The result is computed in tiles of ``tile_rows`` x ``columns``, first along n, then along m.
    Each tile takes the whole of k. A beat carries a vector of activations and a row of weights.

    An output-stationary array takes ``k`` beats per tile: beat ``i`` carries column ``i`` of the
    tile's rows of ``x`` and row ``i`` of the tile's columns of ``w``.

    A weight-stationary array takes one pass per tile and per ``rows`` values of k. The beats of a
    pass carry the activations of the tile, row by row, and the first ``rows`` of them also carry
    the weights of the next pass, one row for each k. The first pass of all carries only weights,
    the last pass none.

    Args:
        x: As for :func:`matmul`.
        w: As for :func:`matmul`.
        config: The unit.

    Raises:
        ValueError: As for :func:`matmul`.
    """
    job = _job(x, w, config)
    tiles = [
        (slice(top, min(top + config.tile_rows, job.m)), slice(left, left + config.columns))
        for top in range(0, job.m, config.tile_rows)
        for left in range(0, job.n, config.columns)
    ]
    y = x @ w
    results = torch.cat([_padded(y[tile], 0, config.columns) for tile in tiles])
    if config.dataflow == "output_stationary":
        parts = [
            (
                _padded(x[rows].T, job.k, config.rows),
                _padded(w[:, columns], job.k, config.columns),
                [0] * (job.k - 1) + [rows.stop - rows.start],
            )
            for rows, columns in tiles
        ]
    else:
        parts = _weight_passes(x, w, tiles, config)
    xs, ws, completes = zip(*parts, strict=True)
    return JobBeats(torch.cat(xs), torch.cat(ws), torch.tensor([*chain(*completes)]), results)


def _weight_passes(
    x: Tensor, w: Tensor, tiles: list[tuple[slice, slice]], config: SystolicConfig
) -> list[tuple[Tensor, Tensor, list[int]]]:
    """Return the activations, weights and completed results of each weight-stationary pass."""
    size, depth = config.rows, x.shape[1]
    places = [(*tile, slice(at, at + size)) for tile in tiles for at in range(0, depth, size)]
    activations = [x.new_zeros(0, size)]
    activations += [_padded(x[rows, inner], 0, size) for rows, _, inner in places]
    weights = [_padded(w[inner, columns], size, config.columns) for _, columns, inner in places]
    weights.append(w.new_zeros(0, config.columns))
    ends = [False, *(inner.stop >= depth for *_, inner in places)]
    passes = []
    for lines, weight, end in zip(activations, weights, ends, strict=True):
        beats = max(len(lines), len(weight))
        completes = [int(end and beat < len(lines)) for beat in range(beats)]
        passes.append(
            (_padded(lines, beats, size), _padded(weight, beats, config.columns), completes)
        )
    return passes


def beat_results(
    x: Tensor, w: Tensor, job: SystolicJob, config: SystolicConfig
) -> tuple[Tensor, Tensor]:
    """Return the results of a job from its beats, as the array computes them.

    This is :func:`job_beats` the other way round. The operands of lanes beyond a matrix are
    multiplied like others.

    Args:
        x: int64, shape ``(beats, rows)``: activations of the first beats of the job, and perhaps of
            what follows it.
        w: int64, shape ``(beats, columns)``: weights of these beats.
        job: Sizes of the matrices.
        config: The unit.

    Returns:
        Beats of results that each of the job's beats completes, int64, as many of them as were
        given at most; and these results, int64, shape ``(beats of results, columns)``.

    Raises:
        ValueError: If the job exceeds the unit's limits.
    """
    config.check(job)
    full, low, across = _strips(job, config)
    lines = [config.tile_rows] * (full * across) + [low] * across  # of each tile
    if config.dataflow == "output_stationary":
        return _tile_results(x, w, lines, job.k, config)
    return _pass_results(x, w, lines, -(-job.k // config.rows), config)


def _tile_results(
    x: Tensor, w: Tensor, lines: list[int], k: int, config: SystolicConfig
) -> tuple[Tensor, Tensor]:
    """Return what the beats of output-stationary tiles complete, and the results."""
    beats = min(len(x), k * len(lines))
    tiles = beats // k
    lefts, rights = (part[: tiles * k].reshape(tiles, k, part.shape[1]) for part in (x, w))
    sums = _exact(lefts.mT, rights)
    kept = torch.tensor(lines[:tiles], dtype=torch.int64)
    completes = torch.zeros(beats, dtype=torch.int64)
    completes[k - 1 : tiles * k : k] = kept
    return completes, wrap(_lines(sums, kept), config.sum_width)


def _pass_results(
    x: Tensor, w: Tensor, lines: list[int], inner: int, config: SystolicConfig
) -> tuple[Tensor, Tensor]:
    """Return what the beats of weight-stationary passes complete, and the results."""
    rows = config.rows
    count = torch.tensor(lines).repeat_interleave(inner)[: len(x) // rows + 1]  # of each pass
    takes = count.clamp(min=rows)
    if len(count) == inner * len(lines):
        takes[-1] = count[-1]  # the last pass brings no weights for another
    start = torch.cat([torch.tensor([rows]), rows + takes.cumsum(0)])  # the first beats only load
    beats = min(len(x), int(start[-1]))
    below = (0, 0, 0, config.block + rows)
    padded = [torch.nn.functional.pad(part[:beats], below) for part in (x, w)]
    first = torch.cat([torch.tensor([0]), start[:-2]]).clamp(max=beats)  # where weights come
    lefts = padded[0][start[:-1].clamp(max=beats)[:, None] + torch.arange(config.block)]
    sums = _exact(lefts, padded[1][first[:, None] + torch.arange(rows)])
    whole = len(sums) // inner * inner
    tiles = sums[:whole].reshape(-1, inner, *sums.shape[1:]).sum(dim=1)
    ends = (torch.arange(whole // inner) + 1) * inner - 1  # the pass that ends each tile
    place = _lines(start[ends][:, None] + torch.arange(config.block), count[ends])
    done = place < beats
    completes = torch.zeros(beats, dtype=torch.int64)
    completes[place[done]] = 1
    return completes, wrap(_lines(tiles, count[ends])[done], config.sum_width)


def _exact(a: Tensor, b: Tensor) -> Tensor:
    """Multiply integer matrices. No sum has more than 53 bits, so float64 computes it exactly."""
    return (a.double() @ b.double()).long()


def _lines(tiles: Tensor, count: Tensor) -> Tensor:
    """Return the first rows of tiles, one tile after the other: of each as many as it counts."""
    return tiles[torch.arange(tiles.shape[1]) < count[:, None]]


def result_matrix(results: Tensor, job: SystolicJob, config: SystolicConfig) -> Tensor:
    """Return the product, shape ``(m, n)``, from the array's beats of results.

    Args:
        results: int64, shape ``(beats, columns)``, in the order of :func:`job_beats`.
        job: Sizes of the matrices.
        config: The unit.

    Raises:
        ValueError: If the job exceeds the unit's limits.
    """
    config.check(job)
    strips, at = [], 0
    across = -(-job.n // config.columns)
    for top in range(0, job.m, config.tile_rows):
        rows = min(config.tile_rows, job.m - top)
        tiles = results[at : at + rows * across].reshape(across, rows, config.columns)
        strips.append(tiles.transpose(0, 1).reshape(rows, -1)[:, : job.n])
        at += rows * across
    return torch.cat(strips)


def latency(config: SystolicConfig) -> int:
    """Return the cycles from a beat that completes results to the first of them, without stalls."""
    return config.cluster_rows + config.cluster_columns + 1


def cycles(job: SystolicJob, config: SystolicConfig) -> int:
    """Return the cycles from the handshake of the first beat to that of the last result.

    Nothing stalls. Loading a tile of weights, or draining a tile of results, overlaps with the
    beats of another tile and only costs cycles if that tile has fewer beats.

    Raises:
        ValueError: If the job exceeds the unit's limits.
    """
    config.check(job)
    return drained_cycles(job, config)


def drained_cycles(job: SystolicJob, config: SystolicConfig) -> int:
    """Return the same for jobs of any size, as if the unit's counters had room for them."""
    _, low, _ = _strips(job, config)
    occupied = occupied_cycles(job, config)
    if config.dataflow == "output_stationary":
        return occupied - max(job.k, low) + job.k + latency(config) + low - 1
    return config.rows + occupied - max(low, config.rows) + low + latency(config)


def occupied_cycles(job: SystolicJob, config: SystolicConfig) -> int:
    """Return the cycles for which a job's tiles occupy the array, filling and draining left out.

    That is what a job costs among others that follow one another without a pause. A tile of weights
    is loaded, or a tile of results drained, during the beats of another tile, which therefore takes
    as many cycles as the array has rows if it has fewer beats.
    """
    full, low, across = _strips(job, config)
    if config.dataflow == "output_stationary":
        return across * (full * max(job.k, config.rows) + max(job.k, low))
    passes = across * -(-job.k // config.rows)  # of a strip
    return passes * (full * max(config.tile_rows, config.rows) + max(low, config.rows))


def _strips(job: SystolicJob, config: SystolicConfig) -> tuple[int, int, int]:
    """Return how a result is cut into tiles.

    Returns:
        Strips of whole tiles above the last strip; the rows of the last strip; tiles of a strip.
    """
    full = -(-job.m // config.tile_rows) - 1
    return full, job.m - full * config.tile_rows, -(-job.n // config.columns)


def _job(x: Tensor, w: Tensor, config: SystolicConfig) -> SystolicJob:
    """Return the sizes of a product after checking shapes, sizes and codes."""
    if x.dim() != 2 or w.dim() != 2 or x.shape[1] != w.shape[0]:
        raise ValueError(
            f"x and w must be of shapes (m, k) and (k, n), not {tuple(x.shape)} and "
            f"{tuple(w.shape)}"
        )
    job = SystolicJob(m=x.shape[0], k=x.shape[1], n=w.shape[1])
    config.check(job)
    for name, codes, form in (("x", x, config.x), ("w", w, config.w)):
        low, high = code_range(form)
        if codes.min() < low or codes.max() > high:
            raise ValueError(
                f"{name} must be {form} codes in [{low}, {high}], not "
                f"{int(codes.min())} to {int(codes.max())}"
            )
    return job


def _padded(values: Tensor, lines: int, lanes: int) -> Tensor:
    """Pad with zeros on the right up to ``lanes`` columns and below up to ``lines`` rows."""
    return torch.nn.functional.pad(
        values, (0, lanes - values.shape[1], 0, max(0, lines - len(values)))
    )
