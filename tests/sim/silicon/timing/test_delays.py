"""Delays of a netlist's instances: the clock network has its own or none, wires are added."""

import shutil
from pathlib import Path

import pytest

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.liberty.cellmodels import CellDelays, DelayArc
from consilico.sim.silicon.liberty.library import Library
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import Netlist, read_netlist
from consilico.sim.silicon.timing.delays import clock_network, instance_delays, write_sdf
from consilico.sim.silicon.timing.sdf import Sdf, read_sdf
from tests.sim.silicon.small import BASE, cell, write

GATE = cell(
    "GATE",
    3,
    'clock_gating_integrated_cell : "latch_posedge";',
    CK="@clock_gate_clock_pin : true;",
    E="@clock_gate_enable_pin : true;",
    GCK="CK&E@clock_gate_out_pin : true;",
)
AND = cell("AND", 2, A="", B="", Y="A&B")
NETLIST = """
module top(input clk, d, e, output q);
  wire c, g, n, m, open;
  BUF root(.A(clk), .Y(c));
  GATE gate(.CK(c), .E(m), .GCK(g));
  AND enable(.A(c), .B(e), .Y(open));
  INV logic(.A(e), .Y(m));
  DFF first(.CK(g), .D(d), .Q(n));
  LATCH last(.G(open), .D(n), .Q(q));
endmodule
"""
ROOT, GATE_, ENABLE, LOGIC, FIRST, LAST = range(6)  # the instances in that order


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return read_liberty((write(tmp_path / "small.lib", *BASE, GATE, AND),))


@pytest.fixture
def netlist(tmp_path: Path, library: Library) -> Netlist:
    (tmp_path / "netlist.v").write_text(NETLIST)
    return read_netlist(tmp_path / "netlist.v", "top", library.cells)


PINS = {
    "root": "A Y", "gate": "CK GCK", "enable": "A Y", "logic": "A Y",
    "first": "CK Q", "last": "G Q",
}  # fmt: skip


def delays(tmp_path: Path, **entries: str) -> Sdf:
    """100 ps for every instance, unless something else is said."""
    given = {name: f"(IOPATH {pins} (0.1))" for name, pins in PINS.items()} | entries
    cells = [
        f"(CELL (INSTANCE {name}) (DELAY (ABSOLUTE {entry})))" for name, entry in given.items()
    ]
    path = tmp_path / "delays.sdf"
    path.write_text(f"(DELAYFILE (TIMESCALE 1ns) (DIVIDER /) {' '.join(cells)})")
    return read_sdf(path)


def test_the_clock_runs_through_buffers_gates_and_logic_up_to_registers(
    netlist: Netlist, library: Library
) -> None:
    assert clock_network(netlist, library.cells, "clk") == (
        {ROOT, GATE_, ENABLE},
        {netlist.names[net] for net in ("clk", "c", "g", "open")},
    )


def test_an_ideal_clock_has_no_delay_anywhere_and_all_else_has_its_own(
    tmp_path: Path, netlist: Netlist, library: Library
) -> None:
    found = instance_delays(netlist, library.cells, delays(tmp_path), "clk", propagated=False)
    assert [bool(each.arcs) for each in found] == [False, False, False, True, True, True]


def test_a_propagated_clock_has_every_delay(
    tmp_path: Path, netlist: Netlist, library: Library
) -> None:
    found = instance_delays(netlist, library.cells, delays(tmp_path), "clk", propagated=True)
    assert found[GATE_].arcs == (DelayArc("CK", "GCK", 100, 100),)
    assert all(each.arcs for each in found)


def test_the_wire_to_an_input_is_part_of_its_arcs(
    tmp_path: Path, netlist: Netlist, library: Library
) -> None:
    entry = "(IOPATH A Y (0.1) (0.2)) (PORT A (0.02) (0.03))"
    found = instance_delays(
        netlist, library.cells, delays(tmp_path, logic=entry), "clk", propagated=False
    )
    assert found[LOGIC].arcs == (DelayArc("A", "Y", 130, 230),)


@pytest.mark.parametrize(("propagated", "clock_ps"), [(True, 30), (False, 0)])
def test_the_wire_to_a_clock_pin_counts_only_where_the_clock_has_its_tree(
    propagated: bool, clock_ps: int, tmp_path: Path, netlist: Netlist, library: Library
) -> None:
    entries = {
        "first": "(IOPATH CK Q (0.1)) (PORT CK (0.03)) (PORT D (0.04))",
        "last": "(IOPATH G Q (0.1)) (IOPATH D Q (0.1)) (PORT G (0.03)) (PORT D (0.04))",
    }
    found = instance_delays(
        netlist, library.cells, delays(tmp_path, **entries), "clk", propagated=propagated
    )
    data_ps = (("D", 40),)
    assert found[FIRST] == CellDelays(
        arcs=(DelayArc("CK", "Q", 100, 100),), clock_ps=clock_ps, data_ps=data_ps
    )
    assert found[LAST] == CellDelays(
        arcs=(DelayArc("G", "Q", 100, 100), DelayArc("D", "Q", 100, 100)),
        clock_ps=clock_ps, data_ps=data_ps,
    )  # fmt: skip


