"""An attention tile, clock cycle by clock cycle: what is valid where, and who waits for whom.

Only valid bits move: what the operands are does not decide when they do. The parts step as those of
:mod:`consilico.hw.attention.tile`: the stages of an array, or of a unit between them, all move in a
cycle or none does. Normalizers that read rows twice, of which there is no tile in the catalogue,
have buffers for the codes of two jobs in front of the second array.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from consilico.golden.matmul.systolic import SystolicConfig, latency

__all__ = ["TileRun", "TileTiming", "simulate_tile"]

_BUFFERS = 2  # jobs whose codes can wait for a normalizer of two passes


@dataclass(frozen=True, kw_only=True)
class TileTiming:
    """Facts about a tile that decide how long it takes.

    Raises:
        ValueError: If ``key_dim`` is below the columns.
    """

    scores: SystolicConfig  # output stationary: queries x keys
    values: SystolicConfig  # weight stationary: keys x elements of a value
    key_dim: int  # beats of a key tile: elements of a key, or its rows of values if these are more
    requantizer: int  # cycles from a score to its code
    normalizer: int  # cycles from a code (of two passes: from a row's last one) to its result
    # the normalizer reads every row twice: codes wait in one of two buffers of a job each
    two_passes: bool = False
    slices: int = 1  # operands that a result takes in the second array
    queue: int = 0  # rows of results that can wait in front of it, in addition to those in stages

    def __post_init__(self) -> None:
        if self.key_dim < self.columns:
            raise ValueError(f"key_dim must be at least {self.columns}, not {self.key_dim}")

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

    @property
    def waiting(self) -> int:
        """Return how many rows of values can wait until the second array loads them.

        Each comes along with an element of its key, and is loaded when the key tile before its own
        has reached the second array. That many wait if nothing stalls. What a normalizer of two
        passes needs comes on its own, when it is needed.
        """
        tiles, rest = divmod(self.before + self.between, self.key_dim)
        return tiles * self.columns + min(rest, self.columns)


class TileRun(NamedTuple):
    """Record of how long a tile took for a list of jobs."""

    cycles: int  # from the first operands to the last result
    operands: list[int]  # when each beat of operands was taken, counted from the first one


def simulate_tile(
    timing: TileTiming, jobs: Sequence[tuple[int, int]], gaps: Sequence[int] = ()
) -> TileRun:
    """Return how a tile works jobs off, nothing stalling at the ends.

    The stages of an array, or of a unit, are the bits of a number, the last one the highest: 1
    where a row is. One function for the whole tile, since a call per cycle and part would take most
    of the time.

    Args:
        timing: The tile.
        jobs: Queries and key tiles of each; all wait from the beginning on.
        gaps: Cycles before the first operands of each job in which none are offered; none if not
            given.
    """
    columns, key_dim, slices = timing.columns, timing.key_dim, timing.slices
    two_passes, number, depth = timing.two_passes, len(jobs), timing.queue
    room = 1 << 62 if two_passes else timing.waiting
    array = _Stages.of(timing.before - timing.requantizer - 1)
    codes, results = _Stages.of(timing.requantizer), _Stages.of(timing.normalizer)
    in_array = in_codes = in_results = queued = 0
    # of the first array: job, key tile and beat, rows that have still to leave
    job = tile = beat = left = 0
    offers = gaps[0] if gaps else 0  # cycle from which on operands are there
    operands: list[int] = []
    # of two passes: jobs and rows that are written, jobs and rows that are read
    written = rows_written = read = rows_read = 0
    known: list[int] = []  # cycles from which on the results of a job are known
    # of the second array: job, key tile and beat; rows of the next values that it has loaded, and
    # those that wait
    second = second_tile = second_beat = loaded = 0
    values = columns * sum(tiles for _, tiles in jobs) if two_passes else 0
    ended = cycle = 0
    while second < number:
        # the second array takes a beat: operands, a row of the next values, or both
        rows, tiles = jobs[second]
        if two_passes:
            offered = read < len(known) and cycle >= known[read]
        else:
            offered = queued > 0 if depth else in_results >= results.last
        taken = False  # a row, whole
        if offered and (second_beat or loaded == columns):
            ended = cycle
            if not second_beat:
                loaded = 0
            second_beat += 1
            taken = second_beat % slices == 0
            if second_beat == slices * rows:
                second_beat, second_tile = 0, second_tile + 1
                if second_tile == tiles:
                    second_tile, second = 0, second + 1
        loads = values > 0 and loaded < columns
        loaded += loads
        # between the arrays
        if two_passes:
            if taken:
                rows_read += 1
                if rows_read == rows * tiles:
                    rows_read, read = 0, read + 1
            if in_codes >= codes.last:
                rows_written += 1
                if rows_written == jobs[written][0] * jobs[written][1]:
                    rows_written, written = 0, written + 1
                    known.append(cycle + timing.between)
            moves = True
        else:
            if depth:
                push = in_results >= results.last and queued < depth
                queued += push - taken
                moves = push or in_results < results.last
            else:
                moves = taken or in_results < results.last
            if moves:
                in_results = (in_results << 1) & results.all | (in_codes >= codes.last)
            else:
                moves = in_codes < codes.last
        leaves = in_array >= array.last
        if moves:
            in_codes = (in_codes << 1) & codes.all | leaves
        # the first array takes operands, and hands on rows of scores
        accepts = (
            job < number
            and cycle >= offers
            and not (beat == key_dim - 1 and left > 1)
            and (beat >= columns or values < room)
        )
        if two_passes and tile == beat == 0:
            accepts = accepts and job - read < _BUFFERS
        values -= loads
        if moves or not leaves:
            in_array = (in_array << 1) & array.all | (left > 0)
            left -= left > 0
            if accepts:
                operands.append(cycle)
                values += beat < columns and not two_passes
                beat += 1
                if beat == key_dim:
                    left, beat, tile = jobs[job][0], 0, tile + 1
                    if tile == jobs[job][1]:
                        tile, job = 0, job + 1
                        offers = cycle + 1 + (gaps[job] if gaps and job < number else 0)
        cycle += 1
    began = operands[0]
    return TileRun(ended + timing.after - began + 1, [at - began for at in operands])


@dataclass(frozen=True)
class _Stages:
    """Stages as bits of a number."""

    last: int  # the bit of the last one
    all: int

    @classmethod
    def of(cls, number: int) -> "_Stages":
        """Return an empty pipeline with a number of stages."""
        return cls(1 << number - 1, (1 << number) - 1)
