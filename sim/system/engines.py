"""Time that the engines of a chip take for products with weights and for attention.

Cycles are those of the units, from the first operands of a job to its last result: every job fills
and drains its array (:func:`consilico.golden.matmul.systolic.cycles`); tests hold them to simulated
Verilog. Where a job is shared out, all arrays, or units, work on their parts at once.
"""

from dataclasses import dataclass

import numpy as np

from consilico.golden.matmul.systolic import SystolicJob, drained_cycles, occupied_cycles
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.system.chip import Chip
from consilico.sim.system.tile import TileJobs
from consilico.sim.units.catalogue import find_unit
from consilico.sim.workload.graph import AttentionOperator

__all__ = ["AttentionJobs", "EngineWork", "attention_jobs", "on_arrays", "on_lanes"]


@dataclass(frozen=True, kw_only=True)
class EngineWork:
    """One product on an engine."""

    engine: str  # arrays or gemv
    cycles: Interval
    fill: float  # part of the cycles in which an engine fills or drains
    activation_bytes: float  # read from SRAM
    weight_codes: float  # read from SRAM, as many as are met
    # steps that codes of weights take from cell to cell beyond one for two products, which a cell's
    # energy holds for: where fewer activations meet a tile of weights than an array has rows
    weight_moves: float = 0.0


def on_arrays(m: int, k: int, n: int, chip: Chip) -> EngineWork:
    """Return a product of m x k by k x n that all arrays of all tiles share.

    Groups of arrays share out its rows, the arrays of a group its columns: so many groups as leave
    the fewest tiles to the busiest array.
    """
    kinds = (
        (chip.scores_array, chip.tiles),
        (chip.values_array, chip.tiles * chip.value_arrays),
    )
    columns = sum(array.columns * count for array, count in kinds)
    arrays = sum(count for _, count in kinds)
    needed = -(-n // min(array.columns for array, _ in kinds))
    strips = -(-m // chip.rows)
    groups = min(
        range(1, min(arrays, strips) + 1),
        key=lambda number: -(-strips // number) * -(-needed // (arrays // number)),
    )
    rows = min(m, -(-strips // groups) * chip.rows)
    rounds = -(-needed // (arrays // groups))
    worst = fill = 0
    activations = weights = moves = 0.0
    for array, count in kinds:
        job = SystolicJob(m=rows, k=k, n=min(n, rounds * array.columns))
        cycles = drained_cycles(job, array)
        if cycles > worst:
            worst, fill = cycles, max(0, cycles - occupied_cycles(job, array))
        share = array.columns * count / columns  # of the columns of the product
        across = share * -(-n // array.columns)  # tiles
        inner = k  # rows of weights of a tile, as they enter
        if array.dataflow == "weight_stationary":
            inner = -(-k // array.rows) * array.rows
        activations += across * m * inner
        codes = across * -(-m // array.tile_rows) * inner * array.columns
        weights += codes
        moves += max(0.0, codes * array.rows - share * m * k * n) / 2
    return EngineWork(
        engine="arrays", cycles=exactly(worst), fill=fill, activation_bytes=activations,
        weight_codes=weights, weight_moves=moves,
    )  # fmt: skip


def on_lanes(m: int, k: int, n: int, chip: Chip) -> EngineWork:
    """Return a product of m x k by k x n on the dot-product units, which share out the columns.

    Each row of activations goes to all units at once; a unit finishes a sum before it begins the
    next one.
    """
    form = chip.weights
    beats = -(-k // form.pads_to) * (form.pads_to // form.step)
    sums = m * -(-n // chip.gemv_units)
    delay = find_unit(form.unit).latency(form.config)
    cycles = sums * beats
    return EngineWork(
        engine="gemv",
        cycles=Interval(cycles + delay, cycles + delay, form.slowest * cycles + delay),
        fill=delay,
        activation_bytes=float(sums * beats * form.step),
        weight_codes=float(m * n * beats * form.step),
    )


@dataclass(frozen=True, kw_only=True)
class AttentionJobs:
    """Attention of one layer as jobs of tiles."""

    busiest: TileJobs  # of the tile that has most
    jobs: int  # of all tiles
    passes: int  # key tiles of all jobs
    operands: int  # queries and keys that enter arrays for scores, over all key tiles
    computed: int  # scores, those included that are computed in vain


def attention_jobs(operator: AttentionOperator, chip: Chip) -> AttentionJobs:
    """Return how the heads of a layer are dealt to tiles.

    A head's queries are cut into strips of as many as a tile holds. Where the new tokens are fewer,
    queries of heads that share their keys are put together. Key tiles that a mask hides whole are
    left out. Where there are more tiles than heads, a head's strips are dealt to several.
    """
    size, new = chip.rows, operator.new
    together = operator.group if new < size else 1
    queries = new * together
    heads = operator.batch * operator.heads // together
    first = np.arange(0, queries, size)
    rows = np.minimum(size, queries - first)
    if together == 1 and operator.causal:
        ahead = operator.keys - new  # tokens before the new ones
        end = ahead + first + rows
        start = np.maximum(0, ahead + first + 1 - operator.window) if operator.window else 0
    else:
        end, start = np.full(len(first), operator.keys), 0
    key_tiles = -(-end // chip.columns) - start // chip.columns
    width = np.minimum(key_tiles * chip.columns, operator.keys)
    if heads >= chip.tiles:
        busiest = TileJobs(rows, key_tiles, -(-heads // chip.tiles))
    else:
        share = min(chip.tiles // heads, len(rows))
        most = max(range(share), key=lambda place: int(key_tiles[place::share].sum()))
        busiest = TileJobs(rows[most::share], key_tiles[most::share])
    return AttentionJobs(
        busiest=busiest,
        jobs=len(rows) * heads,
        passes=int(key_tiles.sum()) * heads,
        operands=int((key_tiles * (rows + chip.columns)).sum()) * heads,
        computed=int((rows * width).sum()) * heads,
    )
