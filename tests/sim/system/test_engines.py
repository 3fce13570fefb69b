"""Cycles of engines are those of the units' Verilog; work is shared out without loss."""

import itertools
from typing import Any

import numpy as np
import pytest

from consilico.golden.matmul.systolic import SystolicJob, drained_cycles
from consilico.sim.accelerator.accelerator import find_dram
from consilico.sim.base.errors import UserError
from consilico.sim.memory.presets import find_model
from consilico.sim.system.chip import Chip, weight_format
from consilico.sim.system.engines import attention_jobs, on_arrays, on_lanes
from consilico.sim.workload.graph import AttentionOperator, Workload, operator_graph

SMALL: dict[str, Any] = {"rows": 4, "columns": 4, "value_dim": 4, "sram_kib": 64}


def chip(weights: str = "int8", **fields: int) -> Chip:
    return Chip(dram=find_dram("hbm2"), weights=weight_format(weights), **fields)


def attention(**fields: int) -> AttentionOperator:
    usual = {"layers": 1, "batch": 1, "heads": 4, "kv_heads": 2, "new": 8, "keys": 8,
             "key_dim": 8, "value_dim": 8, "cached": 32, "window": 0}  # fmt: skip
    return AttentionOperator(causal=True, **usual | fields)


@pytest.mark.parametrize("tiles", [1, 2, 5])
def test_all_products_are_computed_by_some_array(tiles: int) -> None:
    """The busiest array's cycles times all cells hold every product, and little more."""
    for m, k, n in itertools.product((1, 7, 64, 200), (5, 64, 130), (3, 64, 500)):
        made = chip(tiles=tiles, rows=8, columns=8, value_dim=16)
        found = on_arrays(m, k, n, made)
        cells = made.scores_cells + made.values_cells
        assert found.cycles.value * cells >= m * k * n
        assert found.activation_bytes > 0.999 * m * k
        assert found.weight_codes > 0.999 * k * n


def test_one_array_alone_takes_what_its_schedule_says() -> None:
    """With as many arrays as column tiles, each has one tile of the result's columns."""
    made = chip(tiles=1, rows=8, columns=8, value_dim=8)
    job = SystolicJob(m=24, k=40, n=8)
    arrays = made.scores_array, made.values_array
    assert on_arrays(24, 40, 16, made).cycles.value == max(drained_cycles(job, a) for a in arrays)


def test_more_tiles_are_never_slower() -> None:
    cycles = [on_arrays(300, 100, 700, chip(tiles=tiles)).cycles.value for tiles in range(1, 12)]
    assert cycles == sorted(cycles, reverse=True)


def test_a_matrix_of_one_row_costs_steps_of_weights_that_a_full_one_does_not() -> None:
    made = chip(tiles=1)
    assert on_arrays(64, 128, 192, made).weight_moves == 0
    assert on_arrays(1, 128, 192, made).weight_moves == 63 * 128 * 192 / 2


@pytest.mark.parametrize(("weights", "least", "most"), [("int8", 4, 4), ("int4-g64", 4, 8),
                                                        ("2:4", 2, 2)])  # fmt: skip
def test_lanes_take_a_beat_for_each_part_of_a_sum(weights: str, least: int, most: int) -> None:
    made = chip(weights, gemv_lanes=64)  # two units of 32 lanes
    found, longer = (on_lanes(1, 128, n, made).cycles for n in (10, 12))
    assert longer.value - found.value == least
    assert longer.high - found.high == most


def test_a_sum_of_groups_is_filled_up_to_whole_groups() -> None:
    made = chip("int4-g128", gemv_lanes=32)
    assert on_lanes(1, 130, 1, made).cycles == on_lanes(1, 256, 1, made).cycles


@pytest.mark.parametrize("tiles", [1, 3, 4, 9])
@pytest.mark.parametrize(
    "fields",
    [{}, {"new": 1}, {"window": 3}, {"new": 3, "keys": 20}, {"new": 13, "keys": 13, "batch": 2}],
)
def test_key_tiles_hold_what_a_mask_leaves(fields: dict[str, int], tiles: int) -> None:
    operator, made = attention(**fields), chip(**SMALL, tiles=tiles)
    found = attention_jobs(operator, made)
    seen = operator.batch * operator.heads * operator.seen
    assert seen <= found.computed
    # none is computed that no tile with a seen one holds
    query = np.arange(operator.keys - operator.new, operator.keys)[:, None]
    key = np.arange(operator.keys)[None]
    mask = (key <= query) & ((key > query - operator.window) if operator.window else True)
    if operator.new >= made.rows:
        passes = sum(
            bool(mask[top : top + 4, left : left + 4].any())
            for top in range(0, operator.new, 4)
            for left in range(0, operator.keys, 4)
        )
        assert found.passes == passes * operator.heads * operator.batch
    else:  # heads that share keys are together
        strips = -(-operator.new * operator.group // 4)
        assert found.passes == strips * -(-operator.keys // 4) * 2 * operator.batch
    assert found.busiest.passes * tiles >= found.passes
    assert found.busiest.passes <= found.passes


def test_what_no_chip_has_is_refused() -> None:
    for name, words in (
        ("int4", "weights must be one of int8, int4-g32"),
        ("int4-g100", "not 'int4-g100'"),
    ):
        with pytest.raises(UserError, match=words):
            weight_format(name)
    with pytest.raises(UserError, match="gemv_lanes must be a multiple of 32"):
        chip(gemv_lanes=40)
    with pytest.raises(UserError, match="rows must be an integer in \\[2, 64\\], not 65"):
        chip(rows=65)
    with pytest.raises(UserError, match="clock_ns must be a period above 0"):
        Chip(dram=find_dram("hbm2"), weights=weight_format("int8"), clock_ns=0.0)


def test_a_model_of_windows_has_fewer_key_tiles() -> None:
    graph = operator_graph(Workload(model=find_model("gemma-3-1b"), phase="prefill", context=4096))
    window, whole = sorted(graph.attention, key=lambda o: o.window == 0)
    made = chip()
    near, far = (attention_jobs(operator, made) for operator in (window, whole))
    assert near.passes < far.passes / 2
