"""Clock trees reach every clock pin, at about the same time, and change nothing else."""

from collections import Counter
from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.layout.clock_network import clock_network
from consilico.sim.silicon.layout.clock_tree import MODULE, ClockTree, build_clock_tree
from consilico.sim.silicon.layout.layout import PhysicalLayout
from consilico.sim.silicon.layout.placement import Placement
from consilico.sim.silicon.layout.wires import route
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import Netlist, read_netlist
from consilico.sim.silicon.timing.clock_arrival import ClockArrival, clock_arrival
from tests.sim.silicon.layout.clocked import FLOPS, LATCHES, placed, shift_register


@pytest.fixture(scope="module")
def kit() -> Kit:
    return find_kit("nangate45")


@pytest.fixture(scope="module")
def before(kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Placement:
    return placed(shift_register(tmp_path_factory.mktemp("clocked")), kit)


@pytest.fixture(scope="module")
def tree(kit: Kit, before: Placement) -> ClockTree:
    assert kit.wires is not None
    return build_clock_tree(before, "clk", kit.wires.clock)


def arrival(kit: Kit, placement: Placement, nets: frozenset[int], folder: Path) -> ClockArrival:
    assert kit.wires is not None
    wires = route(placement, kit.wires, nets)
    netlist, spef = PhysicalLayout(placement=placement, wires=wires).write(folder)
    return clock_arrival(netlist, "top", kit, "clk", 2.0, spef)


def without_buffers(netlist: Netlist) -> dict[str, dict[str, int]]:
    """Pins of each instance, on the nets that the buffers of the tree come from."""
    source = {
        each.pins["Z"]: each.pins["A"] for each in netlist.instances if each.name.startswith(MODULE)
    }
    found = {}
    for each in netlist.instances:
        if not each.name.startswith(MODULE):
            pins = dict(each.pins)
            for pin, net in each.pins.items():
                while net in source:
                    net = source[net]
                pins[pin] = net
            found[each.name] = pins
    return found


def test_without_its_buffers_the_netlist_is_the_one_before(
    before: Placement, tree: ClockTree
) -> None:
    old = {each.name: each.pins for each in before.design.netlist.instances}
    assert without_buffers(tree.placement.design.netlist) == old
    assert tree.buffers == len(tree.placement.design.netlist.instances) - len(old) > 4


def test_every_sink_is_counted_and_no_driver_has_many(tree: ClockTree) -> None:
    design = tree.placement.design
    network = clock_network(design.netlist, design.library, "clk")
    assert tree.sinks == network.sink_count == FLOPS + LATCHES
    assert set(network.nets) == tree.nets
    pins = Counter(
        net
        for each in design.netlist.instances
        for pin, net in each.pins.items()
        if net in tree.nets and design.library[each.cell].pins[pin].direction == "input"
    )
    assert max(pins.values()) <= 20


def test_buffers_lie_on_free_places_and_the_clock_has_wires(tree: ClockTree) -> None:
    assert tree.placement.problems() == []
    assert tree.nets <= set(tree.placement.design.nets.tolist())


def test_the_clock_comes_to_gated_flip_flops_when_it_comes_to_the_others(
    kit: Kit, before: Placement, tree: ClockTree, tmp_path: Path
) -> None:
    bare = arrival(kit, before, frozenset(), tmp_path)
    balanced = arrival(kit, tree.placement, tree.nets, tmp_path)
    assert bare.skew_ns > 0.1  # a gate that drives 45 flip-flops
    assert balanced.skew_ns < 0.06  # a flip-flop takes more from its clock to its output
    assert 0.03 < balanced.insertion_delay_ns < 0.4


def test_the_same_placement_gets_the_same_tree(kit: Kit, before: Placement) -> None:
    assert kit.wires is not None
    one, other = (build_clock_tree(before, "clk", kit.wires.clock) for _ in range(2))
    assert one.placement.design.netlist == other.placement.design.netlist
    assert one.placement.x_um.tolist() == other.placement.x_um.tolist()


def test_a_netlist_without_the_clock_port_has_no_tree(kit: Kit, before: Placement) -> None:
    assert kit.wires is not None
    found = build_clock_tree(before, "ck", kit.wires.clock)
    assert (found.placement, found.sinks, found.buffers) == (before, 0, 0)


def network(kit: Kit, folder: Path, *body: str) -> tuple[int, list[str]]:
    """Sinks of a small netlist, and names of the nets of its clock."""
    path = folder / "small.v"
    path.write_text("\n".join(["module top(input clk, d, output q);", *body, "endmodule", ""]))
    cells = read_liberty((kit.mapping_liberty,)).cells
    flat = read_netlist(path, "top", cells)
    found = clock_network(flat, cells, "clk")
    return found.sink_count, [name for name, net in flat.names.items() if net in found.nets]


def test_logic_that_takes_the_clock_for_data_is_no_part_of_it(kit: Kit, tmp_path: Path) -> None:
    count, nets = network(
        kit, tmp_path,
        "AND2_X1 mask(.A1(clk), .A2(d), .ZN(m));",
        "INV_X1 other(.A(clk), .ZN(n));",
        "DFF_X1 keep(.CK(n), .D(m), .Q(q));",
    )  # fmt: skip
    assert (count, sorted(nets)) == (1, ["clk", "n"])


def test_a_clock_that_passes_a_loop_is_refused(kit: Kit, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the clock passes a loop at (one|two)$"):
        network(
            kit, tmp_path,
            "OR2_X1 one(.A1(clk), .A2(b), .ZN(a));",
            "BUF_X1 two(.A(a), .Z(b));",
            "DFF_X1 keep(.CK(a), .D(d), .Q(q));",
        )  # fmt: skip
