"""Strengths of cells after placement: paths are closed on wires, slack is given back."""

import shutil
from pathlib import Path

import pytest

from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.kits.kitfile import WireLayer, Wires
from consilico.sim.silicon.layout.closure import close
from consilico.sim.silicon.layout.placement import Placement
from consilico.sim.silicon.layout.repair import repair
from consilico.sim.silicon.layout.sizing import size
from consilico.sim.silicon.layout.spef import write_spef
from consilico.sim.silicon.layout.wires import route
from consilico.sim.silicon.liberty.library import Library
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.write import PlainNames, write_netlist
from consilico.sim.silicon.synthesis.equivalence import prove_netlist
from consilico.sim.silicon.synthesis.synthesize import synthesize
from consilico.sim.silicon.timing.opensta import constraints
from consilico.sim.silicon.timing.sta import run_sta
from tests.sim.silicon.layout.graded import WIRES, fan_out, library, scattered

pytestmark = pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA is not installed")

HEAVY = Wires(
    signal=WireLayer(layer="m2", ff_per_um=2.0, ohm_per_um=5.0), clock=WIRES.clock, source="made up"
)


def delay_ns(placement: Placement, wires: Wires, cells: Library, at: Path) -> float:
    """Delay of the worst path, by OpenSTA on the netlist and its wires as files."""
    names = PlainNames(placement.design.netlist)
    netlist, spef = at / "netlist.v", at / "wires.spef"
    netlist.write_text(write_netlist(placement.design.netlist, names))
    spef.write_text(write_spef(placement.design, route(placement, wires), names))
    script = constraints(cells.paths, netlist, "top", "clk", spef)
    return 1.0 - float(run_sta(script + "constrain 1.0\nputs [worst_slack]\n", at))


def strengths(placement: Placement) -> dict[str, str]:
    return {each.name: each.cell for each in placement.design.netlist.instances}


def test_a_path_that_fails_on_wires_gets_stronger_cells(tmp_path: Path) -> None:
    cells = library(tmp_path)
    before = scattered(tmp_path, fan_out(8), cells)
    clock_ns = delay_ns(before, WIRES, cells, tmp_path) - 0.03
    after = size(before, cells, WIRES, "clk", clock_ns)
    assert after.slack_before_ns == pytest.approx(-0.03, abs=1e-4)
    assert after.slack_ns is not None
    assert after.slack_ns >= 0
    achieved_ns = delay_ns(after.placement, WIRES, cells, tmp_path)
    assert after.slack_ns == pytest.approx(clock_ns - achieved_ns, abs=1e-4)
    assert strengths(after.placement)["driver"] == "INV_4"
    assert after.stronger >= 1
    assert after.placement.problems() == []


def test_wires_alone_make_the_difference(tmp_path: Path) -> None:
    """What meets the clock on light wires needs stronger cells on heavy ones."""
    cells = library(tmp_path, "max_capacitance : 900;")
    before = scattered(tmp_path, fan_out(8), cells)
    light_ns, heavy_ns = (delay_ns(before, wires, cells, tmp_path) for wires in (WIRES, HEAVY))
    clock_ns = (light_ns + heavy_ns) / 2
    assert size(before, cells, WIRES, "clk", clock_ns).stronger == 0
    after = size(before, cells, HEAVY, "clk", clock_ns)
    assert after.stronger > 0
    assert delay_ns(after.placement, HEAVY, cells, tmp_path) < heavy_ns - 0.01


def test_slack_is_given_back_for_smaller_cells(tmp_path: Path) -> None:
    cells = library(tmp_path)
    before = scattered(tmp_path, fan_out(5, driver="INV_4"), cells)
    after = size(before, cells, WIRES, "clk", 20.0)
    assert strengths(after.placement)["driver"] == "INV_1"
    assert after.weaker >= 1
    assert after.placement.design.area_um2 < before.design.area_um2
    assert delay_ns(after.placement, WIRES, cells, tmp_path) < 20


