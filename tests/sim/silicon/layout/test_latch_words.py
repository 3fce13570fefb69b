"""Words of latches close before their data changes: that is what the checks of hold are for."""

from dataclasses import replace

import pytest

from consilico.hw.register_file import RegisterFile
from consilico.hw.verilog import convert
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.layout.clock_network import clock_network
from consilico.sim.silicon.layout.clock_tree import ClockTree, build_clock_tree
from consilico.sim.silicon.layout.hold import close_hold
from consilico.sim.silicon.layout.place import place_changes
from consilico.sim.silicon.netlist.edit import NetlistEdit
from consilico.sim.silicon.netlist.write import PlainNames
from consilico.sim.silicon.synthesis.synthesize import synthesize
from tests.sim.silicon.layout.clocked import placed

WORDS, BITS, CLOCK_NS = 4, 6, 2.0
LATER = 8  # buffers that make the latches close late


@pytest.fixture(scope="module")
def kit() -> Kit:
    return find_kit("nangate45")


@pytest.fixture(scope="module")
def tree(kit: Kit) -> ClockTree:
    """Words of latches with a clock tree."""
    assert kit.wires is not None
    text = convert(RegisterFile(WORDS, BITS, "latch"), name="top")
    mapped = synthesize(text, "top", kit, CLOCK_NS)
    return build_clock_tree(placed(mapped.netlist, kit), "clk", kit.wires.clock)


def latches(tree: ClockTree) -> set[str]:
    """Return the latches' names as OpenSTA sees them."""
    netlist = tree.placement.design.netlist
    names = PlainNames(netlist).instance
    cells = [each.cell for each in netlist.instances]
    return {name for name, cell in zip(names, cells, strict=True) if cell.startswith("DLH_")}


def late(tree: ClockTree) -> ClockTree:
    """Return the tree with buffers in front of all latches, as if nobody had balanced them."""
    placement = tree.placement
    netlist = placement.design.netlist
    edit, points = NetlistEdit(netlist, placement.design.library), {}
    moved: dict[int, int] = {}
    for index, instance in enumerate(netlist.instances):
        if not instance.cell.startswith("DLH_"):
            continue
        if (net := instance.pins["G"]) not in moved:
            behind = net
            for _ in range(LATER):
                before, behind = behind, edit.net("late")
                added = edit.add("BUF_X1", "late", {"A": before, "Z": behind})
                points[added] = placement.x_um[index], placement.y_um[index]
            moved[net] = behind
        edit.reconnect(index, "G", moved[net])
    changed = place_changes(placement, edit.done(), points)
    design = changed.design
    nets = clock_network(design.netlist, design.library, "clk").nets
    return replace(tree, placement=changed, nets=frozenset(nets))


def test_the_tree_closes_every_word_in_time(kit: Kit, tree: ClockTree) -> None:
    assert len(latches(tree)) == WORDS * BITS
    assert tree.sinks > WORDS * BITS + BITS
    found = close_hold(tree, kit, "clk", CLOCK_NS)
    assert found.hold.violations == ()
    assert found.buffers == 0


def test_words_that_close_late_are_found_and_their_data_is_delayed(
    kit: Kit, tree: ClockTree
) -> None:
    racing = late(tree)
    early = close_hold(racing, kit, "clk", 0.1).hold  # at a period that leaves no time to repair
    assert {each.pin.split("/")[0] for each in early.violations} >= latches(tree)
    repaired = close_hold(racing, kit, "clk", CLOCK_NS)
    assert repaired.hold.violations == ()
    assert repaired.buffers > 0
