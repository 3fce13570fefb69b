"""The systolic array as Verilog: its cycles, and a layer of a language model."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from consilico.golden.matmul.systolic import SystolicConfig, SystolicJob, cycles
from consilico.sim.base.errors import UserError
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Replay, ReplayOutcome
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.traffic.layer_traffic import layer_traffic
from consilico.sim.traffic.linear_layers import layer_matrices
from consilico.sim.units.catalogue import find_unit, verilog
from consilico.sim.units.stimulus import Stimulus
from consilico.sim.units.systolic import SystolicBench

UNIT = find_unit("matmul/systolic")
# of the bulk bench: one for the shape; the cycle of the last result is the first of the 64 that it
# watches after it
OTHER_CYCLES = 1 + 63
WEIGHT: dict[str, Any] = {"x": "int4", "w": "int4", "dataflow": "weight_stationary"}
OUTPUT: dict[str, Any] = {"x": "int4", "w": "int4", "dataflow": "output_stationary"}


@cache
def built(config: SystolicConfig, simulator: str) -> Path:
    """The compiled bench around the unit's Verilog."""
    text, ports = verilog(UNIT, config), UNIT.ports(config)
    return build_bulk(find_simulator(simulator), [text], UNIT.module_name, ports)


def replay(
    config: SystolicConfig, stimulus: Stimulus, simulator: str = "icarus", run: Replay | None = None
) -> ReplayOutcome:
    """What the unit's Verilog makes of a stimulus."""
    build, ports = built(config, simulator), UNIT.ports(config)
    return run_bulk(find_simulator(simulator), build, ports, stimulus, run or Replay())


