"""The projection unit as Verilog: how often a group can follow another, and for any scaler."""

import numpy as np
import pytest

from consilico.golden.training.project import ProjectConfig
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Replay
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.catalogue import find_unit, verilog
from consilico.sim.units.project import ProjectBench
from consilico.sim.units.stimulus import Stimulus

UNIT = find_unit("training/project")
QUICK = ProjectConfig(rows=3, columns=2, group=56)
SLOW = ProjectConfig(rows=2, columns=2, group=80)  # its scaler takes longer than the array is deep
# by the cycles that a result is scaled in
SCALERS = {
    16: ProjectConfig(rows=2, columns=1, group=68),
    8: SLOW,
    4: ProjectConfig(rows=2, columns=2, group=46),
    2: QUICK,
    1: ProjectConfig(rows=3, columns=1, group=16),
}


def groups(config: ProjectConfig, count: int, length: int) -> Stimulus:
    """Sums of two groups each."""
    bench = ProjectBench(config)
    bench.share(120)
    rng = np.random.default_rng(count)
    for _ in range(count // 2):
        bench.tile([length, length], rng)
    return bench.builder.build()


@pytest.mark.parametrize("beyond", [None, -1, 0, 7])
@pytest.mark.parametrize("config", [QUICK, SLOW], ids=["quick", "slow"])
def test_a_group_takes_its_beats_or_the_cycles_of_the_scaler(
    config: ProjectConfig, beyond: int | None
) -> None:
    simulator, ports = find_simulator("icarus"), UNIT.ports(config)
    build = build_bulk(simulator, [verilog(UNIT, config)], UNIT.module_name, ports)
    length = 1 if beyond is None else config.cycles + beyond
    few, many = (
        run_bulk(simulator, build, ports, groups(config, count, length), Replay())
        for count in (4, 24)
    )
    assert few.passed, few.problems
    assert many.passed, many.problems
    assert (many.cycles - few.cycles) / 20 == max(length, config.cycles)


@pytest.mark.parametrize("slots", SCALERS)
def test_groups_of_any_length_follow_one_another_whatever_the_scaler(slots: int) -> None:
    config = SCALERS[slots]
    assert config.slots == slots
    simulator, ports = find_simulator("icarus"), UNIT.ports(config)
    build = build_bulk(simulator, [verilog(UNIT, config)], UNIT.module_name, ports)
    bench = ProjectBench(config)
    bench.share(120)
    rng = np.random.default_rng(slots)
    # every length up to the one that keeps the scaler busy, in sums of one and of two groups
    for length in range(1, config.cycles + 2):
        bench.tile([length] * (1 + length % 2), rng, spread=1 + 15 * (length % 3 == 0))
    bench.tile([config.group], rng)
    stimulus = bench.builder.build()
    for run in (Replay(), Replay(stall_in=64, stall_out=96, seed=slots)):
        outcome = run_bulk(simulator, build, ports, stimulus, run)
        assert outcome.passed, outcome.problems
        assert outcome.checked == (config.cycles + 2) * config.results
