"""The estimated clock tree: counted by hand, kept out of the total, bad input."""

import math
from pathlib import Path
from typing import Any

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.power.analysis import analyze_power
from consilico.sim.silicon.power.clock_tree import ClockTreeOptions
from consilico.sim.silicon.power.report import PowerReport
from tests.sim.silicon.tiny import LIBRARY, Waves, write_vcd

BUFFER = """library (b) {
  time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1nW";
  capacitive_load_unit (1, ff); nom_voltage : 2.0;
  cell (BUF) {
    area : 3; cell_leakage_power : 6;
    pin (A) { direction : input; capacitance : 2;
      internal_power () {
        rise_power (scalar) { values ("1"); } fall_power (scalar) { values ("2"); } } }
    pin (Y) { direction : output; function : "A";
      timing () { related_pin : "A"; rise_transition (scalar) { values ("0.1"); } }
      internal_power () { related_pin : "A"; power (scalar) { values ("4"); } } }
  }
}"""
SINKS = 9
NETLIST = (
    "module top(input clk, d, output [8:0] q);\n"
    + "\n".join(f"  DFF r{n} (.CK(clk), .D(d), .R(1'b0), .Q(q[{n}]));" for n in range(SINKS))
    + "\nendmodule\n"
)
WAVES: Waves = {"d": [(0, "0"), (50, "1")], "q [8:0]": [(0, "000000000"), (60, "111111111")]}


def run(tmp_path: Path, options: ClockTreeOptions | None, **changes: Any) -> PowerReport:
    netlist, buffer = tmp_path / "n.v", tmp_path / "b.lib"
    netlist.write_text(NETLIST)
    buffer.write_text(BUFFER)
    settings: dict[str, Any] = {
        "netlist": netlist,
        "top": "top",
        "liberty": [LIBRARY, buffer],
        "activity": write_vcd(tmp_path / "a.vcd", WAVES, 100),
        "scope": "tb/dut",
        "clock": "clk",
        "period_ns": 10.0,
    }
    return analyze_power(**settings | changes, clock_tree=options)


def test_counted_by_hand(tmp_path: Path) -> None:
    report = run(tmp_path, ClockTreeOptions(wire_ff_per_um=0.5, fanout=4))
    tree = report.clock_tree
    assert tree is not None
    assert (tree.sinks, tree.buffer, tree.buffers, tree.levels) == (9, "BUF", 3 + 1, 2)
    side_um = math.sqrt((9 * 4 + 4 * 3) / 0.7)
    assert tree.wire_um == pytest.approx(1.5 * side_um * 2)
    load_f = (tree.wire_um * 0.5 + 9 * 1 + 4 * 2) * 1e-15
    assert tree.switching_w == pytest.approx(0.5 * load_f * 4 * 2e8)
    assert tree.internal_w == pytest.approx(4 * (1.5 + 4) * 1e-15 * 2e8)
    assert tree.leakage_w == pytest.approx(24e-9)
    assert tree.total_w == pytest.approx(tree.switching_w + tree.internal_w + 24e-9)


def test_it_is_labelled_and_in_no_total(tmp_path: Path) -> None:
    plain = run(tmp_path, None).to_json()
    found = run(tmp_path, ClockTreeOptions(wire_ff_per_um=0.2)).to_json()
    tree = found.pop("clock_tree")
    assert found == plain
    assert tree["basis"] == "estimated"
    assert tree["assumptions"] == {"wire_ff_per_um": 0.2, "fanout": 20, "utilization": 0.7}


def test_a_named_buffer_is_taken(tmp_path: Path) -> None:
    found = run(tmp_path, ClockTreeOptions(wire_ff_per_um=0.2, buffer="BUF")).clock_tree
    assert found is not None
    assert found.buffer == "BUF"
    with pytest.raises(UserError, match="'INV' is no buffer cell"):
        run(tmp_path, ClockTreeOptions(wire_ff_per_um=0.2, buffer="INV"))
    with pytest.raises(UserError, match="the library has no buffer cell"):
        run(tmp_path, ClockTreeOptions(wire_ff_per_um=0.2), liberty=[LIBRARY])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wire_ff_per_um": 0.0}, "must be above 0 and at most 1000 fF/um, not 0"),
        ({"wire_ff_per_um": 1e300}, "must be above 0 and at most"),
        ({"wire_ff_per_um": float("nan")}, "must be above 0 and at most 1000 fF/um, not nan"),
        ({"wire_ff_per_um": 0.2, "fanout": 1}, "fan-out must be at least 2, not 1"),
    ],
)
def test_assumptions_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ClockTreeOptions(**options)
