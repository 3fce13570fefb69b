"""Slews, loads and the clock network of small netlists."""

from pathlib import Path

import numpy as np
import pytest

from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import read_netlist
from consilico.sim.silicon.power.arrays import NetlistArrays, arrange
from consilico.sim.silicon.power.slews import Clocking, Slews, clock_network, slews
from tests.sim.silicon.tiny import LIBRARY

CELLS = read_liberty([LIBRARY]).cells


def timed(tmp_path: Path, body: str) -> tuple[NetlistArrays, Clocking, Slews]:
    path = tmp_path / "n.v"
    path.write_text(f"module top(input clk, a, b, output y, q); {body} endmodule")
    arrays = arrange(read_netlist(path, "top", CELLS), CELLS)
    clocking = clock_network(arrays, arrays.netlist.names["clk"])
    return arrays, clocking, slews(arrays, clocking)


def slew_ns(arrays: NetlistArrays, found: Slews, net: str) -> tuple[float, float]:
    """Rise and fall slew of a net in ns."""
    index = arrays.netlist.names[net]
    return round(found.rise_s[index] * 1e9, 6), round(found.fall_s[index] * 1e9, 6)


def test_load_is_the_sum_of_the_pins_rise_and_fall_apart(tmp_path: Path) -> None:
    arrays, _, _ = timed(tmp_path, "AND2 u (.A(a), .B(a), .Y(y)); INV v (.A(a), .Y());")
    net = arrays.netlist.names["a"]
    assert arrays.load_rise_f[net] == pytest.approx(4.5e-15)
    assert arrays.load_fall_f[net] == pytest.approx(3.5e-15)
    assert arrays.load_f[net] == pytest.approx(4.5e-15)


def test_slew_follows_load_and_ports_have_none(tmp_path: Path) -> None:
    arrays, _, found = timed(tmp_path, "INV u (.A(a), .Y(n)); INV v (.A(n), .Y(y));")
    assert slew_ns(arrays, found, "a") == (0, 0)
    assert slew_ns(arrays, found, "n") == (0.14, 0.05)  # 2 fF on the output
    assert slew_ns(arrays, found, "y") == (0.1, 0.05)


def test_the_largest_arc_counts_and_clear_arcs_do_not(tmp_path: Path) -> None:
    arrays, _, found = timed(
        tmp_path,
        "DFF r (.CK(clk), .D(a), .R(b), .Q(q)); LATCH l (.G(clk), .D(b), .Q(y));",
    )
    assert slew_ns(arrays, found, "q") == (0.2, 0.2)
    assert slew_ns(arrays, found, "y") == (0.3, -np.inf)  # through D; no table for a fall


def test_the_clock_is_ideal_up_to_the_registers(tmp_path: Path) -> None:
    arrays, clocking, found = timed(
        tmp_path,
        """
        INV i (.A(clk), .Y(c1)); CG g (.CK(c1), .E(a), .GCK(c2)); AND2 h (.A(c1), .B(b), .Y(c3));
        DFF r (.CK(c2), .D(a), .Q(q)); INV o (.A(q), .Y(y));
        """,
    )
    names = arrays.netlist.names
    reached = {name for name, net in names.items() if clocking.network[net]}
    assert reached == {"clk", "c1", "c2", "c3"}
    assert {name for name, net in names.items() if clocking.free[net]} == {"clk", "c1"}
    assert slew_ns(arrays, found, "c3") == (0, 0)
    assert slew_ns(arrays, found, "y") == (0.1, 0.05)


def test_a_clock_with_its_tree_is_as_steep_as_its_cells_make_it(tmp_path: Path) -> None:
    arrays, clocking, _ = timed(
        tmp_path, "INV i (.A(clk), .Y(c1)); AND2 h (.A(c1), .B(b), .Y(c3));"
    )
    found = slews(arrays, clocking.propagated)
    assert slew_ns(arrays, found, "clk") == (0, 0)
    assert slew_ns(arrays, found, "c1") == (0.12, 0.05)  # 1 fF on the output
    assert clocking.propagated.free.tolist() == clocking.free.tolist()


def test_loops_end(tmp_path: Path) -> None:
    arrays, _, found = timed(
        tmp_path,
        "AND2 u (.A(a), .B(n), .Y(m)); AND2 v (.A(m), .B(b), .Y(n)); INV w (.A(n), .Y(y));",
    )
    assert slew_ns(arrays, found, "n") == (0.5, 1.0)
    assert slew_ns(arrays, found, "y") == (0.1, 0.05)
