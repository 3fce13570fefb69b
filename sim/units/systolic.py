"""Catalogue entry of the systolic array."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consilico.golden.matmul.operand import code_range
from consilico.golden.matmul.systolic import (
    SystolicConfig,
    SystolicJob,
    beat_results,
    job_beats,
    latency,
)
from consilico.sim.traffic.layer_traffic import layer_traffic
from consilico.sim.traffic.linear_layers import layer_matrices
from consilico.sim.units.accepted import Accepted, GoldenResults, one_cycle_per_item, waiting
from consilico.sim.units.contract import MOVES, Accumulator, Contract, clocked_by
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.unit import Unit

__all__ = ["UNITS", "SystolicBench", "every_product"]

Codes = NDArray[np.int64]
_DRAWN_JOBS = 24
_LAYER = "blk.9.ffn_gate"  # real traffic: SwiGLU's gate, in a layer of the middle
_LAYER_INPUTS = 576  # of it: k of a product of INT8 matrices
_LAYER_GROUP = 32  # of them that share scales: k of a product where either has 4 bits
_MOST_JOBS = 1 << 12  # that hold every product of codes
_MOST_BEATS, _MANY_BEATS = 1 << 21, 1 << 17  # of one job in the exhaustive stimulus
_NORMAL_DEPTH = 64  # k of drawn traffic


class SystolicBench:
    """Builder of a stimulus that adds jobs of one array."""

    def __init__(self, config: SystolicConfig) -> None:
        self.config = config
        self.builder = UNITS[0].builder(config)
        self._job: SystolicJob | None = None
        self._seen: tuple[set[int], set[int]] = (set(), set())  # codes of x and of w
        self._signs = np.zeros((2, config.columns), dtype=bool)  # of sums that went on, by column

    def shape(self, job: SystolicJob) -> None:
        """Load the shape of the jobs that follow."""
        self.config.check(job)
        self.builder.configure({name: np.array(getattr(job, name)) for name in ("m", "k", "n")})
        self._job = job

    def multiply(self, x: Codes, w: Codes, beats: int | None = None) -> None:
        """Add the job ``x @ w``, its shape where it is another than the last one's.

        Args:
            x: Shape ``(m, k)``.
            w: Shape ``(k, n)``.
            beats: Cut it after so many, and reset the unit.

        Raises:
            ValueError: If it is not a job of the unit; the message names the field.
        """
        import torch

        config = self.config
        whole = job_beats(torch.from_numpy(x), torch.from_numpy(w), config)
        job = SystolicJob(m=x.shape[0], k=x.shape[1], n=w.shape[1])
        if job == self._job:
            self.builder.coverage["shape_kept"] += 1
        else:
            self.shape(job)
        results = int(whole.completes[:beats].sum()) * config.columns
        self.builder.data(
            {"x": whole.x[:beats].numpy(), "w": whole.w[:beats].numpy()},
            job.m * job.n if beats is None else results,
            operations=job.m * job.k * job.n if beats is None else 0,
        )
        if beats is not None:
            self.builder.reset()
        self._count(job, x, w, reset=beats is not None)

    def _count(self, job: SystolicJob, x: Codes, w: Codes, *, reset: bool) -> None:
        config = self.config
        least_x, least_w = config.x_range[0], config.w_range[0]
        for seen, codes in zip(self._seen, (x, w), strict=True):
            seen.update(np.unique(codes).tolist())
        points = {
            "reset_in_job": reset,
            "single_product": job.m == job.k == job.n == 1,
            "ragged_m": job.m % config.tile_rows > 0,
            "ragged_k": job.k % config.rows > 0,
            "ragged_n": job.n % config.columns > 0,
            "several_tiles": job.m > config.tile_rows and job.n > config.columns,
            "fewer_than_rows": min(job.m, job.k) < config.rows,
            "both_signs_go_on": self._goes_on(x, w),
            "least_times_least": bool((x == least_x).all() and (w == least_w).all()),
            "every_code": [len(seen) for seen in self._seen]
            == [1 << config.x_width, 1 << config.w_width],
        }
        self.builder.coverage.update({point: int(hit) for point, hit in points.items()})

    def _goes_on(self, x: Codes, w: Codes) -> bool:
        """Tell whether by now every column had sums of both signs that a further pass adds to."""
        rows, columns = self.config.rows, self.config.columns
        if x.shape[1] > rows:
            sums = x[:, :rows] @ w[:rows, :columns]
            self._signs[:, : sums.shape[1]] |= [(sums < 0).any(axis=0), (sums > 0).any(axis=0)]
        return bool(self._signs.all())


def _jobs(
    config: SystolicConfig, accepted: Accepted
) -> Iterator[tuple[SystolicJob, slice, NDArray[np.int64], Codes]]:
    """Yield the jobs in what was accepted: shape, beats, what each completes, and the results.

    A shape that is loaded within a job, which the unit does not take, would be that of the next.
    """
    import torch

    x, w = (torch.from_numpy(accepted.data[name]) for name in ("x", "w"))
    shapes = list(zip(*(accepted.loads[name].tolist() for name in ("m", "k", "n")), strict=True))
    resets, loads = accepted.resets_before, accepted.loads_before
    ends = np.searchsorted(resets, resets, side="right")
    at = 0
    while at < accepted.beats:
        if not loads[at]:
            raise ValueError("a beat of data comes before the shape of its job")
        m, k, n = shapes[loads[at] - 1]
        job = SystolicJob(m=m, k=k, n=n)
        part = slice(at, int(ends[at]))
        completes, results = beat_results(x[part], w[part], job, config)
        yield job, slice(at, at + len(completes)), completes.numpy(), results.numpy()
        at += len(completes)


def _golden(config: SystolicConfig, accepted: Accepted) -> GoldenResults:
    completes, results = _computed(config, accepted)
    return GoldenResults(beats={"payload": results}, completes=completes)


def _computed(config: SystolicConfig, accepted: Accepted) -> tuple[Codes, Codes]:
    """Return what each beat of data completes, and the results of all jobs."""
    completes = np.zeros(accepted.beats, dtype=np.int64)
    results = [np.zeros((0, config.columns), dtype=np.int64)]
    for _, beats, of_beats, of_job in _jobs(config, accepted):
        completes[beats] = of_beats
        results.append(of_job)
    return completes, np.concatenate(results)


def _item_cycles(config: SystolicConfig, accepted: Accepted) -> NDArray[np.int64]:
    """Return the cycles of items.

    An output-stationary array takes the last operands of a tile when the results of the tile before
    have left, one row per cycle.
    """
    cycles = one_cycle_per_item(config, accepted)
    if config.dataflow == "weight_stationary":
        return cycles
    rows = np.zeros(len(cycles), dtype=np.int64)
    rows[accepted.is_beat], _ = _computed(config, accepted)
    return waiting(cycles, rows > 0, rows, accepted)


def _drawn(rng: np.random.Generator, form: str, shape: tuple[int, int]) -> Codes:
    """Return drawn codes: of both signs in small matrices, too, so that sums go up and down."""
    low, high = code_range(form)
    return rng.integers(low, high + 1, size=shape)


def _every_code(
    rng: np.random.Generator, form: str, shape: tuple[int, int], first: int = 0
) -> Codes:
    """Return every code from one on, as often as there is room for, in drawn order."""
    low, high = code_range(form)
    codes = np.roll(np.arange(low, high + 1), -first)
    return rng.permutation(np.resize(codes, shape[0] * shape[1])).reshape(shape)


def _vectors(config: SystolicConfig, seed: int) -> Stimulus:
    """Drive drawn jobs of all sizes cut by resets, every code, extremes, sums over many tiles."""
    rng = np.random.default_rng(seed)
    bench = SystolicBench(config)

    def drawn(m: int, k: int, n: int, beats: int | None = None) -> None:
        bench.multiply(_drawn(rng, config.x, (m, k)), _drawn(rng, config.w, (k, n)), beats)

    def every_code(m: int, k: int, n: int, first: int = 0) -> None:
        x = _every_code(rng, config.x, (m, k), first)
        bench.multiply(x, _every_code(rng, config.w, (k, n), first))

    rows, columns, tile = config.rows, config.columns, config.tile_rows
    m, k, n = (min(size, config.extent) for size in (tile + 1, config.depth, 2 * columns + 1))
    k = min(k, 2 * rows + 1)
    drawn(m, k, n)
    drawn(m, k, n, 3)
    drawn(m, k, n)
    for index in range(_DRAWN_JOBS):
        limits = (2 * tile + 1, 3 * rows + 1, 3 * columns + 1)
        m, k, n = (int(rng.integers(1, limit + 1)) for limit in limits)
        m, k, n = min(m, config.extent), min(k, config.depth), min(n, config.extent)
        if index % 8 == 3:
            m = k = n = 1
        for _ in range(1 + (index % 3 == 0)):  # one after another: a tile of one meets the next
            drawn(m, k, n)
        if index % 4 == 1:
            drawn(m, k, n, int(rng.integers(1, k + 2)))
    for x_code in config.x_range:
        for w_code in config.w_range:
            depth = min(config.depth, 8 * rows)
            bench.multiply(np.full((1, depth), x_code), np.full((depth, 1), w_code))
    # every code: of activations in every row of cells, of weights in every column
    codes, wide = 1 << max(config.x_width, config.w_width), min(config.extent, 5 * columns)
    every_code(min(config.extent, codes), min(config.depth, rows), wide)
    m, n = (min(config.extent, size) for size in (tile, columns))
    k = min(config.depth, codes)
    for first in range(0, codes, k * min(m, n)):
        every_code(m, k, n, first)
    return bench.builder.build()


def _exhaustive(config: SystolicConfig, seed: int) -> Stimulus:
    """Drive every product in every cell, and jobs of the greatest m, n and k."""
    rng = np.random.default_rng(seed)
    bench = SystolicBench(config)
    if "every_product" not in _exempt(config):
        for x, w in every_product(config):
            bench.multiply(x, w)
        bench.builder.coverage["every_product"] += 1
    for name, job in _greatest(config).items():
        if _beats(job, config) > _MOST_BEATS:
            continue
        x = rng.integers(config.x_range[0], config.x_range[1] + 1, size=(job.m, job.k))
        w = rng.integers(config.w_range[0], config.w_range[1] + 1, size=(job.k, job.n))
        if name == "greatest_k":  # the least sums, then the greatest
            x[:], w[:] = config.x_range[0], config.w_range[1]
            bench.multiply(x, w)
            w[:] = config.w_range[0]
        bench.multiply(x, w)
        bench.builder.coverage[name] += 1
    return bench.builder.build()


def every_product(config: SystolicConfig) -> Iterator[tuple[Codes, Codes]]:
    """Yield jobs in which every cell multiplies every pair of codes."""
    rows, columns = config.rows, config.columns
    x_codes, w_codes = (np.arange(low, high + 1) for low, high in (config.x_range, config.w_range))
    if config.dataflow == "weight_stationary":
        # a cell keeps the weight of its row and column of a tile, and every vector passes it
        x = x_codes[(np.arange(len(x_codes))[:, None] + 37 * np.arange(rows)) % len(x_codes)]
        tile, column = np.divmod(np.arange(len(w_codes) * columns), columns)
        w = w_codes[(tile + 5 * column + 11 * np.arange(rows)[:, None]) % len(w_codes)]
        depth = min(config.depth, rows)
        across = max(1, config.extent // columns) * columns
        for top in range(0, len(x), config.extent):
            for left in range(0, w.shape[1], across):
                yield x[top : top + config.extent, :depth], w[:depth, left : left + across]
        return
    # with k long enough the operands of a job step through pairs, a row and a column each
    number = np.arange(len(x_codes) * len(w_codes))
    x = x_codes[(number + 37 * np.arange(rows)[:, None]) % len(x_codes)]
    w = w_codes[(number[:, None] // len(x_codes) + 11 * np.arange(columns)) % len(w_codes)]
    depth = min(config.depth, len(x_codes))
    m, n = (min(size, config.extent) for size in (rows, columns))
    for at in range(0, len(number), depth):
        yield x[:m, at : at + depth], w[at : at + depth, :n]


def _jobs_of_every_product(config: SystolicConfig) -> int:
    codes = 1 << config.x_width
    if config.dataflow == "output_stationary":
        return (codes << config.w_width) // min(config.depth, codes)
    return -(-codes // config.extent) * -(
        -(1 << config.w_width) // (config.extent // config.columns)
    )


def _greatest(config: SystolicConfig) -> dict[str, SystolicJob]:
    """Return jobs in which one counter gets as far as it does, by coverage point."""
    # sums of the greatest length in every register that holds them, if that is not too long
    m, n = (min(size, config.extent) for size in (config.tile_rows, config.columns))
    deepest = SystolicJob(m=m, k=config.depth, n=n)
    if _beats(deepest, config) > _MANY_BEATS:
        deepest = SystolicJob(m=1, k=config.depth, n=1)
    return {
        "greatest_m": SystolicJob(m=config.extent, k=1, n=1),
        "greatest_n": SystolicJob(m=1, k=1, n=config.extent),
        "greatest_k": deepest,
    }


def _beats(job: SystolicJob, config: SystolicConfig) -> int:
    """Return about how many beats a job has."""
    tiles = -(-job.m // config.tile_rows) * -(-job.n // config.columns)
    if config.dataflow == "output_stationary":
        return tiles * job.k
    return tiles * -(-job.k // config.rows) * max(config.rows, min(job.m, config.block))


def _exempt(config: SystolicConfig) -> dict[str, str]:
    """Return the coverage points that a configuration cannot hit, with the reason."""
    why = {}
    if config.extent <= max(config.tile_rows, config.columns):
        why["several_tiles"] = f"an extent of {config.extent} fits into one tile"
    if config.depth <= config.rows or config.extent < config.columns:
        why["both_signs_go_on"] = "no job has sums in every column that a further pass adds to"
    if config.columns == 1:
        why["ragged_n"] = "one column is filled by every matrix"
    for point, job in _greatest(config).items():
        if (beats := _beats(job, config)) > _MOST_BEATS:
            why[point] = f"{beats:,} beats are more than the {_MOST_BEATS:,} simulated"
    weights = config.dataflow == "weight_stationary"
    if config.extent < config.columns or (config.depth if weights else config.extent) < config.rows:
        why["every_product"] = "some cells only ever multiply zeros of lanes beyond a matrix"
    elif (jobs := _jobs_of_every_product(config)) > _MOST_JOBS:
        why["every_product"] = f"{jobs:,} jobs of so small matrices are more than {_MOST_JOBS:,}"
    return why


def _traffic(config: SystolicConfig, beats: int, *, source: str) -> Stimulus:
    """Return operands to measure activity with: whole tiles, as most of a large product is.

    Args:
        config: The unit.
        source: ``"model"``: codes of a layer of SmolLM2 (``sim/traffic/linear_layers.py``);
            ``"normal"``: clipped normals, deviation a quarter of the greatest code, k = 64.
        beats: Number of beats, about.
    """
    pairs = _layer(config) if source == "model" else _normal(config)
    bench = SystolicBench(config)
    driven = 0
    for x, w in pairs:
        bench.multiply(x, w)
        tiles = -(-x.shape[0] // config.tile_rows) * -(-w.shape[1] // config.columns)
        of_tile = config.rows if config.dataflow == "output_stationary" else config.tile_rows
        driven += tiles * x.shape[1] * of_tile // config.rows
        if driven >= beats:
            break
    return bench.builder.build()


def _normal(config: SystolicConfig) -> Any:
    """Yield pairs of drawn matrices, without end."""
    rng = np.random.default_rng(1)

    def drawn(form: str, shape: tuple[int, int]) -> Codes:
        low, high = code_range(form)
        values = np.rint(rng.normal(0, (high - low + 1) / 8, size=shape))
        return np.clip(values, low, high).astype(np.int64)

    depth = min(config.depth, _NORMAL_DEPTH)
    while True:
        yield (
            drawn(config.x, (config.tile_rows, depth)),
            drawn(config.w, (depth, 2 * config.columns)),
        )


def _layer(config: SystolicConfig) -> Any:
    """Yield pairs of matrices: drawn tokens and output channels of a layer, without end."""
    linear = layer_traffic()[_LAYER]
    rng = np.random.default_rng(1)
    form: Any = {"x": config.x, "w": config.w}
    while True:
        tokens = rng.choice(len(linear.x), config.tile_rows)
        outputs = rng.choice(len(linear.weight.scale), 2 * config.columns)
        matrices = layer_matrices(linear.take(tokens, outputs), form["x"], form["w"])
        for x, w in zip(matrices.x, matrices.w, strict=True):
            for at in range(0, x.shape[1], config.depth):
                yield x[:, at : at + config.depth], w[at : at + config.depth]


def _rate(config: SystolicConfig) -> int:
    """Return MACs per beat: a pass of fewer vectors than rows waits for the next weights."""
    cells = config.rows * config.columns
    if config.dataflow == "output_stationary" or config.block >= config.rows:
        return cells
    return cells * config.block // config.rows


def _length(config: SystolicConfig, source: str) -> float:
    """Return MACs per result: a sum of the traffic, in pieces that are no longer than the depth."""
    if source == "normal":
        return min(config.depth, _NORMAL_DEPTH)
    whole = _LAYER_INPUTS if (config.x, config.w) == ("int8", "int8") else _LAYER_GROUP
    return whole / -(-whole // config.depth)


# The tiles of a job, from their description in the golden model's module
_TILES = """
  reg [{extent}-1:0] job_m, job_n, m_at = 0, n_at = 0;
  reg [{depth}-1:0] job_k, k_at = 0;
  reg shaped = 0; // there is a shape
  wire [31:0] m_left = job_m - m_at, n_left = job_n - n_at, k_left = job_k - k_at;
  wire m_last = m_left <= {tile}, n_last = n_left <= {columns}, k_last = k_left <= {deep};
  wire [31:0] lines = m_last ? m_left : {tile};
  wire fits = cfg_m != 0 && cfg_m <= {greatest_extent} && cfg_n != 0 && cfg_n <= {greatest_extent}
    && cfg_k != 0 && cfg_k <= {greatest_depth};
  always @(posedge clk) begin
    // of a shape that comes in a reset nothing is said
    if (configure || (cfg_valid && rst)) shaped <= configure && fits;
    if (configure) {{job_m, job_k, job_n}} <= {{cfg_m, cfg_k, cfg_n}};
  end
