"""The dot product of group-quantized weights as Verilog, whatever its scaler."""

import pytest

from consilico.golden.matmul.group_dot import GroupDotConfig
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Replay
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.units.catalogue import find_unit, verilog
from consilico.sim.units.stimulus import prefix

UNIT = find_unit("matmul/group_dot")
# by the cycles that a group's sum is scaled in
SCALERS = {
    16: GroupDotConfig(lanes=4, group=64),
    8: GroupDotConfig(lanes=4, group=32),
    4: GroupDotConfig(lanes=8, group=32),
    2: GroupDotConfig(lanes=16, group=32),
    1: GroupDotConfig(lanes=32, group=32),
}


@pytest.mark.parametrize("slots", SCALERS)
def test_sums_are_right_whatever_the_scaler(slots: int) -> None:
    config = SCALERS[slots]
    assert config.slots == slots
    simulator, ports = find_simulator("icarus"), UNIT.ports(config)
    build = build_bulk(simulator, [verilog(UNIT, config)], UNIT.module_name, ports)
    stimulus = UNIT.vectors(config, slots)
    stimulus = prefix(stimulus, 1500)
    stalls = Replay(stall_in=64, stall_out=96, seed=slots)
    for part, run in ((stimulus, Replay()), (prefix(stimulus, 300), stalls)):
        outcome = run_bulk(simulator, build, ports, part, run)
        assert outcome.passed, outcome.problems
        assert outcome.checked + outcome.beats_dropped == part.results
        assert outcome.beats_dropped < 20  # some resets meet a result
