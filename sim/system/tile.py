"""Cycles of an attention tile, by closed forms.

A tile has an output-stationary array for the scores, lanes that requantize them, a normalizer and a
weight-stationary array for the weighted sum of values. The order of beats fits without a
transposition: a beat that leaves the first array holds the scores of one query and ``columns``
keys, and that is a beat which enters the second one, whose weights are the values of these keys. A
*job* is the queries of one head that the first array holds at a time, against all keys that they
see; its *key tiles* are groups of ``columns`` keys.

The arrays are ``matmul/systolic`` as it is: the second one begins each job with beats that only
load weights, and each array takes a cycle for the sizes of a job that differ from the last one's.
:mod:`consilico.sim.system.tile_events` steps the same through clock cycles; tests hold the forms to
it, and it to the units' Verilog.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from consilico.golden.matmul.systolic import SystolicConfig, latency

__all__ = ["TileJobs", "TileTiming", "is_exact", "tile_cycles"]

_SETTLED = 6  # jobs after which two equal repeats of a list say how long each further one takes


@dataclass(frozen=True, kw_only=True)
class TileTiming:
    """What decides how long a tile takes."""

    scores: SystolicConfig  # output stationary: queries x keys
    values: SystolicConfig  # weight stationary: keys x elements of a value
    key_dim: int  # elements of a query, and of a key
    requantizer: int  # cycles from a score to its code
    normalizer: int  # cycles from a code (of two passes: from a row's last one) to its result
    # the normalizer reads every row twice: codes wait in one of two buffers of a job each
    two_passes: bool = False
    slices: int = 1  # operands that a result takes in the second array
    queue: int = 0  # rows of results that can wait in front of it, in addition to those in stages

    @property
    def columns(self) -> int:
        """Return the keys of a key tile."""
        return self.scores.columns

    @cached_property
    def before(self) -> int:
        """Return the cycles from the last operands of a key tile to its first score's code."""
        return latency(self.scores) + self.requantizer

    @cached_property
    def between(self) -> int:
        """Return the cycles from a score's code to its normalized score in the second array."""
        return self.normalizer + bool(self.queue)

    @cached_property
    def after(self) -> int:
        """Return the cycles from a normalized score in the second array to the result."""
        return latency(self.values)


@dataclass(frozen=True)
class TileJobs:
    """Jobs of a tile, one after another: a list of them that is repeated for each head."""

    rows: NDArray[np.int64]  # queries of each job
    key_tiles: NDArray[np.int64]  # of each job
    repeats: int = 1

    @classmethod
    def of(cls, rows: Sequence[int], key_tiles: Sequence[int], repeats: int = 1) -> "TileJobs":
        """Return jobs of plain numbers."""
        return cls(np.array(rows, dtype=np.int64), np.array(key_tiles, dtype=np.int64), repeats)

    def __len__(self) -> int:
        return len(self.rows) * self.repeats

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield queries and key tiles of every job."""
        shapes = list(zip(self.rows.tolist(), self.key_tiles.tolist(), strict=True))
        for _ in range(self.repeats):
            yield from shapes

    @property
    def passes(self) -> int:
        """Return the key tiles of all jobs."""
        return int(self.key_tiles.sum()) * self.repeats

    @cached_property
    def changes(self) -> NDArray[np.bool_]:
        """Return which jobs of a repeated list have other sizes than the job before."""
        shape = np.stack([self.rows, self.key_tiles])
        changes: NDArray[np.bool_] = (shape != np.roll(shape, 1, axis=1)).any(axis=0)
        return changes


def tile_cycles(timing: TileTiming, jobs: TileJobs) -> int:
    """Return the cycles from the first operands to the last result, nothing stalling at the ends.

    Within a job a key tile takes as long as its slowest part: ``key_dim`` beats of operands, the
    rows of scores that leave, the rows that enter the second array, or the weights that it loads.
    Between two jobs the second array takes the rows of the last key tile and the first weights of
    the next job one after the other.

    See :func:`is_exact` for when it is just that; else what has room between the arrays hides a
    part of what they wait for between two jobs, and it is an upper bound.
    """
    if timing.two_passes:
        return _two_passes(timing, jobs)
    inside, between = _periods(timing, jobs.rows)
    # from the last operands of a key tile to those of the next
    step = (jobs.key_tiles - 1) * inside
    follow = between + np.roll(jobs.changes, -1)  # after each job, before the next
    waits = int((step.sum() + follow.sum()) * jobs.repeats - follow[-1])
    last = timing.slices * int(jobs.rows[-1])
    return timing.key_dim + waits + timing.before + timing.between + last - 1 + timing.after


def is_exact(timing: TileTiming, jobs: TileJobs) -> bool:
    """Tell whether :func:`tile_cycles` is the number of cycles, and not an upper bound.

    It is if the second array never has to wait between two jobs, if it always has to, or if more
    rows than fit between the arrays wait for it when it does.
    """
    if timing.two_passes or len(jobs) == 1:
        return True
    enter = timing.slices * jobs.rows
    keeps_up = timing.key_dim >= enter + timing.columns
    lags = timing.key_dim <= np.maximum(enter, timing.columns)
    held = timing.requantizer + timing.normalizer
    full = timing.slices == 1 and not timing.queue and bool((jobs.rows > held).all())
    return bool(keeps_up.all() or lags.all() or full)


def _periods(
    timing: TileTiming, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cycles of a key tile within a job, and of the last one up to the next job's."""
    enter = timing.slices * rows
    inside = np.maximum(np.maximum(timing.key_dim, enter), timing.columns)
    return inside, np.maximum(timing.key_dim, enter + timing.columns)


def _two_passes(timing: TileTiming, jobs: TileJobs) -> int:
    """Return the cycles with a buffer for the codes of two jobs between the arrays.

    The first array is ahead by up to two jobs; a job's buffer is free when its last result is in
    the second array.
    """
    rows, tiles = jobs.rows.tolist(), jobs.key_tiles.tolist()
    changes = jobs.changes.tolist()
    ends: list[int] = []
    operands, leaving = -1, 0  # last operands so far; rows that leave after them
    entered = [-1, -1]  # when the last results of the two jobs before were in the second array
    done = -1
    for repeat in range(jobs.repeats):
        if repeat * len(rows) >= _SETTLED and len(ends) > 2 and _steady(ends):
            break
        for job, (count, number) in enumerate(zip(rows, tiles, strict=True)):
            first = repeat == job == 0
            begin = max(operands + 1 + (changes[job] and not first), entered[0])
            ready = max(begin + timing.key_dim - 1, operands + leaving)
            operands = ready + (number - 1) * max(timing.key_dim, count)
            leaving = count
            known = operands + timing.before + count - 1 + timing.between
            enter = timing.slices * count
            prime = timing.columns - 1 if first else done + timing.columns + changes[job]
            start = max(known, prime + 1)
            done = start + (number - 1) * max(enter, timing.columns) + enter - 1
            entered = [entered[1], done]
        ends.append(done)
    more = jobs.repeats - len(ends)
    return ends[-1] + more * (ends[-1] - ends[-2] if more else 0) + timing.after + 1


def _steady(ends: Sequence[int]) -> bool:
    """Tell whether the last two of some intervals are equal."""
    return ends[-1] - ends[-2] == ends[-2] - ends[-3]
