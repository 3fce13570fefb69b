"""Every unit's census formula beside what is read from its generated Verilog."""

from dataclasses import replace

import numpy as np
import pytest

from consilico.hw.census import KINDS, Batch, Census, bit_length
from consilico.hw.training.lfsr import RANDOM
from consilico.sim.estimate.operators.calibrate import draw_configs
from consilico.sim.estimate.operators.estimate import estimate
from consilico.sim.estimate.operators.operand_statistics import operand_statistics
from consilico.sim.estimate.operators.tables import groups, read_calibration
from consilico.sim.estimate.operators.unit_census import both, elaborated_census, unit_census
from consilico.sim.silicon.gate_level import traffic
from consilico.sim.units.catalogue import configure, find_unit, own_units
from consilico.sim.units.stimulus import Kind

_OPERATIONS = 1 << 16  # of traffic: the ends of a stream weigh little
PATH = read_calibration("nangate45").costs["path_ns"]
SHARE = 0.035  # of all bits: as far as a formula and what Yosys keeps may differ in all
EXACT = ("flop", "latch", "clock_gate", "multiply")
SMALL: dict[str, tuple[str, ...]] = {  # settings, so that elaborating takes a second
    "consmax/base2": ("lanes=2",),
    "consmax/log2": ("lanes=2",),
    "consmax/split": ("lanes=2",),
    "matmul/dot": ("lanes=2",),
    "matmul/group_dot": ("lanes=4",),
    "matmul/fused_dot": ("lanes=1",),
    "matmul/sparse_dot": ("lanes=2",),
    "matmul/systolic": ("rows=2", "columns=2"),
    "training/project": ("rows=2", "columns=2"),
    "training/stochastic_round": ("lanes=2",),
    "training/weight_update": ("lanes=1",),
    "training/blockwise_quantize": ("lanes=1",),
    "training/blockwise_dequantize": ("lanes=1",),
    "matmul/requant": ("lanes=1",),
    "matmul/quantize": ("lanes=1", "group=32"),
}
WITH_FORMULAS = [name for name, unit in own_units().items() if unit.census is not None]


def check(name: str, settings: tuple[str, ...], share: float = SHARE, rel: float = 0.0) -> None:
    unit = find_unit(name)
    counts = both(unit, configure(unit, list(settings)))
    for kind in EXACT:
        formula, found = counts.get(kind, (0, 0))
        assert formula == pytest.approx(found, rel=rel), kind
    tables, found = counts.get("table", (0, 0))
    assert tables == pytest.approx(found, rel=0.01)
    total = sum(found for _, found in counts.values())
    off = sum(abs(formula - found) for formula, found in counts.values())
    assert off <= share * total, counts


@pytest.mark.parametrize("name", WITH_FORMULAS)
def test_the_formula_counts_what_the_verilog_holds(name: str) -> None:
    check(name, SMALL.get(name, ()))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", WITH_FORMULAS)
def test_it_does_for_drawn_configurations(name: str) -> None:
    unit = find_unit(name)
    for config, _ in draw_configs(unit, 6, (2026, 9)):
        settings = tuple(f"{key}={value}" for key, value in config.to_json().items())
        # Yosys merges the registers of lanes that are there only to fill a block
        check(name, settings, share=0.05, rel=0.02)


@pytest.mark.parametrize("name", WITH_FORMULAS)
def test_a_batch_counts_like_its_configurations_alone(name: str) -> None:
    unit = find_unit(name)
    configs = [config for config, _ in draw_configs(unit, 12, (2026, 8))]
    for batch, places in groups(unit, configs):
        together = unit_census(unit, batch, PATH).totals()
        for row, place in enumerate(places):
            alone = unit_census(unit, Batch([configs[place]]), PATH).totals()
            for kind in KINDS:
                expected = np.broadcast_to(together.get(kind, 0), len(places))[row]
                assert np.broadcast_to(alone.get(kind, 0), 1)[0] == pytest.approx(expected)


@pytest.mark.parametrize("name", WITH_FORMULAS)
def test_drivers_are_operands_and_paths_have_steps(name: str) -> None:
    unit = find_unit(name)
    config = configure(unit, list(SMALL.get(name, ())))
    source = "normal" if "normal" in unit.measured_with else "uniform"
    operands = operand_statistics(unit, config, traffic(unit, config, source))
    census = unit_census(unit, Batch([config]), PATH)
    there = [item for item in census.operators if np.any(item.bits)]
    assert {driver for item in there for driver in item.drivers} <= {*operands, RANDOM}
    assert census.paths
    assert all(steps for steps in census.paths)


@pytest.mark.parametrize("name", WITH_FORMULAS)
def test_operations_a_result_are_those_of_the_traffic(name: str) -> None:
    unit = find_unit(name)
    for config in (configure(unit, list(SMALL.get(name, ()))), unit.config()):
        for source in unit.measured_with:
            beats = _OPERATIONS // unit.operations_per_beat(config)
            stimulus = unit.traffic(config, source, beats)
            stated = unit.operations_per_result(config, source)
            assert stimulus.operations / stimulus.results == pytest.approx(stated, rel=0.03), source


def test_a_pass_of_few_vectors_waits_for_the_next_weights() -> None:
    unit = find_unit("matmul/systolic")
    config = configure(unit, ["rows=8", "columns=2", "block=2"])
    stimulus = unit.traffic(config, "normal", 4096)
    beats = int((stimulus.kind == Kind.DATA).sum())
    assert stimulus.operations / beats == pytest.approx(unit.operations_per_beat(config), rel=0.02)
    assert unit.operations_per_beat(config) == 4


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="divider"):
        Census().add("divider", 3)


def test_bit_length_is_pythons() -> None:
    values = [0, 1, 2, 3, 4, 255, 256, (1 << 40) - 1]
    assert bit_length(np.array(values)).tolist() == [value.bit_length() for value in values]


def test_a_unit_without_formulas_is_estimated_as_its_elaborated_design() -> None:
    unit = find_unit("training/blockwise_dequantize")
    config = configure(unit, ["lanes=1"])
    formula, read = (
        estimate(one, config, source="normal") for one in (unit, replace(unit, census=None))
    )
    assert read.area_um2.value == pytest.approx(formula.area_um2.value, rel=0.02)
    assert read.leakage_w.value == pytest.approx(formula.leakage_w.value, rel=0.02)
    assert read.path_ns.value == pytest.approx(formula.path_ns.value, rel=0.4)
    assert read.energy_pj.value == pytest.approx(formula.energy_pj.value, rel=0.5)


def test_operators_of_an_elaborated_design_know_what_drives_them() -> None:
    unit = find_unit("training/weight_update")
    census = elaborated_census(unit, configure(unit, ["lanes=1"]), PATH)
    operands = {driver for item in census.operators for driver in item.drivers}
    assert operands == {"code", "update"}
    still = sum(int(item.bits) for item in census.operators if not item.drivers)
    moving = sum(int(item.bits) for item in census.operators if item.drivers)
    assert 0 < still < moving  # the random numbers do not come from the operands
