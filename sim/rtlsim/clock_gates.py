"""Activity of the unit's clock gates and latches in a simulation.

A gated clock is there to rest: generated Verilog promises that no gate ticks and no latch opens
while the unit neither takes nor delivers anything, and that latches are shut while the clock is
high, when what they store may change. A unit's contract may name clocks that do not tick for masked
lanes. The testbench replaces the behavior of both cells by one that counts, with the same function.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consilico.hw.cells import CELL_SOURCES

__all__ = ["Ticks", "clock_problems", "counting", "gate_of", "read_ticks"]

_GATE, _LATCH = "consilico_clock_gate", "consilico_latch"
_COUNTING = """\
module consilico_clock_gate(input clk, input enable, output gclk);
  reg held;
  integer ticks = 0, resting = 0;
  always @* if (!clk) held = enable;
  assign gclk = clk & held;
  always @(posedge gclk) if (consilico_bench.running) begin
    ticks = ticks + 1;
    if (consilico_bench.resting) resting = resting + 1;
  end
  final $display("ticks=%0d %0d %m", ticks, resting);
endmodule
"""
# A latch is looked at in the middle of both halves of a cycle, when its enable has settled
_COUNTING_LATCH = """\
module consilico_latch #(parameter WIDTH = 1) (
  input enable, input [WIDTH-1:0] d, output reg [WIDTH-1:0] q
);
  integer opens = 0, resting = 0, high = 0;
  always @* if (enable) q = d;
  always @(consilico_bench.clk) begin
    #1;
    if (consilico_bench.running && enable) begin
      if (consilico_bench.clk) high = high + 1;
      else opens = opens + 1;
      if (consilico_bench.resting) resting = resting + 1;
    end
  end
  final $display("opens=%0d %0d %0d %m", opens, resting, high);
endmodule
"""
_LINE = re.compile(r"(ticks|opens)=(\d+) (\d+)(?: (\d+))? consilico_bench\.dut\.(.*)")


@dataclass(frozen=True, kw_only=True)
class Ticks:
    """Number of clocks that a gate let through, or of cycles in which a latch was open."""

    gate: str  # path of its instance below the unit, such as "lane3.gate_taken"
    ticks: int
    resting: int  # of them, in cycles in which the unit had nothing to do
    high: int | None = None  # cycles in which it was open while the clock was high; of a latch

    @property
    def does(self) -> str:
        """Return its kind, its name and what it does, for messages."""
        return f"clock gate {self.gate} ticks" if self.high is None else f"latch {self.gate} opens"


def counting(text: str) -> str:
    """Return Verilog in which the cells of :mod:`consilico.hw.cells` count what they do."""
    text = text.replace(CELL_SOURCES[_GATE], _COUNTING)
    return text.replace(CELL_SOURCES[_LATCH], _COUNTING_LATCH)


def read_ticks(printed: str) -> tuple[Ticks, ...]:
    """Return what every clock gate and latch did, from what the simulation printed."""
    return tuple(
        Ticks(
            gate=path.replace("\\", "").strip(),
            ticks=int(ticks),
            resting=int(resting),
            high=int(high) if kind == "opens" else None,
        )
        for kind, ticks, resting, high, path in _LINE.findall(printed)
    )


def gate_of(clock: str) -> str:
    """Return the path of the gate that drives a clock of :func:`consilico.hw.cells.gated_domain`.

    Args:
        clock: Name of the clock's net in the flat design, such as ``lane0.taken_clk``.
    """
    path, dot, net = clock.rpartition(".")
    return f"{path}{dot}gate_{net.removesuffix('_clk')}"


def clock_problems(ticks: Sequence[Ticks], most: Mapping[str, int]) -> list[str]:
    """Return a line for each kind of thing that clock gates and latches must not do.

    Args:
        ticks: Of all clock gates and latches.
        most: Greatest number of ticks of some of them, by path.
    """
    busy = [
        f"{gate.does} {gate.resting} times while the unit has nothing to do"
        for gate in ticks
        if gate.resting
    ]
    idle = [
        f"{gate.does} {gate.ticks} times, but {most[gate.gate]} are the most for what was taken"
        for gate in ticks
        if gate.ticks > most.get(gate.gate, gate.ticks)
    ]
    late = [
        f"latch {latch.gate} is open {latch.high} times while the clock is high"
        for latch in ticks
        if latch.high
    ]
    return [
        lines[0] + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else "")
        for lines in (busy, idle, late)
        if lines
    ]
