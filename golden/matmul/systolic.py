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
from consilico.golden.matmul.operand import Operands, code_range, sum_width

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Job",
    "JobBeats",
    "SystolicConfig",
    "cycles",
    "job_beats",
    "latency",
    "matmul",
    "result_matrix",
]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One product ``x @ w`` of an ``m`` x ``k`` matrix and a ``k`` x ``n`` matrix."""

    m: int  # rows of x and of the result
    k: int  # columns of x, rows of w: products of a sum
    n: int  # columns of w and of the result


@dataclass(frozen=True, kw_only=True)
class SystolicConfig(Operands, Config):
    """``rows`` x ``columns`` multipliers for matrix products of any size.

    Widths of operands are fixed by the configuration: an INT4 array takes about half the area and
    energy of an INT8 array (NanGate45, 4 x 4). An INT8 array runs INT4 codes as they are, but no
    faster: a mode at run time would gain only with multipliers that split, as in ``fused_dot``.
    """

    rows: int = integer(4, 2, 64, "rows of multipliers, activations a beat")
    columns: int = integer(4, 1, 64, "columns of multipliers, weights and results a beat")
    dataflow: str = choice(
        "weight_stationary",
        ("weight_stationary", "output_stationary"),
        "what stays in a multiplier",
    )
    x: str = choice("int8", ("int8", "int4"), "activations, signed")
    w: str = choice("int8", ("int8", "int4"), "weights, signed")
    depth: int = integer(4096, 1, 1 << 20, "greatest k of a job; no sum overflows")
    extent: int = integer(4096, 1, 1 << 20, "greatest m and n of a job")
    block: int = integer(8, 2, 256, "weight_stationary: activation vectors a tile")

    @property
    def tile_rows(self) -> int:
        """Rows of the result that are computed with one tile of weights, or held in the array."""
        return self.block if self.dataflow == "weight_stationary" else self.rows

    @property
    def column_width(self) -> int:
        """Bits of a sum over the rows of the array."""
        return sum_width(self.rows, *self.product_range)

    @property
    def sum_width(self) -> int:
        """Bits of a result, signed: a sum of ``depth`` products does not overflow."""
        return sum_width(max(self.depth, self.rows), *self.product_range)

    def check(self, job: Job) -> None:
        """Refuse a job that the counters cannot hold.

        Raises:
            ValueError: If ``m``, ``k`` or ``n`` is out of range; the message names it.
        """
        for name, limit in (("m", self.extent), ("k", self.depth), ("n", self.extent)):
            value = getattr(job, name)
            if type(value) is not int or not 1 <= value <= limit:
                raise ValueError(f"{name} must be an integer in [1, {limit}], not {value!r}")


class JobBeats(NamedTuple):
    """A job as the array's host sees it, in order. Lanes beyond a matrix are 0."""

    x: Tensor  # int64, shape (beats, rows)
    w: Tensor  # int64, shape (beats, columns)
    completes: Tensor  # int64, shape (beats,): beats of results that come once it is taken
    results: Tensor  # int64, shape (beats of results, columns)


def matmul(x: Tensor, w: Tensor, config: SystolicConfig) -> Tensor:
    """``x @ w``, exactly.

    Args:
        x: int64, shape ``(m, k)``, signed codes of ``config.x``.
        w: int64, shape ``(k, n)``, signed codes of ``config.w``.
        config: The unit.

    Raises:
        ValueError: If a size is not one of a job, sizes do not match or a code is out of range.
    """
    _job(x, w, config)
    return x @ w


def job_beats(x: Tensor, w: Tensor, config: SystolicConfig) -> JobBeats:
    """Beats of a job and their results.

    The result is computed in tiles of ``tile_rows`` x ``columns``, along n first. Each takes the
    whole of k. A beat has a vector of activations and a row of weights.

    Output stationary: for each tile, for each k: a column of the rows of x, a row of w.

    Weight stationary: for each tile, for each ``rows`` values of k, a pass: its beats hold the
    activations of the tile, row by row, and in the first ``rows`` of them the weights of the next
    pass, one for each k. The first pass of all only brings weights, the last one none.

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
    """Activations, weights and completed results of each pass."""
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


def result_matrix(results: Tensor, job: Job, config: SystolicConfig) -> Tensor:
    """The product, shape ``(m, n)``, from the beats of results, shape ``(beats, columns)``.

    Raises:
        ValueError: If it is not a job of the unit.
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
    """Cycles from a beat that completes results to the first of them, nothing stalling."""
    return config.rows + config.columns + 1


def cycles(job: Job, config: SystolicConfig) -> int:
    """Cycles from the handshake of the first beat to that of the last result, nothing stalling.

    A tile of weights is loaded, or one of results drained, behind the beats of another, unless
    these are fewer.

    Raises:
        ValueError: If it is not a job of the unit.
    """
    config.check(job)
    rows, size = config.rows, config.tile_rows
    full = -(-job.m // size) - 1  # strips of tiles, less the last one, which may be lower
    low = job.m - full * size
    across = -(-job.n // config.columns)
    if config.dataflow == "output_stationary":
        before = full * across * max(job.k, rows) + (across - 1) * max(job.k, low)
        return before + job.k + latency(config) + low - 1
    passes = across * -(-job.k // rows)  # of a strip
    before = rows + full * passes * max(size, rows) + (passes - 1) * max(low, rows)
    return before + low + latency(config)


def _job(x: Tensor, w: Tensor, config: SystolicConfig) -> Job:
    if x.dim() != 2 or w.dim() != 2 or x.shape[1] != w.shape[0]:
        raise ValueError(
            f"x and w must be of shapes (m, k) and (k, n), not {tuple(x.shape)} and "
            f"{tuple(w.shape)}"
        )
    job = Job(m=x.shape[0], k=x.shape[1], n=w.shape[1])
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
    """Zeros added on the right up to ``lanes``, and below up to ``lines``."""
    return torch.nn.functional.pad(
        values, (0, lanes - values.shape[1], 0, max(0, lines - len(values)))
    )
