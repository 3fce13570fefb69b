"""An attention tile, clock cycle by clock cycle: what is valid where, and who waits for whom.

Only valid bits move: what the operands are does not decide when they do. The arrays step as the
controllers of ``matmul/systolic`` do (:mod:`consilico.hw.matmul.systolic`): the stages of an array,
or of a unit between them, all move in a cycle or none does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consilico.sim.system.tile import TileTiming

__all__ = ["simulate_tile"]

_BUFFERS = 2  # jobs whose codes can wait for a normalizer of two passes


def simulate_tile(timing: TileTiming, jobs: Sequence[tuple[int, int]]) -> int:
    """Return the cycles from the first operands to the last result, nothing stalling at the ends.

    The stages of an array, or of a unit, are the bits of a number, the last one the highest: 1
    where a row is. One function for the whole tile, since a call per cycle and part would take most
    of the time.

    Args:
        timing: The tile.
        jobs: Queries and key tiles of each.
    """
    columns, key_dim, slices = timing.columns, timing.key_dim, timing.slices
    two_passes, number, depth = timing.two_passes, len(jobs), timing.queue
    array = _Stages.of(timing.before - timing.requantizer - 1)
    codes, results = _Stages.of(timing.requantizer), _Stages.of(timing.normalizer)
    in_array = in_codes = in_results = queued = 0
    # of the first array: job, key tile and beat, rows that have still to leave
    job = tile = beat = left = 0
    sized = False  # whether it knows the sizes of its job
    began = -1  # cycle of the first operands
    # of two passes: jobs and rows that are written, jobs and rows that are read
    written = rows_written = read = rows_read = 0
    known: list[int] = []  # cycles from which on the results of a job are known
    # of the second array: job, pass (the first one only loads weights) and beat
    second = second_pass = second_beat = 0
    second_sized = False
    ended = cycle = 0
    while second < number:
        # the second array takes a beat: operands where it computes
        rows, tiles = jobs[second]
        taken = False  # a row, whole
        if two_passes:
            offered = read < len(known) and cycle >= known[read]
        else:
            offered = queued > 0 if depth else in_results >= results.last
        if not second_sized:
            second_sized = True
        else:
            enter = slices * rows
            computes = second_pass > 0 and second_beat < enter
            if offered or not computes:
                taken = computes and second_beat % slices == slices - 1
                ended = cycle
                second_beat += 1
                final = second_pass == tiles
                if second_pass == 0:
                    ends = second_beat == columns
                else:
                    ends = second_beat >= enter and (final or second_beat >= columns)
                if ends:
                    second_beat, second_pass = 0, second_pass + 1
                    if final:
                        second_pass, second = 0, second + 1
                        second_sized = second < number and jobs[second] == (rows, tiles)
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
        accepts = False
        if job < number:
            accepts = sized and not (beat == key_dim - 1 and left > 1)
            if two_passes and tile == beat == 0:
                accepts = accepts and job - read < _BUFFERS
            sized = True
        if moves or not leaves:
            in_array = (in_array << 1) & array.all | (left > 0)
            left -= left > 0
            if accepts:
                if began < 0:
                    began = cycle
                beat += 1
                if beat == key_dim:
                    shape = jobs[job]
                    left, beat, tile = shape[0], 0, tile + 1
                    if tile == shape[1]:
                        tile, job = 0, job + 1
                        sized = job < number and jobs[job] == shape
        cycle += 1
    return ended + timing.after - began + 1


@dataclass(frozen=True)
class _Stages:
    """Stages as bits of a number."""

    last: int  # the bit of the last one
    all: int

    @classmethod
    def of(cls, number: int) -> "_Stages":
        """Return so many stages."""
        return cls(1 << number - 1, (1 << number) - 1)
