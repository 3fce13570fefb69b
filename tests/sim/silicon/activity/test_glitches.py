"""Gate-level simulation with delays: glitches, the arrival of inputs, the clock network."""

from pathlib import Path

import numpy as np
import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.rtlsim.bulk_replay import BenchTiming
from consilico.sim.silicon.activity.gatesim import (
    SCOPE,
    GateRun,
    bench_timing,
    delayed_netlist,
    simulate_gates,
)
from consilico.sim.silicon.activity.read import read_activity
from consilico.sim.silicon.liberty.cellmodels import NO_DELAYS, CellDelays, DelayArc
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import read_netlist
from consilico.sim.units.stimulus import Ports, Stimulus
from tests.sim.silicon.small import BASE, cell, write

pytestmark = pytest.mark.usefixtures("cache")

XOR = cell("XOR", 3, A="", B="", Y="A^B")
PORTS = Ports(i_width=1, o_width=1, cfg_width=0)
HEAD = """
module top(clk, rst, i__payload, i__valid, i__ready, o__payload, o__valid, o__ready);
  input clk, rst, i__payload, i__valid, o__ready;
  output i__ready, o__payload, o__valid;
  assign i__ready = o__ready;
"""
# the valid bit and the data go through two registers each, behind two buffers of the clock


def registers(**clocks: str) -> str:
    """Four registers, on clock ``one`` unless another is said."""
    on = dict.fromkeys(("valid1", "valid2", "data1", "data2"), "one") | clocks
    return f"""
  wire one, two, v, d;
  BUF tree1(.A(clk), .Y(one));
  BUF tree2(.A(clk), .Y(two));
  DFF valid1(.CK({on["valid1"]}), .D(i__valid), .Q(v));
  DFF valid2(.CK({on["valid2"]}), .D(v), .Q(o__valid));
  DFF data1(.CK({on["data1"]}), .D(i__payload), .Q(d));
  DFF data2(.CK({on["data2"]}), .D(d), .Q(o__payload));
endmodule
"""


FLOPS = dict.fromkeys(("valid1", "valid2", "data1", "data2"), 80)
GATES = """
  wire a, b, c;
  assign o__valid = i__valid;
  INV u1(.A(i__payload), .Y(a));
  INV u2(.A(a), .Y(b));
  XOR u3(.A(i__payload), .B(b), .Y(c));
  XOR u4(.A(i__payload), .B(c), .Y(o__payload));
endmodule
"""
TIMING = BenchTiming(period_ps=1000, input_delay_ps=100)


def run(
    tmp_path: Path, body: str, delays_ps: dict[str, int], timing: BenchTiming = TIMING
) -> GateRun:
    """Replay bits on a netlist that hands them on, with a delay for some instances."""
    library = read_liberty((write(tmp_path / "small.lib", *BASE, XOR),))
    path = tmp_path / "netlist.v"
    path.write_text(HEAD + body)
    netlist = read_netlist(path, "top", library.cells)
    delays = []
    for instance in netlist.instances:
        pins = library.cells[instance.cell].pins
        out = next(pin for pin in instance.pins if pins[pin].direction == "output")
        delay = delays_ps.get(instance.name, 0)
        delays.append(
            CellDelays(
                arcs=tuple(DelayArc(pin, out, delay, delay) for pin in instance.pins if pin != out)
            )
            if delay
            else NO_DELAYS
        )
    bits = np.array([[0], [1], [1], [0], [1], [0], [0], [1]], dtype=np.uint8)
    stimulus = Stimulus(
        kind=np.zeros(8, dtype=np.uint8),
        bits=bits,
        completes=np.ones(8, dtype=np.uint16),
        expected=bits,
        results=8,
        operations=8,
    )
    delayed = delayed_netlist(netlist, delays, timing)
    return simulate_gates(
        delayed.text, list(library.cells), library, "top", PORTS, stimulus,
        tmp_path / "activity.vcd", delayed=delayed, levels=1,
    )  # fmt: skip


def toggles(tmp_path: Path, net: str) -> float:
    activity = read_activity(tmp_path / "activity.vcd", SCOPE)
    return float(activity.toggles[activity.signals[net]])


def test_a_late_input_of_an_exclusive_or_makes_a_glitch_per_change(tmp_path: Path) -> None:
    found = run(tmp_path, GATES, {"u1": 60, "u2": 60, "u3": 50, "u4": 50})
    assert found.outcome.passed
    assert toggles(tmp_path, "c") == 2 * toggles(tmp_path, "i__payload") > 0


def test_a_glitch_shorter_than_the_delay_of_the_gate_does_not_count(tmp_path: Path) -> None:
    found = run(tmp_path, GATES, {"u1": 20, "u2": 20, "u3": 50, "u4": 50})
    assert found.outcome.passed
    assert toggles(tmp_path, "c") == 0


def test_the_recording_is_of_whole_cycles_at_the_period_given(tmp_path: Path) -> None:
    found = run(tmp_path, GATES, {})
    activity = read_activity(tmp_path / "activity.vcd", SCOPE)
    assert found.period_ns == 1.0
    assert activity.duration_s == pytest.approx(found.cycles * 1e-9)
    assert activity.toggles[activity.signals["clk"]] == 2 * found.cycles


@pytest.mark.parametrize(("delay", "passes"), [(890, True), (910, False)])
def test_results_have_to_be_there_before_the_next_edge(
    delay: int, passes: bool, tmp_path: Path
) -> None:
    # inputs change 100 ps after the edge, outputs are sampled 1 ps before the next one
    assert run(tmp_path, GATES, {"u4": delay}).outcome.passed == passes


BALANCED = {"tree1": 150, "tree2": 150}
LATER = BenchTiming(period_ps=1000, input_delay_ps=200)


@pytest.mark.parametrize("tree", [{}, BALANCED])
def test_a_clock_network_with_all_of_its_delays_or_none_is_right(
    tree: dict[str, int], tmp_path: Path
) -> None:
    assert run(tmp_path, registers(data2="two"), FLOPS | tree, LATER).outcome.passed


def test_a_mixture_of_both_takes_data_that_was_only_just_launched(tmp_path: Path) -> None:
    found = run(tmp_path, registers(data2="two"), FLOPS | {"tree2": 150}, LATER)
    assert found.outcome.beats_wrong > 0


@pytest.mark.parametrize(("input_delay", "passes"), [(200, True), (100, False)])
def test_inputs_have_to_wait_until_the_tree_has_brought_the_clock(
    input_delay: int, passes: bool, tmp_path: Path
) -> None:
    timing = BenchTiming(period_ps=1000, input_delay_ps=input_delay)
    body = registers(data1="two", data2="two")
    assert run(tmp_path, body, FLOPS | {"tree2": 150}, timing).outcome.passed == passes


def test_inputs_follow_the_clock_by_a_twentieth_of_its_period() -> None:
    assert bench_timing(2.0, 1.5) == BenchTiming(period_ps=2000, input_delay_ps=100)
    assert bench_timing(2.0, 1.5, 0.2) == BenchTiming(period_ps=2000, input_delay_ps=300)


def test_a_netlist_that_misses_its_clock_gets_the_period_that_it_needs() -> None:
    assert bench_timing(2.0, 2.5) == BenchTiming(period_ps=2600, input_delay_ps=100)


def test_a_clock_that_comes_after_half_of_its_period_is_refused() -> None:
    with pytest.raises(UserError, match=r"^the clock arrives 1 ns late at the registers; accepted"):
        bench_timing(2.0, 1.0, 1.0)
