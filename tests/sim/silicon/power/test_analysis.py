"""The power engine: by hand, against OpenSTA 3.1.0, on bad input."""

import json
from pathlib import Path
from typing import Any

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.power.analysis import analyze_power
from consilico.sim.silicon.power.report import PowerReport
from tests.sim.silicon.libraries import SHARED, liberty
from tests.sim.silicon.tiny import LIBRARY, Waves, write_vcd

REFERENCE = SHARED / "reference/power"

NETLIST = """
module top(input clk, a, b, output y, q);
  wire n;
  AND2 u1 (.A(a), .B(b), .Y(n));
  INV u2 (.A(n), .Y(y));
  DFF r (.CK(clk), .D(n), .R(1'b0), .Q(q));
endmodule
"""
# 100 ns: a toggles 4 times and is high for half of it, b 2 times and a quarter, n 2 and a tenth.
WAVES: Waves = {
    "clk": [(0, "0")],
    "a": [(0, "0"), (10, "1"), (30, "0"), (60, "1"), (90, "0")],
    "b": [(0, "0"), (60, "1"), (85, "0")],
    "n": [(0, "0"), (70, "1"), (80, "0")],
    "y": [(0, "1"), (70, "0"), (80, "1")],
    "q": [(0, "0"), (80, "1")],
}


def run(
    tmp_path: Path, netlist: str = NETLIST, waves: Waves = WAVES, **changes: Any
) -> PowerReport:
    path = tmp_path / "n.v"
    path.write_text(netlist)
    settings: dict[str, Any] = {
        "netlist": path,
        "top": "top",
        "liberty": [LIBRARY],
        "activity": write_vcd(tmp_path / "a.vcd", waves, 100),
        "scope": "tb/dut",
        "clock": "clk",
        "period_ns": 10.0,
    }
    return analyze_power(**settings | changes)


def test_a_flat_netlist_takes_what_was_recorded_in_its_hierarchy(tmp_path: Path) -> None:
    """``lane.n`` of the netlist is ``n`` in the instance or generate block ``lane``."""
    flat = NETLIST.replace("wire n;", "wire \\lane[0].n ;").replace("(n)", "(\\lane[0].n )")
    waves = WAVES | {"other": WAVES["n"]}
    path = write_vcd(tmp_path / "h.vcd", {k: v for k, v in waves.items() if k != "n"}, 100)
    text = path.read_text()
    declared = next(line for line in text.splitlines() if line.endswith(" other $end"))
    inside = f"$scope module lane[0] $end\n{declared.replace('other', 'n')}\n$upscope $end"
    path.write_text(text.replace(declared, inside))
    assert run(tmp_path, flat, activity=path).to_json() == run(tmp_path).to_json()


def test_energies_by_hand(tmp_path: Path) -> None:
    report = run(tmp_path)
    cells = {item.name: item.power for item in report.instances}
    # Densities in 1/s: clk 2e8 (twice a period, whatever was recorded), a 4e7, b, n, y 2e7, q 1e7.
    # u1, output: a and b cause it with 4e7 * P(b) = 2e7 * P(a) = 1e7: mean of 5 and 9 fJ.
    # u1, pin A: 1 fJ where the output follows A (its `when` names the output): P(b) = 1/4.
    assert cells["u1"].internal_w == pytest.approx(7e-15 * 2e7 + 1e-15 * 0.25 * 4e7)
    # The net n: 2 fF of the inverter and 1 fF of the register, at 2 V.
    assert cells["u1"].switching_w == pytest.approx(0.5 * 3e-15 * 4 * 2e7)
    assert cells["u1"].leakage_w == pytest.approx(7e-9)
    # u2, pin A: mean of 1 and 3 fJ. Output: a rise comes from a fall of n, whose slew is 1 ns: 6 fJ
    # without load; a fall: 2 fJ.
    assert cells["u2"].internal_w == pytest.approx((2e-15 + 4e-15) * 2e7)
    assert cells["u2"].switching_w == 0
    assert cells["u2"].leakage_w == pytest.approx(10e-9 * 0.1 + 30e-9 * 0.9)
    # r, clock pin: 2 fJ where D is high, P = 0.1. Output: 10 fJ.
    assert cells["r"].internal_w == pytest.approx(2e-15 * 0.1 * 2e8 + 10e-15 * 1e7)
    # Its one leakage state has probability P(CK) P(D) = 0.05; the cell's figure holds for the rest.
    assert cells["r"].leakage_w == pytest.approx(40e-9 * 0.05 + 20e-9 * 0.95)
    assert report.total.total_w == pytest.approx(sum(item.total_w for item in cells.values()))