def test_a_cell_that_its_load_needs_stays(tmp_path: Path) -> None:
    """A weaker driver of 30 inputs would exceed its limit of 20 fF."""
    cells = library(tmp_path)
    before = scattered(tmp_path, fan_out(30, driver="INV_4"), cells)
    after = size(before, cells, WIRES, "clk", 20.0)
    assert strengths(after.placement)["driver"] == "INV_4"
    assert repair(after.placement, cells, WIRES).over_limit == ()


def test_no_weaker_cell_makes_a_path_fail(tmp_path: Path) -> None:
    cells = library(tmp_path, "max_capacitance : 900;")
    before = scattered(tmp_path, fan_out(8, driver="INV_4"), cells)
    clock_ns = delay_ns(before, WIRES, cells, tmp_path) + 0.01
    after = size(before, cells, WIRES, "clk", clock_ns)
    assert strengths(after.placement)["driver"] == "INV_4"
    assert delay_ns(after.placement, WIRES, cells, tmp_path) <= clock_ns


def test_the_cells_of_an_ideal_clock_stay_as_they_are(tmp_path: Path) -> None:
    cells = library(tmp_path)
    text = """module top(input clk, a, output y); BUF_4 u (.A(clk), .Y(c)); BUF_4 v (.A(a), .Y(d));
        DFF r (.CK(c), .D(d), .Q(y)); endmodule"""
    before = scattered(tmp_path, text, cells)
    after = strengths(size(before, cells, WIRES, "clk", 20.0).placement)
    assert (after["u"], after["v"]) == ("BUF_4", "BUF_1")


def test_sizing_is_the_same_every_time(tmp_path: Path) -> None:
    cells = library(tmp_path)
    before = scattered(tmp_path, fan_out(8), cells)
    one, other = (size(before, cells, WIRES, "clk", 0.1) for _ in range(2))
    assert one.placement.design.netlist == other.placement.design.netlist
    assert one.placement.x_um.tolist() == other.placement.x_um.tolist()


def test_closure_keeps_limits_and_clock(tmp_path: Path) -> None:
    cells = library(tmp_path)
    before = scattered(tmp_path, fan_out(100), cells)
    repaired = repair(before, cells, WIRES)
    clock_ns = delay_ns(repaired.placement, WIRES, cells, tmp_path) - 0.05
    after = close(before, cells, WIRES, "clk", clock_ns)
    assert after.over_limit == ()
    assert after.closure.buffers > 0
    assert after.closure.slack_before_ns == pytest.approx(-0.05, abs=0.02)
    assert after.closure.slack_ns is not None
    assert after.closure.slack_ns >= 0
    assert after.placement.problems() == []


def test_a_clock_that_cannot_be_met_is_said(tmp_path: Path) -> None:
    cells = library(tmp_path)
    before = scattered(tmp_path, fan_out(8), cells)
    after = close(before, cells, WIRES, "clk", 0.01)
    assert after.closure.slack_ns is not None
    assert after.closure.slack_ns < 0


RTL = """
module top(input clk, input s, input [95:0] a, output reg [95:0] y);
  reg t;
  always @(posedge clk) begin t <= s; y <= a ^ {96{t}}; end
endmodule
"""


def test_a_closed_netlist_is_proved_equal_to_its_rtl(tmp_path: Path) -> None:
    """One net drives a hundred gates: it gets buffers, and some cells other strengths."""
    kit = find_kit("nangate45")
    assert kit.wires is not None
    cells = read_liberty((kit.mapping_liberty,))
    mapped = synthesize(RTL, "top", kit, 1.0)
    before = scattered(tmp_path, mapped.netlist.read_text(), cells, utilization=0.6)
    after = close(before, cells, kit.wires, "clk", 0.3)
    assert after.over_limit == ()
    assert after.closure.buffers + after.closure.repaired > 0
    assert after.closure.stronger > 0
    netlist = after.placement.design.netlist
    text = write_netlist(netlist, PlainNames(netlist))
    types = {each.cell for each in netlist.instances}
    assert prove_netlist(RTL, text, "top", cells, types, 60).verdict == "equivalent"
    inverted = RTL.replace("y <= a ^", "y <= ~a ^")
    assert prove_netlist(inverted, text, "top", cells, types, 60).verdict == "different"
