"""Changes to a netlist: what they give, and those that break it are refused."""

from pathlib import Path

import pytest

from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.edit import NetlistEdit
from consilico.sim.silicon.netlist.netlist import Netlist, read_netlist
from consilico.sim.silicon.netlist.write import PlainNames, write_netlist
from tests.sim.silicon.small import BASE, cell, write

TEXT = """
module top(a, b, y);
  input a, b; output y; wire n, buffered;
  INV \\u/1 (.A(a), .Y(n));
  INV u2 (.A(n), .Y(y));
  INV u3 (.A(n), .Y(buffered));
endmodule
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    strong = cell("INV_4", 3, A="", Y="!A")
    return write(tmp_path / "small.lib", *BASE, strong, cell("NAND", 2, A="", B="", Y="!(A B)"))


@pytest.fixture
def netlist(tmp_path: Path, library: Path) -> Netlist:
    path = tmp_path / "top.v"
    path.write_text(TEXT)
    return read_netlist(path, "top", read_liberty([library]).cells)


@pytest.fixture
def edit(netlist: Netlist, library: Path) -> NetlistEdit:
    return NetlistEdit(netlist, read_liberty([library]).cells)


def test_a_buffer_goes_between_a_driver_and_one_of_its_sinks(
    netlist: Netlist, edit: NetlistEdit, library: Path, tmp_path: Path
) -> None:
    new = edit.net("buffered")  # which is taken
    index = edit.add("BUF", "u/1", {"A": netlist.names["n"], "Y": new})
    edit.reconnect(1, "A", new)
    after = edit.done()
    assert index == 3
    assert after.instances[3].name == "u/1_1"
    assert after.instances[3].module == "u"
    assert after.names["buffered_1"] == new
    assert after.instances[1].pins == {"A": new, "Y": netlist.names["y"]}
    assert after.instances[2] is netlist.instances[2]
    written = tmp_path / "after.v"
    written.write_text(write_netlist(after, PlainNames(after)))
    again = read_netlist(written, "top", read_liberty([library]).cells)
    assert [each.cell for each in again.instances] == ["INV", "INV", "INV", "BUF"]


def test_the_netlist_that_is_changed_stays_as_it_is(netlist: Netlist, edit: NetlistEdit) -> None:
    before = (dict(netlist.names), list(netlist.instances), netlist.net_count)
    edit.resize(0, "INV_4")
    edit.add("BUF", "more", {"A": netlist.names["a"], "Y": edit.net("more")})
    assert edit.done().instances[0].cell == "INV_4"
    assert (netlist.names, netlist.instances, netlist.net_count) == before


def test_a_port_stays_on_its_net_when_its_driver_gets_a_new_one(
    netlist: Netlist, edit: NetlistEdit
) -> None:
    inner = edit.net("y_driver")
    edit.reconnect(1, "Y", inner)
    edit.add("BUF", "out", {"A": inner, "Y": netlist.names["y"]})
    after = edit.done()
    assert after.ports == netlist.ports


def test_a_cell_with_other_pins_is_no_other_size(edit: NetlistEdit) -> None:
    with pytest.raises(ValueError, match="NAND has not the pins of INV"):
        edit.resize(0, "NAND")
    with pytest.raises(ValueError, match="no cell 'INV_9'"):
        edit.resize(0, "INV_9")


def test_what_does_not_exist_is_refused(netlist: Netlist, edit: NetlistEdit) -> None:
    with pytest.raises(ValueError, match="INV has no pin 'B'"):
        edit.reconnect(0, "B", netlist.names["n"])
    with pytest.raises(ValueError, match="no net 99"):
        edit.reconnect(0, "A", 99)
    with pytest.raises(ValueError, match="no cell 'OR'"):
        edit.add("OR", "new", {})
    with pytest.raises(ValueError, match="input B of a new NAND is left open"):
        edit.add("NAND", "new", {"A": netlist.names["n"]})


def test_a_net_that_loses_its_driver_is_refused(edit: NetlistEdit) -> None:
    edit.reconnect(0, "Y", edit.net("elsewhere"))
    with pytest.raises(ValueError, match="net n has 0 drivers after the changes and 1 before"):
        edit.done()


def test_a_net_with_a_further_driver_is_refused(netlist: Netlist, edit: NetlistEdit) -> None:
    edit.add("BUF", "second", {"A": netlist.names["a"], "Y": netlist.names["n"]})
    with pytest.raises(ValueError, match="net n has 2 drivers after the changes and 1 before"):
        edit.done()


def test_a_new_net_without_a_driver_is_refused(edit: NetlistEdit) -> None:
    edit.reconnect(1, "A", edit.net("loose"))
    with pytest.raises(ValueError, match="net loose has 0 drivers"):
        edit.done()
