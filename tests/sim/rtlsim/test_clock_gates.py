"""Clock gates are counted, and what they do in vain is found."""

import re
from pathlib import Path

import pytest

from consilico.sim.rtlsim.clock_gates import Ticks, clock_problems, counting, gate_of, read_ticks
from consilico.sim.rtlsim.verify import check
from consilico.sim.units.catalogue import configure, find_unit, own_units, verilog
from consilico.sim.units.contract import PerBeat
from consilico.sim.units.unit import Unit
from tests.sim.rtlsim import toy


def test_the_counting_gate_replaces_the_one_of_generated_verilog() -> None:
    assert counting(toy.CLOCK_GATE) != toy.CLOCK_GATE
    assert "ticks" in counting(toy.CLOCK_GATE)
    assert counting(toy.VERILOG) == toy.VERILOG


def test_ticks_are_read_from_what_the_simulation_prints() -> None:
    printed = "VCD info\nticks=12 3 consilico_bench.dut.lane0.gate_taken\nticks=4 0 elsewhere.gate"
    assert read_ticks(printed) == (Ticks(gate="lane0.gate_taken", ticks=12, resting=3),)


def test_latches_are_told_from_clock_gates() -> None:
    (latch,) = read_ticks("opens=5 2 1 consilico_bench.dut.latch_word0")
    assert latch == Ticks(gate="latch_word0", ticks=5, resting=2, high=1)
    assert clock_problems([latch], {}) == [
        "latch latch_word0 opens 2 times while the unit has nothing to do",
        "latch latch_word0 is open 1 times while the clock is high",
    ]


def test_a_gate_is_named_after_its_clock() -> None:
    assert gate_of("lane0.taken_clk") == "lane0.gate_taken"
    assert gate_of("stage1_clk") == "gate_stage1"


def test_ticks_at_rest_and_ticks_for_masked_beats_are_problems() -> None:
    ticks = [
        Ticks(gate="a", ticks=9, resting=2),
        Ticks(gate="b", ticks=9, resting=1),
        Ticks(gate="c", ticks=9, resting=0),
    ]
    assert clock_problems(ticks, {"c": 8}) == [
        "clock gate a ticks 2 times while the unit has nothing to do (and 1 more)",
        "clock gate c ticks 9 times, but 8 are the most for what was taken",
    ]
    assert clock_problems(ticks[2:], {"c": 9}) == []


def test_ticks_are_counted_for_groups_that_have_begun_and_for_resets() -> None:
    assert PerBeat(beats=4, ticks=3).most(beats=9, resets=2) == 3 * (3 + 2)


def test_a_masked_lane_that_costs_clock_energy_spoils_the_verdict(tmp_path: Path) -> None:
    """A lane whose clock ignores the mask gives the same results."""
    unit = find_unit("consmax/log2")
    config = configure(unit, ["lanes=2"])
    text = verilog(unit, config)
    gate = r"(consilico_clock_gate gate_taken \(\s*\.clk\(clk\),\s*\.enable\()[^\n]*(\),\n)"
    broken, count = re.subn(gate, r"\1advance & valid\2", text)
    assert count == 1
    assert check(unit, config, text, ["icarus"], 1).problems == ()
    verdict = check(unit, config, broken, ["icarus"], 1, failures=tmp_path)
    assert verdict.failures == ()
    assert any("lane0.gate_taken ticks" in problem for problem in verdict.problems)
    assert all("the most for what was taken" in problem for problem in verdict.problems)


@pytest.mark.exhaustive
def test_a_product_of_zero_that_costs_clock_energy_spoils_the_verdict(tmp_path: Path) -> None:
    """A cell whose upper part gets a clock although nothing is carried to it is right, too."""
    unit = find_unit("training/project")
    config = configure(unit, ["rows=2", "columns=1", "group=16"])
    text = verilog(unit, config)
    gate = r"(consilico_clock_gate gate_carry \(\s*\.clk\(compute_clk\),\s*\.enable\()[^\n]*(\),\n)"
    broken, count = re.subn(gate, r"\g<1>1'h1\2", text)
    assert count == 1
    assert check(unit, config, text, ["icarus"], 1).problems == ()
    verdict = check(unit, config, broken, ["icarus"], 1, failures=tmp_path)
    assert verdict.failures == ()
    assert any("gate_carry ticks" in problem for problem in verdict.problems)
    assert all("the most for what was taken" in problem for problem in verdict.problems)


@pytest.mark.parametrize(
    "unit",
    [unit for unit in own_units().values() if unit.contract is not None],
    ids=lambda unit: unit.name,
)
def test_every_clock_that_a_contract_names_has_a_gate(unit: Unit) -> None:
    config, contract = unit.config(), unit.contract
    assert contract is not None
    promised = contract(config)
    named = [*promised.beat_clocks, *promised.masked_clocks.values()]
    if not named:
        pytest.skip("no clock is named")
    gates = set(re.findall(r"consilico_clock_gate (gate_\w+) ", verilog(unit, config)))
    assert {gate_of(clock).rpartition(".")[2] for clock in named} <= gates
