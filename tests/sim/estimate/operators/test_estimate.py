"""Estimates of configurations and of Verilog, and the command."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilico.cli import main
from consilico.sim.base.errors import UserError
from consilico.sim.estimate.operators.calibrate import draw_configs
from consilico.sim.estimate.operators.estimate import (
    estimate,
    estimate_many,
    estimate_rtl,
    estimated_costs,
)
from consilico.sim.estimate.operators.tables import calibrated_kits, read_calibration
from consilico.sim.units.catalogue import catalogue, configure, find_unit, verilog
from consilico.sim.units.unit import Unit

DOT = find_unit("matmul/dot")
CALIBRATED = [
    unit for unit in catalogue().values() if unit.name in read_calibration("nangate45").largest_um2
]
MEASURES = ("area_um2", "path_ns", "energy_pj", "leakage_w")


@pytest.mark.parametrize("unit", [*CALIBRATED, find_unit("consmax/base2")], ids=lambda u: u.name)
def test_one_statistic_of_one_operand_may_be_given(unit: Unit) -> None:
    typical = estimate(unit, unit.config()).activity.operands
    name, rate = next(iter(typical)), 0.3
    assert main(["estimate", unit.name, "--operand", f"{name}={rate}"]) == 0
    found = estimate(unit, unit.config(), operands={name: {"toggle_rate": rate}})
    given = {**typical, name: {**typical[name], "toggle_rate": rate}}
    assert found.activity.operands == given


@pytest.mark.parametrize("rung", ["cells", None])
def test_costs_alone_are_those_of_the_estimate_and_need_no_verilog(
    rung: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = estimate(DOT, DOT.config(), rung=rung)

    def generated(*_: str) -> tuple[str, ...]:
        raise AssertionError("the Verilog of the tree was asked for")

    module = "consilico.sim.estimate.operators.estimate.units_measured_otherwise"
    monkeypatch.setattr(module, generated)
    costs = estimated_costs(DOT, DOT.config(), "nangate45", rung)
    assert {name: getattr(found, name) for name in costs} == costs


@pytest.mark.parametrize("pdk", calibrated_kits())
def test_a_unit_can_be_estimated_in_every_calibrated_kit(pdk: str) -> None:
    for unit in (*CALIBRATED, find_unit("consmax/base2")):  # and one without a calibration
        check_estimate(unit, pdk)


@pytest.mark.exhaustive
def test_every_unit_can_be_estimated() -> None:
    for unit in catalogue().values():
        check_estimate(unit, "nangate45")


def check_estimate(unit: Unit, pdk: str) -> None:
    found = estimate(unit, unit.config(), pdk)
    for measure in MEASURES:
        ends = getattr(found, measure)
        assert 0 < ends.low < ends.value < ends.high, (unit.name, measure)
    calibrated = unit.name in read_calibration(pdk).largest_um2
    assert found.basis == ("calibrated" if calibrated else "operators")


def test_many_at_once_are_what_each_is_alone() -> None:
    configs = [config for config, _ in draw_configs(DOT, 20, (1, 2))]
    together = estimate_many(DOT, configs, source="normal")
    for place, config in enumerate(configs):
        alone = estimate(DOT, config, source="normal")
        for measure in MEASURES:
            assert together[measure][0][place] == pytest.approx(getattr(alone, measure).value)


def test_more_lanes_cost_more() -> None:
    few, many = (estimate(DOT, configure(DOT, [f"lanes={lanes}"])) for lanes in (4, 16))
    for measure in ("area_um2", "path_ns", "leakage_w"):
        assert getattr(many, measure).value > getattr(few, measure).value
    # a MAC's share of the accumulator is smaller, and so are as many MACs as before
    assert many.energy_pj.value < few.energy_pj.value
    assert many.operations_per_result == few.operations_per_result


def test_quieter_operands_take_less_energy_and_the_same_area() -> None:
    quiet = {name: {"toggle_rate": 0.1, "sign_correlation": 0.9} for name in ("x", "w")}
    loud = {name: {"toggle_rate": 0.5, "sign_correlation": 0.0} for name in ("x", "w")}
    low, high = (estimate(DOT, DOT.config(), operands=operands) for operands in (quiet, loud))
    assert low.energy_pj.value < 0.7 * high.energy_pj.value
    assert low.area_um2 == high.area_um2
    assert low.activity.source == "given"


def test_what_is_larger_than_all_that_was_fitted_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    unit = find_unit("matmul/systolic")
    for size, beyond in (("4", False), ("32", True)):
        settings = [f"rows={size}", f"columns={size}"]
        assert estimate(unit, configure(unit, settings)).extrapolated == beyond
        main(["estimate", unit.name, *(f"--set={setting}" for setting in settings)])
        assert ("were not seen to hold" in capsys.readouterr().out) == beyond


def test_energy_of_a_result_is_that_of_its_operations() -> None:
    found = estimate(DOT, configure(DOT, ["lanes=8"]))
    each = found.energy_per_operation_pj.value
    assert found.energy_pj.value == pytest.approx(each * found.operations_per_result)


def test_verilog_of_a_unit_costs_about_what_the_unit_does() -> None:
    config = configure(DOT, ["lanes=2"])
    found = estimate_rtl(verilog(DOT, config), DOT.module_name)
    own = estimate(DOT, config)
    assert found.area_um2.low <= own.area_um2.value <= found.area_um2.high
    assert found.census_bits["flop"] > 2 * 16  # at least the operands
    assert found.path
    for measure in ("area_um2", "path_ns"):
        ordinary, calibrated = getattr(found, measure), getattr(own, measure)
        reach = ordinary.high / ordinary.value
        assert reach > calibrated.high / calibrated.value  # a stranger to the fit


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: estimate(DOT, DOT.config(), "sky1"), "'sky1' is not calibrated for estimates"),
        (
            lambda: estimate(DOT, DOT.config(), source="noise"),
            "has no traffic 'noise'; it has: model, ",
        ),
        (
            lambda: estimate(DOT, DOT.config(), operands={"v": {"toggle_rate": 0.5}}),
            "has no operand 'v'; it has: x, w, last",
        ),
        (lambda: estimate_rtl("module t(input a); endmodule", "t"), "has no operator"),
        (lambda: estimate_rtl("", "t", toggle_rate=1.5), r"toggle rate must be in \[0, 1\]"),
    ],
)
def test_what_cannot_be_estimated_is_named(call: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        call()


def test_the_command_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "matmul/dot", "--set", "lanes=4", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["config"]["lanes"] == 4
    assert set(found["area_um2"]) == {"value", "low", "high"}
    head = {"schema": found["schema"], "version": found["version"]}
    assert found == head | estimate(DOT, configure(DOT, ["lanes=4"])).to_json()


def test_the_command_reads_verilog(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "adder.v"
    path.write_text(
        "module adder(input clk, input [7:0] a, input [7:0] b, output reg [8:0] y);\n"
        "  always @(posedge clk) y <= a + b;\nendmodule\n"
    )
    assert main(["estimate", "--rtl", str(path), "--top", "adder", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["census_bits"] == {"add": 9, "flop": 9}
    assert main(["estimate", "--rtl", str(path), "--top", "adder"]) == 0
    shown = capsys.readouterr().out
    assert "module adder" in shown
    assert re.search(r"flop +9 *\n", shown)
    assert re.search(r"Longest path[\s\S]*add +9 +1 *\n", shown)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a unit, or Verilog with --rtl FILE --top MODULE"),
        (["matmul/dot", "--rtl", "x.v"], "name a unit, or Verilog"),
        (["--rtl", "x.v"], "needs --top MODULE"),
        (["--rtl", "nowhere.v", "--top", "t"], "nowhere.v: No such file"),
        (["--rtl", "x.v", "--top", "t", "--set", "lanes=2"], "are for units, not for --rtl"),
        (["matmul/dot", "--operand", "x"], "--operand takes NAME=RATE"),
        (["matmul/dot", "--operand", "x=2"], "toggle_rate in [0, 1]"),
        (["matmul/dot", "--pdk", "sky1"], "is not calibrated"),
        (["matmul/dott"], "unknown unit"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["estimate", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_arrays_have_a_place_for_every_configuration() -> None:
    unit = find_unit("matmul/requant")  # texts differ: several batches inside
    configs = [config for config, _ in draw_configs(unit, 30, (5, 5))]
    found = estimate_many(unit, configs)
    assert all(ends.shape == (30,) and np.all(ends > 0) for ends in found["area_um2"])
    assert read_calibration("nangate45").level == 0.9
