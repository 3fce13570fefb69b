"""Cells that a placement does without: what goes, what stays, and what the rest is connected to."""

from pathlib import Path

from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.layout.spare_cells import without_spare_cells
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import Netlist, read_netlist

PORTS = "input clk, a, b; output y, z;"


def clear(tmp_path: Path, body: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Return cell and nets by pin of each instance that is left of a module."""
    path = tmp_path / "top.v"
    path.write_text(f"module top(clk, a, b, y, z); {PORTS} wire n, m, p, q; {body} endmodule")
    cells = read_liberty((find_kit("nangate45").mapping_liberty,)).cells
    found = without_spare_cells(read_netlist(path, "top", cells), cells)
    return {each.name: (each.cell, _named(found, each.pins)) for each in found.instances}


def _named(netlist: Netlist, pins: dict[str, int]) -> dict[str, str]:
    names: dict[int, str] = {}
    for name, net in netlist.names.items():
        names.setdefault(net, name)
    return {pin: names[net] for pin, net in pins.items()}


def test_sinks_behind_buffers_get_what_drives_the_first_of_them(tmp_path: Path) -> None:
    body = """
      BUF_X1 one (.A(a), .Z(n));
      BUF_X4 two (.A(n), .Z(m));
      AND2_X1 g (.A1(m), .A2(n), .ZN(y));
    """
    assert clear(tmp_path, body) == {"g": ("AND2_X1", {"A1": "a", "A2": "a", "ZN": "y"})}


def test_a_buffer_in_front_of_a_port_stays(tmp_path: Path) -> None:
    body = "AND2_X1 g (.A1(a), .A2(b), .ZN(y)); BUF_X1 out (.A(y), .Z(z));"
    assert clear(tmp_path, body)["out"] == ("BUF_X1", {"A": "y", "Z": "z"})


def test_the_second_output_of_a_flip_flop_replaces_an_inverter(tmp_path: Path) -> None:
    body = """
      DFF_X1 held (.CK(clk), .D(a), .Q(n));
      INV_X1 not_held (.A(n), .ZN(m));
      AND2_X1 g (.A1(n), .A2(b), .ZN(y));
      AND2_X1 h (.A1(m), .A2(b), .ZN(z));
    """
    after = clear(tmp_path, body)
    assert "not_held" not in after
    assert after["held"][1] == {"CK": "clk", "D": "a", "Q": "n", "QN": "m"}
    assert (after["g"][1]["A1"], after["h"][1]["A1"]) == ("n", "m")


def test_behind_the_complement_it_is_the_first_output(tmp_path: Path) -> None:
    body = "DFF_X1 held (.CK(clk), .D(a), .QN(n), .Q(q)); INV_X1 inverter (.A(n), .ZN(y));"
    assert clear(tmp_path, body)["held"][1] == {"CK": "clk", "D": "a", "QN": "n", "Q": "y"}


def test_an_output_that_is_used_stays_with_its_net(tmp_path: Path) -> None:
    body = """
      DFF_X1 held (.CK(clk), .D(a), .Q(n), .QN(q));
      INV_X1 inverter (.A(n), .ZN(y));
      AND2_X1 g (.A1(q), .A2(b), .ZN(z));
    """
    after = clear(tmp_path, body)
    assert after["inverter"] == ("INV_X1", {"A": "n", "ZN": "y"})
    assert after["held"][1]["QN"] == "q"


def test_other_inverters_stay(tmp_path: Path) -> None:
    body = """
      INV_X1 of_port (.A(a), .ZN(n));
      DLH_X1 latch (.G(clk), .D(n), .Q(m));
      INV_X1 of_latch (.A(m), .ZN(y));
    """
    assert set(clear(tmp_path, body)) == {"of_port", "latch", "of_latch"}


def test_of_two_inverters_behind_a_flip_flop_one_stays(tmp_path: Path) -> None:
    body = """
      DFF_X1 held (.CK(clk), .D(a), .Q(n));
      INV_X1 one (.A(n), .ZN(y));
      INV_X1 two (.A(n), .ZN(z));
    """
    after = clear(tmp_path, body)
    assert set(after) == {"held", "two"}
    assert after["held"][1]["QN"] == "y"
