"""Long exhaustive runs, `make verify-full`: all results there are, all configurations, netlists."""

from typing import Any

import pytest

from consilico.golden.attention.consmax_log2 import Log2Config
from consilico.golden.attention.consmax_split import SplitConfig
from consilico.reports.consmax.certificates import certify, settings, split_results
from consilico.reports.datapaths.facts import CLOCK_NS
from consilico.sim.estimate.operators.calibrate import draw_configs
from consilico.sim.rtlsim.bulk_replay import build_bulk, run_bulk
from consilico.sim.rtlsim.replay import Replay
from consilico.sim.rtlsim.simulators import find_simulator
from consilico.sim.rtlsim.verify import verify
from consilico.sim.silicon.implement import implement
from consilico.sim.units.catalogue import catalogue, find_unit, verilog
from consilico.sim.units.consmax import every_code_vectors, every_wide_code_vectors
from consilico.sim.units.stimulus import Stimulus
from tests.sim.rtlsim.units.test_units import CONFIGURATIONS

pytestmark = pytest.mark.exhaustive
DEFAULTS: list[tuple[str, dict[str, Any]]] = [("consmax/log2", {}), ("consmax/split", {})]


def checked(name: str, fields: dict[str, Any], stimulus: Stimulus, run: Replay) -> int:
    """Results that Verilator's model of the unit's Verilog got right, which must be all."""
    unit = find_unit(name)
    config = unit.config(**fields)
    verilator, ports = find_simulator("verilator"), unit.ports(config)
    build = build_bulk(verilator, [verilog(unit, config)], unit.module_name, ports)
    outcome = run_bulk(verilator, build, ports, stimulus, run)
    assert outcome.passed, outcome.problems
    return outcome.checked


@pytest.mark.parametrize("run", [Replay(), Replay(stall_in=64, stall_out=96, seed=5)])
@pytest.mark.parametrize("config", [Log2Config(lanes=8), SplitConfig(lanes=8)])
def test_hardware_gives_every_certified_result(
    config: Log2Config | SplitConfig, run: Replay
) -> None:
    name = "consmax/log2" if isinstance(config, Log2Config) else "consmax/split"
    heads = settings()
    stimulus = every_code_vectors(config, heads, seed=1)
    assert checked(name, {"lanes": 8}, stimulus, run) == len(heads) * 256 * 8


def test_hardware_gives_every_int16_result() -> None:
    fields: dict[str, Any] = {"scores": "int16", "lanes": 4}
    heads = [(edge / 32767, log_c) for edge in (0.5, 8.0, 24.0, 85.0) for log_c in (-14.6, 2.0)]
    stimulus = every_wide_code_vectors(SplitConfig(**fields), heads, seed=1)
    assert checked("consmax/split", fields, stimulus, Replay()) == len(heads) * (1 << 16) * 2


def test_every_int16_code_is_within_the_bound_of_its_roundings() -> None:
    heads = [(edge / 32767, log_c) for edge in (0.5, 8.0, 24.0) for log_c in (-9.0, 2.0)]
    codes = range(-(1 << 15), 1 << 15)
    found = certify("split, INT16", split_results(wide=True), heads, codes, exhaustive=True)
    # four entries and three products, each rounded to 8 bits
    assert 0.004 < found.max_relative_error <= (1 + 2**-8) ** 7 - 1


@pytest.mark.parametrize(
    ("name", "fields"),
    [*DEFAULTS, *CONFIGURATIONS, *((name, {"lanes": 16}) for name, _ in DEFAULTS)],
)
def test_every_configuration_on_both_simulators(name: str, fields: dict[str, Any]) -> None:
    unit = find_unit(name)
    result = verify(unit, unit.config(**fields), ["icarus", "verilator"], 2)
    assert result.passed, result.problems
    assert [run.mismatches for run in result.runs] == [0, 0]


@pytest.mark.parametrize("name", catalogue())
def test_drawn_configurations_are_right(name: str) -> None:
    unit = find_unit(name)
    for config, _ in draw_configs(unit, 3, (2026, 12)):  # `regress` goes to the edges of all fields
        result = verify(unit, config, ["verilator"], 1)  # large ones take Icarus many minutes
        assert result.passed, (config, result.problems)


# the clock of their targets; for ConSmax also one that asks for speed
@pytest.mark.parametrize(
    ("name", "fields", "clock_ns"),
    [
        (name, fields, clock_ns)
        for name, fields in CONFIGURATIONS
        for clock_ns in ((4.0, 1.0) if name.startswith("consmax/") else (CLOCK_NS,))
    ],
)
def test_every_configurations_netlist_is_right(
    name: str, fields: dict[str, Any], clock_ns: float
) -> None:
    unit = find_unit(name)
    result = implement(unit, unit.config(**fields), "nangate45", clock_ns, "normal")
    assert result.gate_level.checked == result.activity.results > 0
    assert result.gate_level.mismatches == 0
    assert result.energy_pj > 0
