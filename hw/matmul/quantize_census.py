"""Count the operators of :mod:`consilico.hw.matmul.quantize` without elaborating it."""

import numpy as np

from consilico.hw.census import Batch, Census, Size, bit_length
from consilico.hw.matmul.quantize import STAGES, depth, maxima_census
from consilico.hw.matmul.ratio import ratio_census, reciprocal_width, scale_census, sum_up_census
from consilico.hw.pipeline import pipeline_census
from consilico.hw.register_file import register_file_census, select_census

__all__ = ["census"]


def census(c: Batch) -> Census:
    """Return operators of :class:`consilico.hw.matmul.quantize.Quantize`, and its longest paths."""
    drivers, lanes = ("payload",), c.lanes
    made, first, ratio = Census(), _first_census(c), ratio_census(c, drivers)
    made.include(_store_census(c))
    made.include(first)
    made.include(pipeline_census(STAGES))
    made.include(_group_census(c, ratio), rate=1 / c.beats)

    # second pass: values, quotients, codes
    minmax = int(c.mode == "minmax")
    width = c.result_width
    made.add("clock_gate", 3 + minmax)  # values, group, finish, zero
    made.add("and_or", 2 + minmax)
    made.add("flop", 2)
    lane = Census()
    lane.include(ratio)
    lane.add("flop", 16 + 1, drivers)
    lane.add("xor", width + 2, drivers)
    lane.add("add", (width + 2) * minmax, drivers)
    lane.add("increment", width + 3, drivers)
    lane.add("and_or", width * minmax, drivers)
    lane.add("flop", width, drivers)
    made.include(lane, lanes)

    address = bit_length(c.of(depth) - 1)
    _, chosen = select_census(c.of(depth), 16 * lanes, drivers)
    made.path(*chosen)
    made.paths += first.paths
    made.paths += scale_census(c, drivers).paths
    product, shifted = ratio.paths
    made.path(*product)
    rounded = (("increment", width + 1, minmax), ("xor", 1, 1), ("add", width + 2, minmax))
    made.path(*shifted, *rounded, ("increment", width + 3, 1), ("and_or", 1, minmax))
    made.path(("equal", address, 1), ("increment", address + 1, 1), ("and_or", 1, 2), ("mux", 1, 2))
    return made


def _counter_census(limit: Size) -> Census:
    """Return the operators of a counter modulo ``limit``."""
    bits = bit_length(np.asarray(limit) - 1)
    census = Census()
    census.add("equal", bits)
    census.add("increment", bits + 1)
    census.add("and_or", 2 * bits + 1)
    census.add("mux", bits)
    census.add("flop", bits)
    return census


def _store_census(c: Batch) -> Census:
    """Return the operators of the queue of beats, and what says when they come and go."""
    words, width, drivers = c.of(depth), 16 * c.lanes, ("payload",)
    census = register_file_census(words, width, "latch", drivers)
    census.include(select_census(words, width, drivers)[0])
    census.include(_counter_census(words), 2)  # write, read
    census.include(_counter_census(c.beats), 2)  # positions in the groups
    census.add("and_or", 2 * bit_length(c.beats - 1) - 2)  # whether these are 0
    stored = bit_length(words)
    census.add("equal", stored)
    census.add("increment", 2 * stored + 2)
    census.add("mux", 2 * stored)
    census.add("and_or", stored + 3 + 2)
    census.add("flop", stored)
    census.add("and_or", 3)  # known
    census.add("flop", 1)
    return census


def _first_census(c: Batch) -> Census:
    """Return the operators of the first pass."""
    drivers, rate = ("payload",), 1 / c.beats
    tracks = 2 if c.mode == "minmax" else 1
    changes = (np.log(c.beats) + 0.58) / c.beats  # new records of values in any order
    census = maxima_census(c.lanes, 15, tracks, drivers, changes=changes)
    census.add("clock_gate", 1)
    census.add("flop", 16 + 1, drivers, rate=rate)
    census.add("and_or", 8 * tracks - 1, drivers, rate=changes)
    if tracks == 2:
        census.add("and_or", 2 * 15 * c.lanes, drivers)
        census.add("flop", 15, drivers, rate=rate)
        range_census = sum_up_census(drivers)
        census.include(range_census, rate=changes)
        census.paths += range_census.paths
    return census


def _group_census(c: Batch, ratio: Census) -> Census:
    """Return the operators of what a group shares in the second pass."""
    drivers = ("payload",)
    census = scale_census(c, drivers)
    census.add("flop", 1 + 7 + 9 + 2 * c.of(reciprocal_width) + 2, drivers)
    census.add("increment", 10, drivers)
    census.add("flop", 15 + 1, drivers)
    if c.mode == "minmax":
        census.include(ratio)
        census.add("flop", 15 + c.result_width, drivers)
        census.add("increment", c.result_width + 1, drivers)
    return census
