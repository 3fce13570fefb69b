"""Operators of a model on the engines of a chip: cycles, traffic and operations of each."""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from consilico.golden.attention.tile_events import simulate_tile
from consilico.golden.matmul.requant import RequantConfig
from consilico.sim.accelerator.accelerator import SystolicArrays
from consilico.sim.accelerator.tiling import dram_work
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.system.chip import Chip
from consilico.sim.system.engines import EngineWork, attention_jobs, on_arrays, on_lanes
from consilico.sim.system.normalizers import NormalizerUnit
from consilico.sim.system.tile import TileJobs, TileTiming, is_exact, tile_cycles
from consilico.sim.units.catalogue import find_unit
from consilico.sim.workload.elementwise import ElementwisePass
from consilico.sim.workload.graph import AttentionOperator, OperatorGraph
from consilico.sim.workload.products import MatrixProduct

__all__ = ["BASES", "OperatorWork", "operator_works", "score_buffer_bytes", "tile_timing"]

BASES = {
    "rtl-equal": "closed form equal to simulated Verilog of the units",
    "event model": "closed form equal to an event model of the tile",
    "event model, bound": "closed form, an upper bound of an event model of the tile",
    "roofline": "operations over lanes, no pipeline",
}
"""What the cycles of an operator rest on."""

_CODE = 1.0  # bytes of an activation, a key or a value
_KEEP = 4  # a tensor of up to this part of the SRAM stays there between two operators


@dataclass(kw_only=True)
class OperatorWork:
    """An operator, all its runs together."""

    name: str
    engine: str  # arrays, gemv, tiles or vector
    basis: str  # one of BASES
    m: int
    k: int
    n: int
    count: int
    cycles: Interval  # of the engine
    fill: float = 0.0  # parts of the cycles: in which engines fill and drain,
    normalizer: float = 0.0  # that a normalizer without latency, of one slice, would not take,
    buffer: float = 0.0  # and in which rows wait in buffers because it reads them twice
    dram_read_bytes: float = 0.0
    dram_written_bytes: float = 0.0
    sram_read_bytes: float = 0.0
    sram_written_bytes: float = 0.0
    operations: Counter[str] = field(default_factory=Counter)
    useful: dict[str, float] = field(default_factory=dict)  # operations by engine part

    @property
    def dram_bytes(self) -> float:
        """Return the bytes read from and written to DRAM."""
        return self.dram_read_bytes + self.dram_written_bytes

    @property
    def sram_bytes(self) -> float:
        """Return the bytes read from and written to SRAM."""
        return self.sram_read_bytes + self.sram_written_bytes


def operator_works(
    graph: OperatorGraph, chip: Chip, normalizer: NormalizerUnit, stepped: int = 0
) -> list[OperatorWork]:
    """Return the work of every operator of a graph.

    Args:
        graph: The operators.
        chip: The chip.
        normalizer: The unit between the arrays of a tile.
        stepped: Cycles of a tile up to which its event model is run where its closed form is but a
            bound.

    Raises:
        UserError: If the SRAM does not hold a tile of a product.
    """
    works = [_passed(p, chip) for p in graph.elementwise]
    works += [_attended(operator, chip, normalizer, stepped) for operator in graph.attention]
    works += [_multiplied(p, chip) for p in graph.linear]
    works.sort(key=lambda work: _place(work.name))
    for work in works:  # what comes from DRAM is written to SRAM, what goes there read
        work.sram_written_bytes += work.dram_read_bytes
        work.sram_read_bytes += work.dram_written_bytes
    return works


_ORDER = (  # how names of operators begin or end, in the order of the forward pass
    "embedding", "norms", "query", "key", "value", "head norms", "rotary embedding", "attention",
    "attention output", "router", "shared", "experts'", "gate", "up", "activation", "down",
    "residuals", "final norm", "result", "output layer",
)  # fmt: skip


def _place(name: str) -> int:
    """Return where an operator stands in the forward pass; those of all layers stand together."""
    if name in _ORDER:
        return _ORDER.index(name)
    if name.endswith(" down"):
        return _ORDER.index("down")
    return next(place for place, begin in enumerate(_ORDER) if name.startswith(begin))


def _stays(elements: float, chip: Chip) -> bool:
    """Tell whether a tensor of codes stays in SRAM between two operators."""
    return elements * _CODE <= chip.sram_bytes / _KEEP


