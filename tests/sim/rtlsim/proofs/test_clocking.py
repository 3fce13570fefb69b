"""Clocks in proofs: what stores behind a gate or in a latch, and what is refused."""

import json
from pathlib import Path

import pytest

from consilico.hw.cells import CELL_SOURCES
from consilico.sim.rtlsim.proofs.aiger import flat_json
from consilico.sim.rtlsim.proofs.clocking import Clocked, UnknownClock, in_cycles
from consilico.sim.rtlsim.proofs.design import FlatModule

PORTS = "input clk, input rst, input enable, input [3:0] d, output [3:0] o__payload"


def clocked(tmp_path: Path, body: str) -> Clocked:
    text = f"module top({PORTS});\n{body}\nendmodule\n" + "\n".join(CELL_SOURCES.values())
    return in_cycles(FlatModule(json.loads(flat_json(text, "top", tmp_path)), "top"), "top")


def stored(found: Clocked) -> set[str]:
    return {cell.kind for cell in found.design.cells if cell.stores}


def test_a_register_behind_a_gate_ticks_with_the_gate_s_enable(tmp_path: Path) -> None:
    found = clocked(
        tmp_path,
        "wire gated; reg [3:0] q; assign o__payload = q;"
        "consilico_clock_gate gate(.clk(clk), .enable(enable), .gclk(gated));"
        "always @(posedge gated) q <= d;",
    )
    assert stored(found) == {"$ff"}
    (tick,) = found.ticks.values()
    assert list(found.ticks) == ["gated"]
    assert found.design.leaves(tick) == set(found.design.port("enable"))


def test_gates_behind_gates_tick_with_both_enables(tmp_path: Path) -> None:
    found = clocked(
        tmp_path,
        "wire one, two; reg [3:0] q; assign o__payload = q;"
        "consilico_clock_gate outer(.clk(clk), .enable(enable), .gclk(one));"
        "consilico_clock_gate inner(.clk(one), .enable(d[0]), .gclk(two));"
        "always @(posedge two) q <= d;",
    )
    enables = {*found.design.port("enable"), found.design.port("d")[0]}
    assert found.design.leaves(found.ticks["two"]) == enables


def test_a_latch_that_is_open_while_the_clock_is_low_keeps_its_value(tmp_path: Path) -> None:
    found = clocked(
        tmp_path,
        "consilico_latch #(.WIDTH(4)) word(.enable(enable & ~clk), .d(d), .q(o__payload));",
    )
    assert stored(found) == {"$ff"}
    # what is given shows in the same cycle
    shown = found.design.behind(found.design.port("o__payload"), through_state=False)
    assert {*found.design.port("d"), *found.design.port("enable")} <= shown


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("reg [3:0] q; assign o__payload = q; always @(negedge clk) q <= d;", "falling edge"),
        (
            """
            reg [3:0] q; reg on; wire gated = clk & on; assign o__payload = q;
            always @(posedge clk) on <= enable;
            always @(posedge gated) q <= d;
            """,
            "may change while it is high",
        ),
        (
            "consilico_latch #(.WIDTH(4)) word(.enable(enable & clk), .d(d), .q(o__payload));",
            "open while the clock is high",
        ),
    ],
)
def test_what_has_no_meaning_at_the_level_of_cycles_is_refused(
    tmp_path: Path, body: str, told: str
) -> None:
    with pytest.raises(UnknownClock, match=told):
        clocked(tmp_path, body)


def test_an_asynchronous_reset_shows_in_its_cycle_and_goes_before_what_is_loaded(
    tmp_path: Path,
) -> None:
    found = clocked(
        tmp_path,
        "reg [3:0] q; assign o__payload = q;"
        "always @(posedge clk, posedge rst) if (rst) q <= 5; else q <= d;",
    )
    design, (reset,) = found.design, found.design.port("rst")
    (register,) = [cell for cell in design.cells if cell.stores]
    for bits in (design.port("o__payload"), register.inputs["D"]):
        for bit, value in zip(bits, "1010", strict=True):
            cell, _, place = design.driver[bit]
            assert (cell.kind, cell.inputs["S"]) == ("$mux", [reset])
            assert cell.inputs["B"][place] == value
