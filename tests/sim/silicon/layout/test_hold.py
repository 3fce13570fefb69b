"""Hold is checked with the clock's own delays, repaired where there is time, reported otherwise."""

from dataclasses import replace

import pytest

from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.layout.clock_network import clock_network
from consilico.sim.silicon.layout.clock_tree import ClockTree
from consilico.sim.silicon.layout.hold import HoldClosed, close_hold
from tests.sim.silicon.layout.clocked import placed

LATE, BITS = 8, 3  # buffers in front of the second clock; bits that it takes


@pytest.fixture(scope="module")
def kit() -> Kit:
    return find_kit("nangate45")


@pytest.fixture(scope="module")
def racing(kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> ClockTree:
    """A bit that is taken by others whose clock comes late: the tree is left as it is."""
    lines = ["module top(input clk, d, output [2:0] q);", "wire c0, s; assign c0 = clk;"]
    lines += [f"BUF_X1 late{n}(.A(c{n}), .Z(c{n + 1}));" for n in range(LATE)]
    lines += ["DFF_X1 first(.CK(clk), .D(d), .Q(s));"]
    lines += [f"DFF_X1 second{n}(.CK(c{LATE}), .D(s), .Q(q[{n}]));" for n in range(BITS)]
    path = tmp_path_factory.mktemp("racing") / "top.v"
    path.write_text("\n".join([*lines, "endmodule", ""]))
    placement = placed(path, kit)
    nets = clock_network(placement.design.netlist, placement.design.library, "clk").nets
    return ClockTree(
        placement=placement, nets=frozenset(nets), sinks=BITS + 1, buffers=0, levels=LATE
    )


@pytest.fixture(scope="module")
def closed(kit: Kit, racing: ClockTree) -> HoldClosed:
    return close_hold(racing, kit, "clk", 4.0)


def test_data_that_races_is_delayed_by_buffers_that_its_pins_share(closed: HoldClosed) -> None:
    assert closed.hold.violations == ()
    assert closed.hold.worst_slack_ns is not None
    assert 0 <= closed.hold.worst_slack_ns < 0.15
    assert 2 <= closed.buffers <= LATE
    assert closed.tree.placement.problems() == []


def test_the_data_is_still_the_same(closed: HoldClosed) -> None:
    netlist = closed.tree.placement.design.netlist
    source = {each.pins["Z"]: each.pins["A"] for each in netlist.instances if "Z" in each.pins}
    at = {each.name: each.pins for each in netlist.instances}
    for bit in range(BITS):
        net = at[f"second{bit}"]["D"]
        assert net in source
        while net in source:
            net = source[net]
        assert net == at["first"]["Q"]


def test_hold_is_checked_at_the_fast_corner_of_the_kit(
    kit: Kit, closed: HoldClosed, racing: ClockTree
) -> None:
    assert closed.hold.corner == kit.corner  # the only one on this machine
    fast = replace(kit, fast=replace(kit, corner="fast"))
    assert close_hold(racing, fast, "clk", 0.05).hold.corner == "fast"


def test_what_set_up_has_no_time_for_is_reported(kit: Kit, racing: ClockTree) -> None:
    """At such a period the data could not come any later."""
    found = close_hold(racing, kit, "clk", 0.05)
    assert found.buffers == 0
    assert len(found.hold.violations) == BITS
    assert {each.pin for each in found.hold.violations} == {f"second{n}/D" for n in range(BITS)}
    assert all(each.slack_ns < -0.05 for each in found.hold.violations)