def drawn(config: SystolicConfig, job: SystolicJob) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Matrices of drawn codes."""
    rng = np.random.default_rng(job.m + job.k + job.n)
    half_x, half_w = 1 << (config.x_width - 1), 1 << (config.w_width - 1)
    return (
        rng.integers(-half_x, half_x, (job.m, job.k)),
        rng.integers(-half_w, half_w, (job.k, job.n)),
    )


def rtl_cycles(config: SystolicConfig, job: SystolicJob) -> int:
    """From the first beat of a job to its last result, at full speed, on Icarus."""
    bench = SystolicBench(config)
    bench.multiply(*drawn(config, job))
    outcome = replay(config, bench.builder.build())
    assert outcome.passed, outcome.problems
    return outcome.cycles - OTHER_CYCLES


@pytest.mark.parametrize(
    ("fields", "sizes"),
    [
        (WEIGHT | {"rows": 3, "columns": 2, "block": 4}, (1, 2, 3, 4, 5, 8, 10)),
        (WEIGHT | {"rows": 4, "columns": 3, "block": 2}, (1, 2, 5)),
        (WEIGHT | {"rows": 2, "columns": 1, "block": 5}, (1, 4, 7)),
        (OUTPUT | {"rows": 3, "columns": 2}, (1, 2, 3, 4, 7)),
        (OUTPUT | {"rows": 5, "columns": 1}, (1, 4, 6)),
        (OUTPUT | {"rows": 2, "columns": 4}, (1, 2, 9)),
    ],
)
def test_cycles_are_those_of_the_formula(fields: dict[str, Any], sizes: tuple[int, ...]) -> None:
    config = SystolicConfig(**fields)
    shapes = [SystolicJob(m=m, k=k, n=n) for m in sizes for k in sizes for n in sizes]
    rng = np.random.default_rng(1)
    for index in rng.choice(len(shapes), 9, replace=False).tolist():
        job = shapes[index]
        assert rtl_cycles(config, job) == cycles(job, config), job


def test_stalls_cost_cycles_that_the_formula_does_not_count() -> None:
    config = SystolicConfig(**(OUTPUT | {"rows": 2, "columns": 2}))
    job = SystolicJob(m=6, k=10, n=6)
    bench = SystolicBench(config)
    bench.multiply(*drawn(config, job))
    run = Replay(stall_in=128, stall_out=128, seed=4)
    outcome = replay(config, bench.builder.build(), run=run)
    assert outcome.passed, outcome.problems
    assert outcome.cycles - OTHER_CYCLES > cycles(job, config)


@pytest.mark.parametrize("fields", [WEIGHT, OUTPUT])
def test_beats_in_another_order_give_wrong_results(fields: dict[str, Any]) -> None:
    config = SystolicConfig(**(fields | {"rows": 2, "columns": 2}))
    bench = SystolicBench(config)
    bench.multiply(*drawn(config, SystolicJob(m=4, k=6, n=4)))
    stimulus = bench.builder.build()
    assert replay(config, stimulus).passed
    # the shape, five beats, then these: the last of a tile's operands and the next ones
    stimulus.bits[[6, 7]] = stimulus.bits[[7, 6]]
    assert replay(config, stimulus).mismatches > 0


@pytest.mark.parametrize("name", ["m", "k", "n"])
@pytest.mark.parametrize("size", [0, 17])
def test_shape_beyond_the_counters_is_refused(name: str, size: int) -> None:
    config = SystolicConfig(extent=16, depth=16)
    bench = SystolicBench(config)
    sizes = {"m": 1, "k": 1, "n": 1} | {name: size}
    x = np.zeros((sizes["m"], sizes["k"]), dtype=np.int64)
    w = np.zeros((sizes["k"], sizes["n"]), dtype=np.int64)
    message = rf"^{name} must be an integer in \[1, 16\], not {size}"
    with pytest.raises(ValueError, match=message):
        bench.shape(SystolicJob(**sizes))
    with pytest.raises(ValueError, match=message):
        bench.multiply(x, w)


def test_unknown_traffic_is_refused() -> None:
    with pytest.raises(UserError, match="has no traffic 'uniform'; it has: model, normal"):
        UNIT.traffic(UNIT.config(), "uniform", 100)


def layer_outcome(
    config: SystolicConfig, name: str, tokens: int, outputs: int, simulator: str
) -> tuple[ReplayOutcome, int]:
    """A layer's matrices through the unit's Verilog, and the number of its results."""
    linear = layer_traffic()[name].take(slice(tokens), slice(outputs))
    x_form: Any = config.x
    w_form: Any = config.w
    matrices = layer_matrices(linear, x_form, w_form)
    bench = SystolicBench(config)
    for x, w in zip(matrices.x, matrices.w, strict=True):
        bench.multiply(x, w)
    # the integers that the bench asks for are the layer: its codes' own float arithmetic agrees
    wanted = matrices.inputs.dequantize().astype(np.float64) @ matrices.weight.dequantize().T
    got = matrices.outputs(matrices.x @ matrices.w)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    return replay(config, bench.builder.build(), simulator), got.size * len(matrices.x)


def test_cut_of_a_layer_is_bit_exact() -> None:
    config = SystolicConfig(w="int4", columns=2, dataflow="output_stationary")
    outcome, results = layer_outcome(config, "blk.0.attn_k", 4, 4, "icarus")
    assert outcome.passed, outcome.problems
    assert outcome.checked == results


@pytest.mark.exhaustive
@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary"])
@pytest.mark.parametrize(("x", "w"), [("int8", "int8"), ("int8", "int4"), ("int4", "int4")])
def test_layer_is_bit_exact(x: str, w: str, dataflow: str) -> None:
    config = SystolicConfig(rows=8, columns=8, x=x, w=w, dataflow=dataflow)
    outcome, results = layer_outcome(config, "blk.0.attn_k", 64, 192, "verilator")
    assert outcome.passed, outcome.problems
    assert outcome.checked == results


@pytest.mark.exhaustive
@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary"])
def test_whole_layer_is_bit_exact_in_the_cycles_of_the_formula(dataflow: str) -> None:
    config = SystolicConfig(rows=8, columns=8, dataflow=dataflow)
    linear = layer_traffic()["blk.0.attn_k"]
    tokens, outputs = len(linear.x), len(linear.weight.scale)
    outcome, results = layer_outcome(config, linear.name, tokens, outputs, "verilator")
    assert outcome.passed, outcome.problems
    assert outcome.checked == results == tokens * outputs
    job = SystolicJob(m=tokens, k=linear.inputs, n=outputs)
    assert outcome.cycles - OTHER_CYCLES == cycles(job, config)


@pytest.mark.exhaustive
@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary"])
def test_every_row_of_cells_gets_every_product_of_int8_right(dataflow: str) -> None:
    config = SystolicConfig(dataflow=dataflow)
    rng = np.random.default_rng(1)
    codes = np.arange(-128, 128)
    bench = SystolicBench(config)
    x = np.stack([rng.permutation(codes) for _ in range(config.rows)], axis=1)
    bench.multiply(x, np.stack([rng.permutation(codes) for _ in range(config.rows)]))
    outcome = replay(config, bench.builder.build(), "verilator")
    assert outcome.passed, outcome.problems
    assert outcome.checked == 256 * 256
