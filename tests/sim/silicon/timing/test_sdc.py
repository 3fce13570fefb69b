"""SDC: one's own constraints are timed with, and what does not fit is named with its line."""

from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.timing.opensta import longest_path
from consilico.sim.silicon.timing.sdc import read_sdc, write_sdc

NETLIST = """module top(clk, a, y, q);
  input clk; input [1:0] a; output y; output q;
  wire n;
  DFF_X1 f1 (.D(a[0]), .CK(clk), .Q(n));
  DFF_X1 f2 (.D(n), .CK(clk), .Q(q));
  INV_X1 i (.A(a[1]), .ZN(y));
endmodule
"""
SDC = r"""current_design top
set_units -time ns
set period 2.0 ;# ns
create_clock -name core -period $period \
  [get_ports clk]
set_input_delay [expr {$period * 0.2}] -clock core [all_inputs -no_clocks]
set_output_delay 0.3 -clock core [all_outputs]
"""


@pytest.fixture
def kit() -> Kit:
    return find_kit("nangate45")


@pytest.fixture
def netlist(tmp_path: Path) -> Path:
    path = tmp_path / "top.v"
    path.write_text(NETLIST)
    return path


def path_ns(text: str, netlist: Path, kit: Kit) -> float:
    """Return the shortest period with these constraints."""
    file = netlist.with_name("own.sdc")
    file.write_text(text)
    sdc = read_sdc(file, kit)
    return longest_path(netlist, "top", kit, sdc.clock, sdc.clock_ns, sdc=sdc).path_ns


def test_the_clock_is_what_the_file_computes(tmp_path: Path, kit: Kit) -> None:
    file = tmp_path / "own.sdc"
    file.write_text(SDC)
    found = read_sdc(file, kit)
    assert (found.clock, found.clock_ns) == ("clk", 2.0)


def test_times_at_the_ports_are_part_of_a_path(netlist: Path, kit: Kit) -> None:
    inside = longest_path(netlist, "top", kit, "clk", 2.0).path_ns
    through = path_ns(SDC, netlist, kit)
    assert through == pytest.approx(0.4 + 0.3, abs=0.03)  # from input to output, and an inverter
    assert inside < through
    assert path_ns(SDC + "set_clock_uncertainty 0.1 [all_clocks]\n", netlist, kit) == pytest.approx(
        through + 0.1, abs=1e-3
    )
    exempt = "set_false_path -from [get_ports {a[1]}] -to [get_ports y]\n"
    assert path_ns(SDC + exempt, netlist, kit) < through - 0.2


def test_the_edges_of_the_clock_move_with_its_period(netlist: Path, kit: Kit) -> None:
    """What the falling edge takes is a third of any period, not a third of the file's."""
    netlist.write_text(NETLIST.replace("DFF_X1 f2 (.D(n), .CK(clk)", "DFF_X1 f2 (.D(n), .CK(down)")
        .replace("wire n;", "wire n, down; INV_X1 j (.A(clk), .ZN(down));"))  # fmt: skip
    text = "create_clock -period 3 -waveform {0 1} [get_ports clk]\n"
    half = "create_clock -period 3 [get_ports clk]\n"
    assert path_ns(text, netlist, kit) == pytest.approx(1.5 * path_ns(half, netlist, kit), rel=0.02)


def test_what_is_written_gives_the_same_path(netlist: Path, kit: Kit) -> None:
    ports = [("clk", "input", 1), ("a", "input", 2), ("y", "output", 1), ("q", "output", 1)]
    text = write_sdc("top", ports, "clk", 2.0, kit)
    assert "propagated" not in text
    assert path_ns(text, netlist, kit) == longest_path(netlist, "top", kit, "clk", 2.0).path_ns


def test_ports_go_with_the_delay_of_the_tree(netlist: Path, kit: Kit) -> None:
    ports = [("clk", "input", 1), ("a", "input", 2), ("y", "output", 1), ("q", "output", 1)]
    text = write_sdc("top", ports, "clk", 2.0, kit, 0.25)
    assert "set_input_delay 0.25 " in text
    assert "set_output_delay -0.25 " in text
    assert "set_propagated_clock" in text
    late = longest_path(netlist, "top", kit, "clk", 2.0, insertion_ns=0.25).path_ns
    assert path_ns(text, netlist, kit) == late


def test_a_module_without_a_clock_gets_one_that_is_on_no_port(kit: Kit) -> None:
    text = write_sdc("top", [("a", "input", 2)], "clk", 2.0, kit)
    assert "create_clock -name clk -period 2\n" in text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("set_false_path -to [get_pins nowhere/D]", "line 8: pin 'nowhere/D' not found"),
        ("set_input_delay 1 -clock other [get_ports a]", "line 8: .*other"),
        ("set_max_delay", "line 8: "),
        ("exec touch {FILE}", 'line 8: invalid command name "exec"'),
        ("close [open {FILE} w]", 'line 8: invalid command name "open"'),
        ("source {FILE}", 'line 8: invalid command name "source"'),
        ("exit", 'line 8: invalid command name "exit"'),
        ("foreach x {1 2", "line 8: the command does not end"),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(
    netlist: Path, kit: Kit, more: str, message: str
) -> None:
    touched = netlist.with_name("touched")
    with pytest.raises(UserError, match=message):
        path_ns(SDC + more.replace("FILE", str(touched)) + "\n", netlist, kit)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("set_false_path -from [all_inputs]\n", "defines no clock; accepted: one create_clock"),
        (f"{SDC}create_clock -period 1 [get_ports a]\n", "defines 2 clocks"),
        ("create_clock -period 1 -name virtual\n", "line 1: accepted: a clock on one port"),
        ("create_clock -period 1 [get_ports {a b}]\n", "line 1: accepted: a clock on one port"),
        ("create_clock [get_ports clk]\n", "line 1: create_clock without -period"),
        ("create_clock -period -2 [get_ports clk]\n", "period must be above 0, not -2"),
        ("create_clock -period 1e-9 [get_ports clk]\n", "must be 0.001 to"),
        ("while 1 {}\n", "cannot read the SDC file .* processor time"),
    ],
)
def test_constraints_without_one_clock_are_refused_before_any_work(
    tmp_path: Path, kit: Kit, text: str, message: str
) -> None:
    file = tmp_path / "own.sdc"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        read_sdc(file, kit)


def test_times_in_another_unit_than_the_libraries_are_refused(netlist: Path, kit: Kit) -> None:
    with pytest.raises(UserError, match="line 2: times in ps; accepted: ns"):
        path_ns(SDC.replace("-time ns", "-time ps"), netlist, kit)
