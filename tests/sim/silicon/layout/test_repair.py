"""Limits of a library on a layout: what exceeds them is found, repaired, or named."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.kits.kitfile import WireLayer
from consilico.sim.silicon.layout.limits import elmore_s, find_loads, over_limits
from consilico.sim.silicon.layout.repair import repair
from consilico.sim.silicon.layout.spef import write_spef
from consilico.sim.silicon.layout.steiner import SteinerTree
from consilico.sim.silicon.layout.wires import route
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import Netlist
from consilico.sim.silicon.netlist.write import PlainNames, write_netlist
from consilico.sim.silicon.timing.opensta import constraints
from consilico.sim.silicon.timing.sta import run_sta
from tests.sim.silicon.layout.graded import WIRES, fan_out, library, scattered


def inverted(netlist: Netlist) -> dict[str, bool]:
    """Return for each output port whether it is the complement of the one input."""
    driver = {instance.pins["Y"]: instance for instance in netlist.instances}
    (start,) = netlist.ports["a"][1]
    found = {}
    for place, net in enumerate(reversed(netlist.ports["y"][1])):
        odd = False
        while net != start:
            instance = driver[net]
            odd ^= instance.cell.startswith("INV")
            net = instance.pins["A"]
        found[f"y[{place}]"] = odd
    return found


def test_a_driver_that_is_too_weak_becomes_a_stronger_one(tmp_path: Path) -> None:
    cells = library(tmp_path)
    before = scattered(tmp_path, fan_out(30), cells)
    found = over_limits(find_loads(before.design, route(before, WIRES), cells))
    assert [(each.pin, each.kind) for each in found] == [("driver/Y", "capacitance_ff")]
    assert found[0].value > 30
    assert found[0].limit == pytest.approx(20)
    after = repair(before, cells, WIRES)
    assert (after.over_limit, after.buffers, after.resized) == ((), 0, 1)
    assert after.placement.design.netlist.instances[1].cell == "INV_4"
    assert after.placement.problems() == []


def test_a_driver_that_no_strength_helps_gets_buffers_by_place(tmp_path: Path) -> None:
    cells = library(tmp_path)
    before = scattered(tmp_path, fan_out(150), cells)
    after = repair(before, cells, WIRES)
    assert after.over_limit == ()
    assert 2 <= after.buffers <= 12
    assert after.placement.problems() == []
    assert inverted(after.placement.design.netlist) == inverted(before.design.netlist)
    again = find_loads(after.placement.design, after.wires, cells)
    assert over_limits(again) == ()


def test_a_slew_that_is_too_slow_is_repaired(tmp_path: Path) -> None:
    cells = library(tmp_path, "max_transition : 0.12;")  # 11 fF of the weak, 44 of the strong
    before = scattered(tmp_path, fan_out(60), cells)
    found = over_limits(find_loads(before.design, route(before, WIRES), cells))
    assert [(each.pin, each.kind) for each in found] == [("driver/Y", "transition_ns")]
    assert found[0].value > 0.6
    after = repair(before, cells, WIRES)
    assert after.over_limit == ()
    assert after.buffers > 0
    assert inverted(after.placement.design.netlist) == inverted(before.design.netlist)


def test_a_fan_out_that_is_too_large_is_divided(tmp_path: Path) -> None:
    cells = library(tmp_path, "max_fanout : 8;")
    before = scattered(tmp_path, fan_out(70), cells)
    found = over_limits(find_loads(before.design, route(before, WIRES), cells))
    assert [(each.kind, each.value, each.limit) for each in found] == [("fanout", 70.0, 8.0)]
    after = repair(before, cells, WIRES)
    assert after.over_limit == ()
    assert after.buffers >= 9  # in two levels: no net has more than 8 sinks
    assert inverted(after.placement.design.netlist) == inverted(before.design.netlist)


def test_what_cannot_be_repaired_is_named(tmp_path: Path) -> None:
    cells = library(tmp_path, "max_capacitance : 0.9;")  # less than one input has
    before = scattered(tmp_path, fan_out(3), cells)
    after = repair(before, cells, WIRES)
    assert {each.pin for each in after.over_limit} >= {"first/Y", "driver/Y"}
    assert all(each.value > each.limit == pytest.approx(0.9) for each in after.over_limit)


def test_a_layout_within_its_limits_stays_as_it_is(tmp_path: Path) -> None:
    cells = library(tmp_path)
    before = scattered(tmp_path, fan_out(5), cells)
    after = repair(before, cells, WIRES)
    assert after.placement is before


def test_the_nets_of_an_ideal_clock_are_left_to_the_clock_tree(tmp_path: Path) -> None:
    cells = library(tmp_path)
    flops = " ".join(f"DFF r{each} (.CK(c), .D(a), .Q(y[{each}]));" for each in range(30))
    text = f"module top(input clk, a, output [29:0] y); BUF_1 u (.A(clk), .Y(c)); {flops} endmodule"
    before = scattered(tmp_path, text, cells)
    assert over_limits(find_loads(before.design, route(before, WIRES), cells)) == ()
    real = before.design.changed(before.design.netlist, left_out=())
    found = over_limits(find_loads(real, (), cells))
    assert [each.pin for each in found] == ["u/Y"]
    assert found[0].value == pytest.approx(60)


def test_the_far_end_of_a_wire_is_slower_than_its_driver(tmp_path: Path) -> None:
    """An exponential of 20 to 80 %: ln 4 of its time constant, the Elmore delay."""
    cells = library(tmp_path)
    before = scattered(tmp_path, fan_out(5), cells)
    loads = find_loads(before.design, route(before, WIRES), cells)
    many = before.design.netlist.names["many"]
    assert loads.end_slew_s(many) > max(loads.slews.rise_s[many], loads.slews.fall_s[many])
    assert cells.slew_per_tau == pytest.approx(np.log(4))


def test_slews_on_wires_are_those_of_opensta(tmp_path: Path) -> None:
    """OpenSTA drives an effective capacitance, which a wire's resistance makes less than all."""
    if shutil.which("sta") is None:
        pytest.skip("OpenSTA (sta) is not installed")
    kit = find_kit("nangate45")
    assert kit.wires is not None
    cells = read_liberty((kit.mapping_liberty,))
    text = fan_out(40, "INV_X4").replace("INV_4", "INV_X1").replace("INV_1", "INV_X1")
    before = scattered(tmp_path, text.replace(".Y(", ".ZN("), cells)
    wires = route(before, kit.wires)
    loads = find_loads(before.design, wires, cells)
    names = PlainNames(before.design.netlist)
    netlist, spef = tmp_path / "netlist.v", tmp_path / "wires.spef"
    netlist.write_text(write_netlist(before.design.netlist, names))
    spef.write_text(write_spef(before.design, wires, names))
    script = constraints(cells.paths, netlist, "top", "clk", spef)
    script += "constrain 10\nputs [worst_slack]\nreport_slews driver/ZN\n"
    script += "".join(f"report_slews sink{index}/A\n" for index in range(40))
    printed = run_sta(script, tmp_path)
    many = before.design.netlist.names["many"]
    driver, *sinks = [float(each) for each in re.findall(r"\^ [\d.]+:([\d.]+)", printed)]
    assert len(sinks) == 40
    assert loads.slews.rise_s[many] * 1e9 == pytest.approx(driver, abs=0.006)  # printed to 0.01
    assert loads.end_slew_s(many) * 1e9 == pytest.approx(max(sinks), abs=0.006)


def test_elmore_delays_of_a_tree() -> None:
    """A driver, 10 um to a branch, from there 5 and 20 um to two pins of 2 and 3 fF."""
    tree = SteinerTree(
        np.array([[0.0, 0.0], [10.0, 5.0], [30.0, 0.0], [10.0, 0.0]]),
        np.array([[0, 3], [3, 1], [3, 2]]),
    )
    layer = WireLayer(layer="m", ff_per_um=0.1, ohm_per_um=2.0)
    near, far = 10 * (0.25 + 2), 40 * (1.0 + 3)  # ohm times fF, from the branch on
    trunk = 20 * (0.5 + 0.5 + 2 + 2 + 3)
    found = elmore_s(tree, layer, np.array([0.0, 2e-15, 3e-15]), root=0)
    assert found * 1e15 == pytest.approx([0.0, trunk + near, trunk + far])
