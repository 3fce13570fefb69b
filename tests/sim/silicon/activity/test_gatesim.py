"""Gate-level simulation of netlists whose flip-flops nobody resets."""

from pathlib import Path

import numpy as np
import pytest

from consilico.sim.silicon.activity.gatesim import GateRun, simulate_gates
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.units.stimulus import Ports, Stimulus
from tests.sim.silicon.small import BASE, cell, write

AND = cell("AND", 2, A="", B="", Y="A&B")
OR = cell("OR", 2, A="", B="", Y="A|B")
XOR = cell("XOR", 3, A="", B="", Y="A^B")
PORTS = Ports(i_width=1, o_width=1, cfg_width=0)
HEAD = """
module top(input clk, rst, i__payload, i__valid, output i__ready,
           output o__payload, o__valid, input o__ready);
  wire a = i__payload;
  wire q, n, x, y;
  assign o__valid = i__valid;
  assign i__ready = o__ready;
  DFF state(.CK(clk), .D(q), .Q(q));  // keeps what it holds when the power comes
"""


def run(tmp_path: Path, result: str) -> GateRun:
    """Replay bits on a netlist that should hand them on."""
    library = read_liberty((write(tmp_path / "small.lib", *BASE, AND, OR, XOR),))
    bits = np.array([[0], [1], [1], [0], [1]], dtype=np.uint8)
    stimulus = Stimulus(
        kind=np.zeros(5, dtype=np.uint8),
        bits=bits,
        completes=np.ones(5, dtype=np.uint16),
        expected=bits,
        results=5,
        operations=5,
    )
    names = list(library.cells)
    netlist = f"{HEAD}{result}\nendmodule\n"
    waveform = tmp_path / "activity.vcd"
    return simulate_gates(netlist, names, library, "top", PORTS, stimulus, waveform)


def test_an_unknown_state_that_reaches_no_result_is_left_unknown(tmp_path: Path) -> None:
    found = run(tmp_path, "BUF u(.A(a), .Y(o__payload));")
    assert (found.outcome.passed, found.power_up) == (True, "unknown")


REDUNDANT = """
  INV u0(.A(q), .Y(n));
  AND u1(.A(a), .B(q), .Y(x));
  AND u2(.A(a), .B(n), .Y(y));
  OR  u3(.A(x), .B(y), .Y(o__payload));
"""


def test_an_x_that_no_real_state_causes_is_not_held_against_the_netlist(tmp_path: Path) -> None:
    found = run(tmp_path, REDUNDANT)
    assert (found.outcome.passed, found.power_up) == (True, "random")
    assert found.outcome.checked == 5


@pytest.mark.parametrize("gate", ["XOR", "AND", "OR"])
def test_a_result_that_hangs_on_the_state_at_power_up_is_wrong(tmp_path: Path, gate: str) -> None:
    found = run(tmp_path, f"{gate} u(.A(a), .B(q), .Y(o__payload));")
    assert (found.outcome.passed, found.power_up) == (False, "random")


def test_the_other_half_of_that_is_wrong_too(tmp_path: Path) -> None:
    inverted = "INV u0(.A(q), .Y(n)); XOR u(.A(a), .B(n), .Y(o__payload));"
    assert not run(tmp_path, inverted).outcome.passed