@lru_cache(maxsize=1 << 14)
def _on_engine(
    m: int, k: int, n: int, chip: Chip
) -> tuple[EngineWork, tuple[float, float, float], float]:
    """Return a product with a weight on the engine that is sooner done.

    Where DRAM takes as long as dot-product lanes do, that is these: they take less energy.

    Returns:
        Its work, the bytes in DRAM of an element of each matrix, and of all that is read or
        written there.
    """
    widths = (
        0.0 if _stays(m * k, chip) else _CODE,
        chip.weights.bits / 8,
        0.0 if _stays(m * n, chip) else _CODE,
    )
    beats = SystolicArrays(rows=chip.rows, columns=chip.columns, count=chip.tiles)
    traffic = dram_work(m, k, n, widths, chip.sram_bytes, beats).bytes
    found = on_arrays(m, k, n, chip)
    if chip.gemv_lanes:
        lanes = on_lanes(m, k, n, chip)
        hidden = lanes.cycles.value - lanes.fill <= traffic / chip.bytes_per_cycle
        if hidden or lanes.cycles.value < found.cycles.value:
            found = lanes
    return found, widths, traffic


def _multiplied(p: MatrixProduct, chip: Chip) -> OperatorWork:
    """Return the work of a product with a weight."""
    found, widths, traffic = _on_engine(p.m, p.k, p.n, chip)
    weight = widths[1]
    c = p.elements[2]
    written = widths[2] * c * p.count
    work = OperatorWork(
        name=p.name, engine=found.engine, basis="rtl-equal", m=p.m, k=p.k, n=p.n, count=p.count,
        cycles=found.cycles * p.count, fill=found.fill * p.count,
        dram_read_bytes=traffic * p.count - written, dram_written_bytes=written,
        sram_read_bytes=p.count * (found.activation_bytes + weight * found.weight_codes),
        sram_written_bytes=_CODE * c * p.count,
    )  # fmt: skip
    work.operations["requantization"] += c * p.count
    if found.engine == "gemv":
        # of four weights two are multiplied
        macs = p.macs // 2 if chip.weights.name == "2:4" else p.macs
        work.operations["GEMV MAC"] += macs
        work.useful["gemv"] = macs
    else:
        whole = chip.scores_cells + chip.values_cells
        behind = p.macs * chip.values_cells // whole
        work.operations["MAC"] += p.macs - behind
        work.operations["value MAC"] += behind
        work.operations["weight move"] += round(p.count * found.weight_moves)
        work.useful["qk"] = p.macs * chip.scores_cells / whole
        work.useful["pv"] = p.macs * chip.values_cells / whole
    return work


def tile_timing(operator: AttentionOperator, chip: Chip, normalizer: NormalizerUnit) -> TileTiming:
    """Return what decides how long a tile takes for an attention.

    Where a result takes two slices of the second array, a queue holds the rows of a key tile, so
    that the first array does not wait for it.
    """
    requant = RequantConfig(lanes=chip.columns)
    slices = normalizer.form.slices
    return TileTiming(
        scores=chip.scores_array, values=chip.values_array,
        key_dim=max(operator.key_dim, chip.columns),
        requantizer=find_unit("matmul/requant").latency(requant),
        normalizer=normalizer.latency, two_passes=normalizer.two_passes, slices=slices,
        queue=chip.rows if slices > 1 and not normalizer.two_passes else 0,
    )  # fmt: skip


def score_buffer_bytes(chip: Chip, normalizer: NormalizerUnit, context: int) -> int:
    """Return the bytes of all buffers of scores: two jobs of each tile, or queues of slices."""
    if normalizer.two_passes:
        return 2 * chip.tiles * chip.rows * context
    if normalizer.form.slices > 1:
        return normalizer.form.slices * chip.tiles * chip.rows * chip.columns
    return 0


