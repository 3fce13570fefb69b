"""The event model of a tile, and so its closed form, has the cycles of the units' Verilog."""

from pathlib import Path

import numpy as np
import pytest

from consilico.sim.system.tile import TileJobs, TileTiming, is_exact, tile_cycles
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
    timing: TileTiming, verilog: TileVerilog, lists: int, rng: np.random.Generator
) -> int:
    """Compare lists of drawn jobs, and return for how many the closed form is exact."""
    exact = 0
    for _ in range(lists):
        jobs = drawn_jobs(rng, timing.scores.rows)
        cycles = verilog.cycles(jobs)
        assert simulate_tile(timing, jobs) == cycles, (timing, jobs)
        closed = TileJobs.of([job[0] for job in jobs], [job[1] for job in jobs])
        if is_exact(timing, closed):
            exact += 1
            assert tile_cycles(timing, closed) == cycles, (timing, jobs)
    return exact


@pytest.fixture(scope="module")
def verilog(tmp_path_factory: pytest.TempPathFactory) -> TileVerilog:
    """A tile of 4 queries, 3 keys and 8 elements; its units are converted once."""
    return TileVerilog(unit_timing(4, 3, 8), tmp_path_factory.mktemp("tile"))


def test_cycles_of_a_tile_are_those_of_verilog(verilog: TileVerilog) -> None:
    assert held_to_verilog(unit_timing(4, 3, 8), verilog, 8, np.random.default_rng(1)) == 8


def test_the_comparison_sees_a_cycle(verilog: TileVerilog) -> None:
    jobs = [(4, 2), (4, 2)]
    assert verilog.cycles(jobs) != simulate_tile(unit_timing(4, 3, 9), jobs)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(25))
def test_cycles_of_many_tiles_are_those_of_verilog(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    timing = unit_timing(*drawn_tile(rng))
    held_to_verilog(timing, TileVerilog(timing, tmp_path), 8, rng)
