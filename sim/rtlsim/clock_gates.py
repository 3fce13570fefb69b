"""What the unit's clock gates did in a simulation.

A gated clock is there to rest: generated Verilog promises that no gate ticks while the unit neither
takes nor delivers anything. The testbench replaces the behavior of the clock gate by one that
counts its ticks, with the same function.
"""

import re
from dataclasses import dataclass

from consilico.hw.cells import CELL_SOURCES

__all__ = ["Ticks", "counting", "read_ticks"]

_GATE = "consilico_clock_gate"
_COUNTING = """\
module consilico_clock_gate(input clk, input enable, output gclk);
  reg held;
  integer ticks = 0, resting = 0;
  always @* if (!clk) held = enable;
  assign gclk = clk & held;
  always @(posedge gclk) begin
    ticks = ticks + 1;
    if (consilico_bench.resting) resting = resting + 1;
  end
  final $display("ticks=%0d %0d %m", ticks, resting);
endmodule
"""
_LINE = re.compile(r"ticks=(\d+) (\d+) consilico_bench\.dut\.(.*)")


@dataclass(frozen=True, kw_only=True)
class Ticks:
    """How often a clock gate let its clock through."""

    gate: str  # path of its instance below the unit, such as "lane3.gate_taken"
    ticks: int
    resting: int  # of them, in cycles in which the unit had nothing to do


def counting(text: str) -> str:
    """Return Verilog in which the clock gates of :mod:`consilico.hw.cells` count their ticks."""
    return text.replace(CELL_SOURCES[_GATE], _COUNTING)


def read_ticks(printed: str) -> tuple[Ticks, ...]:
    """Return the ticks of every clock gate, from what the simulation printed."""
    return tuple(
        Ticks(gate=path.replace("\\", "").strip(), ticks=int(ticks), resting=int(resting))
        for ticks, resting, path in _LINE.findall(printed)
    )
