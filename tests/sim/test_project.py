"""The projection unit as Verilog: how often a group can follow another."""

import numpy as np
import pytest

from golden.training.project_config import ProjectConfig
from sim.catalog import find_unit, verilog
from sim.rtlsim.bulk import Run, build_bulk, run_bulk
from sim.rtlsim.simulators import find_simulator
from sim.stimulus import Stimulus
from sim.units.project import ProjectBench

UNIT = find_unit("training/project")
CONFIG = ProjectConfig(rows=3, columns=2, group=64)


def groups(count: int, length: int) -> Stimulus:
    """Sums of two groups each."""
    bench = ProjectBench(CONFIG)
    bench.share(120)
    rng = np.random.default_rng(count)
    for _ in range(count // 2):
        bench.tile([length, length], rng)
    return bench.builder.build()


@pytest.mark.parametrize("beyond", [-CONFIG.cycles + 1, -1, 0, 7])
def test_a_group_takes_its_beats_or_the_cycles_of_the_scaler(beyond: int) -> None:
    simulator, ports = find_simulator("icarus"), UNIT.ports(CONFIG)
    build = build_bulk(simulator, [verilog(UNIT, CONFIG)], UNIT.module_name, ports)
    length = CONFIG.cycles + beyond
    few, many = (
        run_bulk(simulator, build, ports, groups(count, length), Run()) for count in (4, 24)
    )
    assert few.passed, few.problems
    assert many.passed, many.problems
    assert (many.cycles - few.cycles) / 20 == max(length, CONFIG.cycles)
