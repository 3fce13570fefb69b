"""Cycles of an attention tile, by closed forms.

A tile has an output-stationary array for the scores, lanes that requantize them, a normalizer and a
weight-stationary array for the weighted sum of values. The order of beats fits without a
transposition: a beat that leaves the first array holds the scores of one query and ``columns``
keys, and that is a beat which enters the second one, whose weights are the values of these keys. A
*job* is the queries of one head that the first array holds at a time, against all keys that they
see; its *key tiles* are groups of ``columns`` keys.

With a ConSmax unit that is ``attention/tile``. :mod:`consilico.golden.attention.tile_events` steps
the same through clock cycles; tests hold the forms to it, and it to the tile's Verilog.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.golden.attention.tile_events import TileTiming

__all__ = ["TileJobs", "TileTiming", "is_exact", "tile_cycles"]

_SETTLED = 6  # jobs after which two equal repeats of a list say how long each further one takes


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


def tile_cycles(timing: TileTiming, jobs: TileJobs) -> int:
    """Return the cycles from the first operands to the last result, nothing stalling at the ends.

    A key tile takes as long as its slowest part: ``key_dim`` beats of operands, the rows of scores
    that leave, or the operands that enter the second array.

    See :func:`is_exact` for when it is just that; else what has room between the arrays hides a
    part of what they wait for between two jobs, and it is an upper bound.
    """
    if timing.two_passes:
        return _two_passes(timing, jobs)
    periods = np.maximum(timing.key_dim, timing.slices * jobs.rows)
    # from the last operands of a key tile to those of the next
    waits = int((jobs.key_tiles * periods).sum()) * jobs.repeats - int(periods[-1])
    last = timing.slices * int(jobs.rows[-1])
    return timing.key_dim + waits + timing.before + timing.between + last - 1 + timing.after


def is_exact(timing: TileTiming, jobs: TileJobs) -> bool:
    """Tell whether :func:`tile_cycles` is the number of cycles, and not an upper bound.

    With one operand for each result it always is; with several where the second array never has to
    wait for the first one, or always has to.
    """
    if timing.two_passes or timing.slices == 1:
        return True
    enter = timing.slices * jobs.rows
    return bool((timing.key_dim >= enter).all() or (timing.key_dim <= enter).all())


def _two_passes(timing: TileTiming, jobs: TileJobs) -> int:
    """Return the cycles with a buffer for the codes of two jobs between the arrays.

    The first array is ahead by up to two jobs; a job's buffer is free when its last result is in
    the second array.
    """
    rows, tiles = jobs.rows.tolist(), jobs.key_tiles.tolist()
    ends: list[int] = []
    operands, leaving = -1, 0  # last operands so far; rows that leave after them
    entered = [-1, -1]  # when the last results of the two jobs before were in the second array
    loaded = timing.columns  # when the second array has the values of the next key tile
    for repeat in range(jobs.repeats):
        if repeat * len(rows) >= _SETTLED and len(ends) > 2 and _steady(ends):
            break
        for count, number in zip(rows, tiles, strict=True):
            begin = max(operands + 1, entered[0])
            ready = max(begin + timing.key_dim - 1, operands + leaving)
            operands = ready + (number - 1) * max(timing.key_dim, count)
            leaving = count
            known = operands + timing.before + count - 1 + timing.between
            enter = timing.slices * count
            start = max(known, entered[1] + 1, loaded)
            last = start + (number - 1) * max(enter, timing.columns)
            loaded = last + timing.columns
            entered = [entered[1], last + enter - 1]
        ends.append(entered[1])
    more = jobs.repeats - len(ends)
    return ends[-1] + more * (ends[-1] - ends[-2] if more else 0) + timing.after + 1


def _steady(ends: Sequence[int]) -> bool:
    """Tell whether the last two of some intervals are equal."""
    return ends[-1] - ends[-2] == ends[-2] - ends[-3]