def test_report_sums_by_class_and_counts_pins(tmp_path: Path) -> None:
    report = run(tmp_path)
    found = report.to_json()
    assert json.loads(json.dumps(found)) == found
    assert found["annotated_pins"] == 5 + 9
    assert found["unannotated_pins"] == 0
    assert found["by_class"]["sequential"]["internal_w"] == pytest.approx(1.4e-7)
    assert found["by_class"]["clock"]["total_w"] == 0
    assert found["by_class"]["combinational"]["total_w"] == pytest.approx(
        found["total_w"] - found["by_class"]["sequential"]["total_w"]
    )
    assert found["activity"]["cycles"] == pytest.approx(10)
    assert found["activity"]["source"] == "vcd"
    assert found["activity"]["toggles"] == pytest.approx(20 + 4 + 2 + 2 + 2 + 1)


def test_what_was_not_measured_is_counted_and_adds_no_dynamic_power(tmp_path: Path) -> None:
    waves = {name: changes for name, changes in WAVES.items() if name not in ("n", "q")}
    report = run(tmp_path, waves=waves)
    cells = {item.name: item.power for item in report.instances}
    assert report.unannotated_pins == 5  # u1/Y, u2/A, r/D, r/Q and port q
    assert report.annotated_pins == 9
    assert cells["u1"].switching_w == 0
    assert cells["r"].internal_w == pytest.approx(2e-15 * 0.5 * 2e8)
    assert cells["u2"].leakage_w == pytest.approx(20e-9)  # the mean of its states


def test_pins_and_open_outputs_are_found_by_instance(tmp_path: Path) -> None:
    netlist = NETLIST.replace(".Y(y)", ".Y()")
    waves = {name: changes for name, changes in WAVES.items() if name != "n"}
    path = write_vcd(tmp_path / "b.vcd", waves | {"u1.Y": WAVES["n"], "u2.Y": WAVES["y"]}, 100)
    scoped = path.read_text()
    for cell, pin in (("u1", "Y"), ("u2", "Y")):
        line = next(row for row in scoped.splitlines() if row.endswith(f"{cell}.{pin} $end"))
        inner = f"$scope module {cell} $end {line.replace(cell + '.', '')} $upscope $end"
        scoped = scoped.replace(line, inner)
    path.write_text(scoped)
    whole = run(tmp_path)
    found = run(tmp_path, netlist, activity=path)
    assert found.unannotated_pins == 0
    assert found.total.total_w == pytest.approx(whole.total.total_w)