"""
# Beats of an output-stationary job: a step along k each
_BEATS = """
  always @(posedge clk)
    if (rst) {{m_at, n_at, k_at}} <= 0;
    else if (take) begin
      k_at <= k_last ? 0 : k_at + 1;
      if (k_last) n_at <= n_last ? 0 : n_at + {columns};
      if (k_last && n_last) m_at <= m_last ? 0 : m_at + {tile};
    end
"""
# Passes of a weight-stationary job
_PASSES = """
  reg [31:0] beat_at = 0;
  reg loaded = 0; // the first weights of the job are there
  wire last_pass = loaded && m_last && n_last && k_last;
  wire [31:0] beats = !loaded || (!last_pass && lines < {rows}) ? {rows} : lines;
  wire pass_ends = beat_at + 1 == beats;
  always @(posedge clk) begin
    if (rst) begin
      {{m_at, n_at, k_at, beat_at}} <= 0;
      loaded <= 0;
    end else if (take) begin
      beat_at <= pass_ends ? 0 : beat_at + 1;
      if (pass_ends) begin
        loaded <= !last_pass;
        if (loaded) k_at <= k_last ? 0 : k_at + {rows};
        if (loaded && k_last) n_at <= n_last ? 0 : n_at + {columns};
        if (loaded && k_last && n_last) m_at <= m_last ? 0 : m_at + {tile};
      end
    end
  end
