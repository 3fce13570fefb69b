"""The event model of a tile, and so its closed form, has the cycles of the units' Verilog."""

from pathlib import Path

import numpy as np
import pytest

from consilico.sim.system.tile import TileJobs, is_exact, tile_cycles
from consilico.sim.system.tile_events import simulate_tile
from tests.sim.system.tile_verilog import TileVerilog, unit_timing

Jobs = list[tuple[int, int]]


def drawn_tile(rng: np.random.Generator) -> tuple[int, int, int]:
    """Draw rows, columns and dimensions."""
    rows, columns = rng.integers(2, 9, 2).tolist()
    return rows, columns, int(rng.integers(2, 2 * (rows + columns)))


def drawn_jobs(rng: np.random.Generator, rows: int) -> Jobs:
    return [
        (rows if rng.random() < 0.5 else int(rng.integers(1, rows + 1)), int(rng.integers(1, 5)))
        for _ in range(rng.integers(1, 5))
    ]


def held_to_verilog(
    tile: tuple[int, int, int], lists: int, rng: np.random.Generator, folder: Path
) -> int:
    """Compare lists of drawn jobs, and return for how many the closed form is exact."""
    timing, exact = unit_timing(*tile), 0
    verilog = TileVerilog(timing, folder)
    for _ in range(lists):
        jobs = drawn_jobs(rng, tile[0])
        cycles = verilog.cycles(jobs)
        assert simulate_tile(timing, jobs) == cycles, (tile, jobs)
        closed = TileJobs.of([job[0] for job in jobs], [job[1] for job in jobs])
        if is_exact(timing, closed):
            exact += 1
            assert tile_cycles(timing, closed) == cycles, (tile, jobs)
    return exact


def test_cycles_of_a_tile_are_those_of_verilog(tmp_path: Path) -> None:
    exact = held_to_verilog((4, 3, 8), 8, np.random.default_rng(1), tmp_path)
    assert exact == 8


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(25))
def test_cycles_of_many_tiles_are_those_of_verilog(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    held_to_verilog(drawn_tile(rng), 8, rng, tmp_path)
