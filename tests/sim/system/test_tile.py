"""Closed forms of an attention tile are the cycles of a model that steps through them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from consilico.golden.attention.tile_events import TileTiming, simulate_tile
from consilico.golden.matmul.systolic import SystolicConfig, latency
from consilico.sim.system.tile import TileJobs, is_exact, tile_cycles

Jobs = list[tuple[int, int]]


def tile(rows: int, columns: int, key_dim: int, **fields: Any) -> TileTiming:
    return TileTiming(
        scores=SystolicConfig(rows=rows, columns=columns, dataflow="output_stationary"),
        values=SystolicConfig(rows=columns, columns=min(key_dim, 64), block=rows),
        key_dim=key_dim, **{"requantizer": 3, "normalizer": 4} | fields,
    )  # fmt: skip


def drawn(count: int, seed: int, two_passes: bool) -> Iterator[tuple[TileTiming, Jobs, int]]:
    """Yield tiles with jobs and how often these are repeated."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        rows, columns = rng.integers(2, 13, 2).tolist()
        slices = 1 + index % 3 // 2
        least = slices * rows + columns
        # the second array keeps up; all are equal; anything
        dims = (rng.integers(least, 2 * least), rows, columns + rng.integers(0, 20))
        kind = index % 7 % 3
        if kind == 1:
            columns = rows
        timing = tile(
            rows, columns, int(dims[kind]), normalizer=int(rng.choice((3, 4, 9))), slices=slices,
            two_passes=two_passes, queue=rows if slices > 1 and not two_passes else 0,
        )  # fmt: skip
        low = rng.integers(1, rows + 1, rng.integers(1, 6)).tolist()
        jobs = [(rows if rng.random() < 0.5 else r, int(rng.integers(1, 7))) for r in low]
        yield timing, jobs, int(rng.integers(1, 6))


def of(jobs: Jobs, repeats: int = 1) -> TileJobs:
    return TileJobs.of([rows for rows, _ in jobs], [tiles for _, tiles in jobs], repeats)


@pytest.mark.parametrize(("two_passes", "seed"), [(False, 1), (True, 2)])
def test_closed_forms_are_the_cycles_of_the_event_model(two_passes: bool, seed: int) -> None:
    exact = 0
    for timing, jobs, repeats in drawn(400, seed, two_passes):
        cycles = simulate_tile(timing, jobs * repeats).cycles
        closed = tile_cycles(timing, of(jobs, repeats))
        if is_exact(timing, of(jobs, repeats)):
            exact += 1
            assert closed == cycles, (timing, jobs, repeats)
        else:
            assert cycles < closed + 1, (timing, jobs, repeats)
    assert exact >= 300


def test_the_comparison_sees_a_cycle() -> None:
    timing, jobs = tile(8, 8, 16), [(8, 3), (8, 2)]
    slower = tile(8, 8, 16, normalizer=5)
    assert simulate_tile(slower, jobs).cycles != tile_cycles(timing, of(jobs))


@pytest.mark.parametrize(("key_dim", "repeats"), [(16, 1), (16, 3), (5, 2)])
def test_a_job_of_one_key_tile_is_its_parts_one_after_another(key_dim: int, repeats: int) -> None:
    timing = tile(4, 4, key_dim)
    parts = key_dim + latency(timing.scores) + 3 + 4 + 3 + latency(timing.values)
    assert simulate_tile(timing, [(4, 1)]).cycles == parts
    assert simulate_tile(timing, [(4, 1)] * repeats).cycles == parts + (repeats - 1) * key_dim


def test_jobs_cost_nothing_that_one_job_of_all_their_key_tiles_does_not() -> None:
    timing = tile(4, 4, 4)
    assert simulate_tile(timing, [(4, 2), (4, 3)]) == simulate_tile(timing, [(4, 5)])


def test_operands_are_taken_later_where_they_come_later() -> None:
    timing = tile(4, 4, 8)
    at_once, later = (simulate_tile(timing, [(4, 1), (4, 1)], gaps) for gaps in ((), (0, 3)))
    assert at_once.operands == [*range(16)]
    assert later.operands == [*range(8), *range(11, 19)]
    assert later.cycles == at_once.cycles + 3


def test_a_key_tile_without_a_beat_for_each_row_of_values_is_refused() -> None:
    with pytest.raises(ValueError, match="key_dim must be at least 8, not 7"):
        tile(4, 8, 7)


def test_a_buffer_for_rows_costs_time_only_where_there_is_no_other_job() -> None:
    once, twice = tile(8, 8, 32), tile(8, 8, 32, two_passes=True)
    alone, many = ([(8, 32)] * number for number in (1, 12))
    assert simulate_tile(twice, alone).cycles > 1.2 * simulate_tile(once, alone).cycles
    assert simulate_tile(twice, many).cycles < 1.05 * simulate_tile(once, many).cycles


def test_slices_without_a_queue_in_front_of_them_stall_the_first_array() -> None:
    jobs = [(8, 4)] * 3
    plain, queued = tile(8, 8, 32, slices=2), tile(8, 8, 32, slices=2, queue=8)
    one = simulate_tile(tile(8, 8, 32), jobs).cycles
    assert simulate_tile(queued, jobs).cycles - one == 8 + 1  # rows that enter twice; the queue
    assert simulate_tile(plain, jobs).cycles > simulate_tile(queued, jobs).cycles