"""


def _contract(config: SystolicConfig) -> Contract:
    """Return the contract; which beats complete results depends on the shape of the job."""
    rows, columns = config.rows, config.columns
    stages = config.cluster_rows + config.cluster_columns
    clocks = [f"compute{stage}" for stage in range(stages)]
    if config.dataflow == "weight_stationary":  # every beat is a slot
        stages = rows + columns + 1
        clocks += [f"stage{stage}" for stage in range(stages)] + [f"compute{stages - 1}"]
        clocks += [f"swap{stage}" for stage in range(rows + columns - 1)]
        clocks += [
            f"load{row}_{stage}" for row in range(rows) for stage in range(row, row + columns)
        ]
        stated = _promised_of_passes(config, stages)
    else:
        stated = _promised_of_tiles(config, stages)
    return Contract(
        **stated,
        lawful="shaped || !take",
        beat_clocks=clocked_by(0, i=(f"array.{clock}" for clock in clocks), cfg=("shape",)),
        accumulators=_accumulators(config),
    )


def _job(config: SystolicConfig, deep: int, steps: str) -> str:
    """Return Verilog of the counters of a job: the tiles, and the steps through one."""
    return (_TILES + steps).format(
        extent=config.extent.bit_length(), depth=config.depth.bit_length(),
        greatest_extent=config.extent, greatest_depth=config.depth,
        rows=config.rows, columns=config.columns, tile=config.tile_rows, deep=deep,
    )  # fmt: skip


def _shown(config: SystolicConfig, stages: int, own: tuple[str, ...]) -> dict[str, str]:
    """Return nets that lemmas speak of: the unit's own, and what is in each stage of the array."""
    rows = config.rows if config.dataflow == "weight_stationary" else config.cluster_rows
    nets = {name: name for name in ("shape", "m_done", "n_done", "k_done", *own)}
    for stage in range(stages):
        nets[f"valid{stage}"] = f"array.valid{stage}"
        nets[f"tags{stage}"] = f"array.tags{stage}[{3 + rows}]"  # its last bit: delivers
    return nets