def test_a_delay_below_zero_is_zero(tmp_path: Path, netlist: Netlist, library: Library) -> None:
    entry = "(IOPATH A Y (-0.01) ())"
    found = instance_delays(
        netlist, library.cells, delays(tmp_path, logic=entry), "clk", propagated=False
    )
    assert found[LOGIC].arcs == (DelayArc("A", "Y", 0, None),)


def test_an_edge_of_an_input_is_a_condition_on_it(
    tmp_path: Path, netlist: Netlist, library: Library
) -> None:
    entry = "(COND B (IOPATH (negedge A) Y (0.1)))"
    found = instance_delays(
        netlist, library.cells, delays(tmp_path, enable=entry), "clk", propagated=True
    )
    assert found[ENABLE].arcs == (DelayArc("A", "Y", 100, 100, "(B) & (!A)"),)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"other": "(IOPATH A Y (1))"}, "has an instance 'other', which top has not"),
        ({"logic": ""}, "has no delays of the instance 'logic'"),
        ({"logic": "(IOPATH B Y (1))"}, ": logic is a INV, which has no pin 'B'"),
        ({"logic": "(COND C (IOPATH A Y (1)))"}, ": logic is a INV, which has no pin 'C'"),
    ],
)
def test_a_file_of_another_netlist_is_refused(
    entries: dict[str, str], message: str, tmp_path: Path, netlist: Netlist, library: Library
) -> None:
    sdf = delays(tmp_path, **entries)
    with pytest.raises(UserError) as caught:
        instance_delays(netlist, library.cells, sdf, "clk", propagated=True)
    assert (
        str(caught.value) == f"{sdf.path}{message}" or str(caught.value) == f"{sdf.path} {message}"
    )


def test_opensta_writes_delays_of_every_cell_and_wire(tmp_path: Path) -> None:
    if shutil.which("sta") is None:
        pytest.skip("OpenSTA (sta) is not installed")
    kit = find_kit("nangate45")
    cells = read_liberty((kit.mapping_liberty,)).cells
    path, spef, sdf = tmp_path / "netlist.v", tmp_path / "wires.spef", tmp_path / "delays.sdf"
    path.write_text(
        "module top(input clk, d, output q); wire n, g;\n"
        "  BUF_X1 tree(.A(clk), .Z(g)); XOR2_X1 u(.A(d), .B(q), .Z(n));\n"
        "  DFF_X1 r(.CK(g), .D(n), .Q(q)); endmodule\n"
    )
    spef.write_text(
        '*SPEF "IEEE 1481-1998"\n*DESIGN "top"\n*DATE ""\n*VENDOR ""\n*PROGRAM ""\n'
        '*VERSION ""\n*DESIGN_FLOW ""\n*DIVIDER /\n*DELIMITER :\n*BUS_DELIMITER [ ]\n'
        "*T_UNIT 1 NS\n*C_UNIT 1 FF\n*R_UNIT 1 OHM\n*L_UNIT 1 HENRY\n"
        "*D_NET q 100\n*CONN\n*I r:Q O\n*I u:B I\n*P q O\n*CAP\n1 u:B 100\n"
        "*RES\n1 r:Q u:B 1000\n2 r:Q q 1\n*END\n"
    )
    netlist = read_netlist(path, "top", cells)
    found = {}
    for propagated in (False, True):
        write_sdf(path, "top", kit, "clk", 2.0, sdf, spef=spef, propagated=propagated)
        read = read_sdf(sdf)
        assert set(read.arcs) == {"tree", "u", "r"}
        assert (read.wires["u/B"].rise_ps or 0) > 30
        found[propagated] = instance_delays(netlist, cells, read, "clk", propagated=propagated)
    tree, gate, flop = found[True]
    assert found[False][0].arcs == ()
    assert tree.arcs
    assert found[False][1] == gate
    # the flip-flop is slower behind a buffer, whose edges are less steep than an ideal clock's
    assert (flop.arcs[0].rise_ps or 0) > (found[False][2].arcs[0].rise_ps or 0)
    rises = {arc.input: arc.rise_ps or 0 for arc in gate.arcs if "!" in (arc.condition or "")}
    assert rises["B"] > rises["A"] + 30  # behind the long wire


def test_a_file_that_opensta_does_not_understand_is_an_error_and_no_ideal_wire(
    tmp_path: Path,
) -> None:
    if shutil.which("sta") is None:
        pytest.skip("OpenSTA (sta) is not installed")
    path, spef = tmp_path / "netlist.v", tmp_path / "wires.spef"
    path.write_text("module top(input d, output q); INV_X1 u(.A(d), .ZN(q)); endmodule\n")
    spef.write_text('*SPEF "IEEE 1481-1998"\n*DESIGN "top"\n*DIVIDER /\n')
    with pytest.raises(ToolError, match=r"^OpenSTA failed: .*wires\.spef, line 3 syntax error"):
        write_sdf(
            path, "top", find_kit("nangate45"), "clk", 2.0, tmp_path / "delays.sdf", spef=spef
        )
