"""The training units in simulation: every bf16 number in every lane, and what traffic there is."""

import pytest

from golden.training.config import QuantizeConfig
from sim.catalog import find_unit, verilog
from sim.errors import UserError
from sim.rtlsim.bulk import Run, build_bulk, run_bulk
from sim.rtlsim.simulators import find_simulator
from sim.units.blockwise import every_normalised_vectors

TRAINING = (
    "training/stochastic_round",
    "training/weight_update",
    "training/blockwise_quantize",
    "training/blockwise_dequantize",
)


@pytest.mark.exhaustive
@pytest.mark.parametrize("code", ["signed", "unsigned"])
@pytest.mark.parametrize("run", [Run(), Run(stall_in=64, stall_out=96, seed=3)])
def test_every_normalised_number_in_every_lane(code: str, run: Run) -> None:
    unit, config = find_unit("training/blockwise_quantize"), QuantizeConfig(code=code)
    verilator, ports = find_simulator("verilator"), unit.ports(config)
    build = build_bulk(verilator, [verilog(unit, config)], unit.module_name, ports)
    outcome = run_bulk(verilator, build, ports, every_normalised_vectors(config, 1), run)
    assert outcome.passed, outcome.problems
    assert outcome.checked == 2 * (31 * 128 + 2) * config.lanes


@pytest.mark.parametrize("name", TRAINING)
def test_normal_traffic_has_the_beats_asked_for(name: str) -> None:
    unit = find_unit(name)
    config = unit.config()
    stimulus = unit.traffic(config, "normal", 96)
    assert stimulus.results == 96 * unit.operations_per_beat(config)


@pytest.mark.parametrize("name", TRAINING)
def test_other_traffic_is_refused(name: str) -> None:
    unit = find_unit(name)
    with pytest.raises(UserError, match="traffic normal, not 'model'"):
        unit.traffic(unit.config(), "model", 8)