def _delivers(stages: int) -> str:
    return " + ".join(f"(valid{stage} && tags{stage})" for stage in range(stages))


def _promised_of_tiles(config: SystolicConfig, stages: int) -> dict[str, Any]:
    """Return what an output-stationary contract says of results, and why it holds."""
    lemmas = (
        "!shaped || shape == {job_n, job_k, job_m}",
        "m_done == m_at && n_done == n_at && k_done == k_at",
        "cfg_ready == (m_at == 0 && n_at == 0 && k_at == 0)",
        f"due + 0 == left + {_delivers(stages)}",
    )
    return {
        "completes": "k_last ? lines : 0",
        "closes": "k_last && n_last && m_last",  # a configuration waits for the whole job
        "state": _job(config, 1, _BEATS),
        "most_due": max(15, stages + 2 * config.rows),
        "lemmas": tuple(f"!lawful_so_far || ({lemma})" for lemma in lemmas),
        "lemma_nets": _shown(config, stages, ("left",)),
        "late_cycles": stages + 2,
        "wait_cycles": stages + config.rows + 2,
    }


def _promised_of_passes(config: SystolicConfig, stages: int) -> dict[str, Any]:
    """Return what a weight-stationary contract says of results, and why it holds."""
    lemmas = (
        "!shaped || shape == {job_n, job_k, job_m}",
        "beat == beat_at && m_done == m_at && n_done == n_at && k_done == k_at",
        "cfg_ready == (!loaded && beat_at == 0)",
        f"due + 0 == {_delivers(stages)}",
    )
    return {
        "completes": "loaded && k_last && beat_at < lines",
        "closes": "last_pass && pass_ends",
        "state": _job(config, config.rows, _PASSES),
        "most_due": max(15, stages + 1),
        "lemmas": tuple(f"!lawful_so_far || ({lemma})" for lemma in lemmas),
        "lemma_nets": _shown(config, stages, ("beat",)),
        "ready": {"i": f"{MOVES} && !cfg_valid"},
    }