def test_gated_clock_toggles_as_simulated(tmp_path: Path) -> None:
    netlist = """
    module top(input clk, e, output q);
      CG g (.CK(clk), .E(e), .GCK(c));
      block b (.c(c), .q(q));
    endmodule
    module block(input c, output q);
      DFF r (.CK(c), .D(1'b1), .Q(q));
    endmodule
    """
    waves: Waves = {
        "e": [(0, "0"), (20, "1"), (40, "0")],
        "c": [(0, "0"), (25, "1"), (30, "0"), (35, "1"), (40, "0")],
        "q": [(0, "0"), (25, "1")],
    }
    report = run(tmp_path, netlist, waves)
    gate, register = report.instances
    assert (gate.kind, register.kind, register.module) == ("clock", "sequential", "b")
    # 4 toggles in 100 ns. Energies by enable: 6 fJ for a fifth of the time, 2 fJ for the rest.
    assert gate.power.internal_w == pytest.approx((6e-15 * 0.2 + 2e-15 * 0.8) * 4e7)
    assert gate.power.switching_w == pytest.approx(0.5 * 1e-15 * 4 * 4e7)
    assert register.power.internal_w == pytest.approx(2e-15 * 4e7 + 10e-15 * 1e7)
    assert report.by_module["b"] == register.power
    assert report.by_module["top"].total_w == pytest.approx(report.total.total_w)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top": "cpu"}, "has no module 'cpu'; there are: top"),
        ({"clock": "ck"}, "has no clock port 'ck'; its inputs are: clk, a, b"),
        ({"clock": "y"}, "has no clock port 'y'"),
        ({"scope": "tb/top"}, "no scope 'tb/top'; there are: tb, tb/dut"),
        ({"scope": "tb"}, "no net in common"),
        ({"period_ns": 0.0}, "period_ns must be 0.001 to 1,000,000,000 ns, not 0"),
        ({"period_ns": 1e-300}, "period_ns must be 0.001 to"),
        ({"liberty": []}, "no Liberty file was given"),
        ({"liberty": [Path("/none.lib")]}, r"cannot read the Liberty file /none\.lib"),
        ({"activity": Path("/none.vcd")}, r"cannot read the activity file /none\.vcd"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(tmp_path, **changes)


LIMITS = {"internal": 0.03, "switching": 0.03, "leakage": 0.03, "total": 0.02}
"""What is asked of the engine: largest relative difference from OpenSTA 3.1."""


def beyond_limits(found: dict[str, Any], reference: dict[str, Any]) -> list[str]:
    """Parts of the power that differ by more than the limits."""
    return [
        name
        for name, limit in LIMITS.items()
        if abs(float(found[f"{name}_w"]) / float(reference[name]) - 1) > limit
    ]


def worst_difference(found: dict[str, Any], reference: dict[str, Any]) -> float:
    """Largest relative difference of internal, switching, leakage and total power."""
    names = ("internal", "switching", "leakage", "total")
    return max(abs(float(found[f"{name}_w"]) / float(reference[name]) - 1) for name in names)


@pytest.mark.parametrize("design", ["dot8", "e2"])
@pytest.mark.parametrize("kit", ["nangate45", "sky130", "asap7"])
def test_agrees_with_opensta(design: str, kit: str) -> None:
    folder = REFERENCE / f"{design}_{kit}"
    if not folder.is_dir():
        pytest.skip("no reference figures beside the repository (../shared/reference/power)")
    case = json.loads((folder / "case.json").read_text())
    reference = json.loads((folder / "power.json").read_text())
    report = analyze_power(
        netlist=folder / "netlist.v",
        top=case["design"],
        liberty=liberty(kit),
        activity=folder / "activity.vcd.gz",
        scope=case["vcd_scope"],
        clock=case["clock"],
        period_ns=case["clock_period"] * {"ns": 1, "ps": 1e-3}[case["time_unit"]],
    )
    found = report.to_json()
    assert beyond_limits(found, reference["Total"]) == []
    # The reference has three digits: half of the last is up to 0.5 %.
    assert worst_difference(found, reference["Total"]) < 0.006
    for name in ("Sequential", "Combinational"):
        assert worst_difference(found["by_class"][name.lower()], reference[name]) < 0.006
    assert found["unannotated_pins"] == 0


def test_a_difference_is_seen() -> None:
    reference = {"internal": 1.0, "switching": 2.0, "leakage": 3.0, "total": 6.0}
    found = {"internal_w": 1.0, "switching_w": 2.0, "leakage_w": 3.1, "total_w": 6.1}
    assert beyond_limits(found, reference) == ["leakage"]
    assert beyond_limits(found | {"total_w": 6.13}, reference) == ["leakage", "total"]
    assert worst_difference(found, reference) == pytest.approx(0.1 / 3)