def _attended(
    operator: AttentionOperator, chip: Chip, normalizer: NormalizerUnit, stepped: int
) -> OperatorWork:
    """Return scores, their normalization and the weighted sums of values, as tiles do them."""
    timing = tile_timing(operator, chip, normalizer)
    jobs, layers = attention_jobs(operator, chip), operator.layers
    each = tile_cycles(timing, jobs.busiest)
    least = _steady_cycles(timing, jobs.busiest)
    exact = is_exact(timing, jobs.busiest)
    if not exact and each <= stepped:
        each, exact = simulate_tile(timing, list(jobs.busiest)).cycles, True
    # a normalizer without latency and without a buffer or queue; slices that it takes are its own
    bare = TileTiming(
        scores=timing.scores, values=timing.values, key_dim=timing.key_dim,
        requantizer=timing.requantizer, normalizer=0,
    )  # fmt: skip
    ideal = min(each, tile_cycles(bare, jobs.busiest))
    # with its latency, but results that follow scores
    direct = min(each, max(ideal, tile_cycles(replace(timing, two_passes=False), jobs.busiest)))
    scores = layers * operator.batch * operator.heads * operator.new * operator.keys
    seen, computed = operator.scores, layers * jobs.computed
    slices = timing.slices
    work = OperatorWork(
        name="attention", engine="tiles", basis=_basis(timing, exact),
        m=operator.new, k=operator.key_dim, n=operator.keys,
        count=scores // (operator.new * operator.keys),
        cycles=Interval(each, each if exact else min(least, each), each) * layers,
        fill=max(0, ideal - min(least, ideal)) * layers, normalizer=(direct - ideal) * layers,
        buffer=(each - direct) * layers,
        sram_read_bytes=layers * _CODE * (
            jobs.operands * operator.key_dim + jobs.passes * chip.columns * operator.value_dim
        ),
        sram_written_bytes=layers * _CODE * operator.batch * operator.new
        * operator.heads * operator.value_dim,
    )  # fmt: skip
    work.operations |= Counter(
        {
            "MAC": computed * operator.key_dim,
            "value MAC": computed * slices * operator.value_dim,
            "requantization": computed,
            "normalization": seen,
        }
    )
    buffered = normalizer.two_passes or slices > 1
    work.operations["buffered score byte"] = computed * slices if buffered else 0
    work.useful = {
        "qk": seen * operator.key_dim, "pv": seen * operator.value_dim, "normaliser": seen,
    }  # fmt: skip
    traffic = _cache_traffic(operator, chip, jobs.passes)
    work.dram_read_bytes, work.dram_written_bytes = traffic
    queries = operator.batch * operator.new * operator.heads
    if not _stays(queries * operator.key_dim, chip):
        work.dram_read_bytes += layers * _CODE * queries * operator.key_dim
    if not _stays(queries * operator.value_dim, chip):
        work.dram_written_bytes += layers * _CODE * queries * operator.value_dim
    return work


def _basis(timing: TileTiming, exact: bool) -> str:
    """Return what the cycles of a tile rest on: one that streams is a unit."""
    if not exact:
        return "event model, bound"
    return "event model" if timing.two_passes else "rtl-equal"


def _steady_cycles(timing: TileTiming, jobs: TileJobs) -> int:
    """Return the cycles of the slowest part of all key tiles, with nothing before or after."""
    least = max(timing.key_dim, timing.columns)
    periods = np.maximum(timing.slices * jobs.rows, least)
    return int(periods @ jobs.key_tiles) * jobs.repeats


def _cache_traffic(operator: AttentionOperator, chip: Chip, passes: int) -> tuple[float, float]:
    """Return the bytes of keys and values read from DRAM, and written there, by all layers.

    New ones are written to the cache. They are read once if those of all heads that tiles work on
    at a time fit into half of the SRAM, else for every strip of queries; tiles that work on heads
    with the same keys share what is read. Those of a prompt that stay on chip are not read.
    """
    new = operator.batch * operator.new
    written = operator.layers * _CODE * new * operator.cached
    dims = operator.key_dim + operator.value_dim
    whole = operator.batch * operator.kv_heads * operator.keys * dims
    if operator.new == operator.keys and _stays(whole, chip):
        return 0.0, written
    together = operator.group if operator.new < chip.rows else 1
    sharing = operator.group // together  # jobs of other heads that have the same keys
    at_once = min(operator.batch * operator.kv_heads, -(-chip.tiles // sharing))
    if at_once * operator.keys * dims * _CODE <= chip.sram_bytes / 2:
        return operator.layers * _CODE * whole, written
    streamed = passes * chip.columns * dims / min(sharing, chip.tiles)
    return operator.layers * _CODE * max(float(whole), streamed), written


def _passed(p: ElementwisePass, chip: Chip) -> OperatorWork:
    """Return passes over activations on the vector lanes."""
    looked_up = p.name == "embedding"
    read = 0.0 if _stays(p.reads, chip) and not looked_up else _CODE * p.reads
    written = 0.0 if _stays(p.writes, chip) else _CODE * p.writes
    work = OperatorWork(
        name=p.name, engine="vector", basis="roofline", m=1, k=p.reads, n=p.writes, count=p.count,
        cycles=exactly(p.count * max(p.operations, p.writes) / chip.lanes),
        dram_read_bytes=read * p.count, dram_written_bytes=written * p.count,
        sram_read_bytes=_CODE * p.reads * p.count, sram_written_bytes=_CODE * p.writes * p.count,
    )  # fmt: skip
    work.operations["float operation"] += round(p.operations * p.count)
    work.useful["vector"] = p.operations * p.count
    return work