def _accumulators(config: SystolicConfig) -> tuple[Accumulator, ...]:
    """Return what adds up the sums of passes; the sums of an output-stationary array are in cells.

    A column's sum over the rows comes from its last cell, delayed as the last column is.
    """
    if config.dataflow == "output_stationary":
        return ()
    rows, columns, width = config.rows, config.columns, config.sum_width
    least, greatest = config.product_range
    products = max(config.depth, rows)

    def of_column(column: int) -> Accumulator:
        last = column == columns - 1
        bits = f"[{(column + 1) * width - 1}:{column * width}]"
        return Accumulator(
            total=f"array.total{bits}",
            beat=f"array.cell{rows - 1}_{column}_sum" if last
            else f"array.sum{column}_{rows + columns - 1}",
            fresh=f"array.tags{rows + columns - 1}[{2 + rows}]",
            before=f"array.chosen{bits}",
            least=rows * least,
            greatest=rows * greatest,
            least_sum=products * least,
            greatest_sum=products * greatest,
        )  # fmt: skip

    return tuple(map(of_column, range(columns)))


def _hardware() -> Any:
    from consilico.hw.matmul import systolic

    return systolic


UNITS = (
    Unit(
        name="matmul/systolic",
        summary="Systolic array for matrix products of INT8 and INT4 operands, with its controller",
        config=SystolicConfig,
        component=lambda config: _hardware().Systolic(config),
        vectors=_vectors,
        golden=_golden,
        item_cycles=_item_cycles,
        coverage=(
            "shape_kept",
            "reset_in_job",
            "single_product",
            "ragged_m",
            "ragged_k",
            "ragged_n",
            "several_tiles",
            "fewer_than_rows",
            "both_signs_go_on",
            "least_times_least",
            "every_code",
        ),
        exempt=_exempt,
        exhaustive=_exhaustive,
        exhaustive_coverage=("every_product", "greatest_m", "greatest_n", "greatest_k"),
        latency=latency,
        contract=_contract,
        census=lambda batch: _hardware().census(batch),
        operations_per_beat=_rate,
        operation="MAC",
        operations_per_result=_length,
        sources={name: partial(_traffic, source=name) for name in ("model", "normal")},
    ),
)
