"""The event model of a tile, and so its closed form, has the cycles of the tile's Verilog."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from consilico.golden.attention.tile import TileConfig
from consilico.golden.attention.tile_events import simulate_tile
from consilico.hw.attention.tile import timing
from consilico.sim.accelerator.accelerator import find_dram
from consilico.sim.rtlsim.acceptance import compare
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_script
from consilico.sim.rtlsim.script import FREE, in_order
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.system.chip import Chip, weight_format
from consilico.sim.system.normalizers import find_normalizer
from consilico.sim.system.tile import TileJobs, is_exact, tile_cycles
from consilico.sim.system.work import tile_timing
from consilico.sim.units.catalogue import find_unit, verilog
from consilico.sim.units.tile import TileBench, constants_of, drawn_job
from consilico.sim.workload.graph import AttentionOperator

UNIT = find_unit("attention/tile")
ICARUS = find_simulator("icarus")
Jobs = list[tuple[int, int]]  # queries and key tiles of each


@dataclass(frozen=True)
class Built:
    """A tile whose Verilog is made and compiled once."""

    config: TileConfig

    @cached_property
    def build(self) -> Any:
        return build_bulk(
            ICARUS, [verilog(UNIT, self.config)], UNIT.module_name, UNIT.ports(self.config)
        )

    def cycles(self, jobs: Jobs, rng: np.random.Generator) -> int:
        """From the first operands to the last result; jobs are offered as soon as there is room.

        The results of drawn operands are compared, too.
        """
        config = self.config
        head = constants_of(config, 4 / 127, -3.0)
        bench = TileBench(config)
        drawn = []
        for rows, tiles in jobs:
            keys = int(rng.integers((tiles - 1) * config.columns, tiles * config.columns)) + 1
            drawn.append(drawn_job(rng, config, rows, keys, int(rng.integers(0, keys + 1)), head))
        bench.attend(drawn)
        stimulus = bench.builder.build()
        script = in_order(stimulus)
        script.data_lead[:] = FREE  # jobs wait for no data, and data for the first job alone
        script.config_lead[:] = len(jobs) - 1
        found = run_script(ICARUS, self.build, UNIT.ports(config), script, quiet_cycles=64)
        assert found.problems == ()
        compared = compare(script, found, lambda kind, bits: UNIT.expect(config, kind, bits))
        assert not compared.differs
        assert len(compared.due) == sum(rows for rows, _ in jobs)
        return int(found.cycles[found.delivers][-1] - found.cycles[found.data][0]) + 1


def drawn_tile(rng: np.random.Generator) -> TileConfig:
    """Draw sizes, the normalizer and the form of its results."""
    rows, columns = rng.integers(2, 9, 2).tolist()
    return TileConfig(
        rows=rows,
        columns=columns,
        head_dim=columns + int(rng.integers(0, 2 * rows + columns)),
        tokens=64,
        normalizer=str(rng.choice(["consmax/log2", "consmax/base2", "consmax/split"])),
        p_format=str(rng.choice(["int7", "2xint7", "uint8"])),
        multiplier_width=int(rng.choice([4, 16])),
    )


def drawn_jobs(rng: np.random.Generator, rows: int) -> Jobs:
    return [
        (rows if rng.random() < 0.5 else int(rng.integers(1, rows + 1)), int(rng.integers(1, 5)))
        for _ in range(rng.integers(1, 8))
    ]


def held_to_verilog(tile: Built, lists: int, rng: np.random.Generator) -> int:
    """Compare lists of drawn jobs, and return for how many the closed form is exact."""
    exact = 0
    parts = timing(tile.config)
    for _ in range(lists):
        jobs = drawn_jobs(rng, tile.config.rows)
        cycles = tile.cycles(jobs, rng)
        assert simulate_tile(parts, jobs).cycles == cycles, (tile.config, jobs)
        closed = TileJobs.of([job[0] for job in jobs], [job[1] for job in jobs])
        assert tile_cycles(parts, closed) >= cycles
        if is_exact(parts, closed):
            exact += 1
            assert tile_cycles(parts, closed) == cycles, (tile.config, jobs)
    return exact


@pytest.fixture(scope="module")
def tile() -> Built:
    """A tile of 3 queries, 2 keys and 4 elements, whose second array lags where 3 rows enter."""
    return Built(TileConfig(rows=3, columns=2, head_dim=4, tokens=64, p_format="2xint7"))


def test_cycles_of_a_tile_are_those_of_verilog(tile: Built) -> None:
    assert held_to_verilog(tile, 6, np.random.default_rng(1)) >= 1


def test_the_comparison_sees_a_cycle(tile: Built) -> None:
    jobs = [(3, 2), (3, 2)]
    other = timing(TileConfig(rows=3, columns=2, head_dim=4, normalizer="consmax/base2"))
    assert tile.cycles(jobs, np.random.default_rng(1)) != simulate_tile(other, jobs).cycles


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(25))
def test_cycles_of_many_tiles_are_those_of_verilog(seed: int) -> None:
    rng = np.random.default_rng(seed)
    held_to_verilog(Built(drawn_tile(rng)), 8, rng)


@pytest.mark.parametrize("p_format", ["int7", "2xint7"])
@pytest.mark.parametrize("normalizer", ["consmax/log2", "consmax/base2", "consmax/split"])
@pytest.mark.parametrize("head_dim", [64, 128])
def test_a_tile_of_a_chip_is_timed_as_the_unit(
    normalizer: str, p_format: str, head_dim: int
) -> None:
    dim = min(head_dim, 64)
    made = Chip(
        dram=find_dram("hbm2"), weights=weight_format("int8"), rows=64, columns=64, value_dim=dim
    )
    operator = AttentionOperator(
        layers=1, batch=1, heads=1, kv_heads=1, new=64, keys=64, key_dim=head_dim,
        value_dim=head_dim, cached=0, window=0, causal=True,
    )  # fmt: skip
    found = find_normalizer(normalizer, 64, p_format, 64)
    chips = tile_timing(operator, made, found)
    own = timing(
        TileConfig(rows=64, columns=64, head_dim=head_dim, normalizer=normalizer, p_format=p_format)
    )
    for name in ("key_dim", "before", "between", "after", "slices", "queue", "waiting"):
        assert getattr(chips, name) == getattr(own, name), name
