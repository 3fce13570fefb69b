"""What the unit's clock gates did in a simulation.

A gated clock is there to rest: generated Verilog promises that no gate ticks while the unit neither
takes nor delivers anything, and a unit's contract may name clocks that do not tick for masked
lanes. The testbench replaces the behavior of the clock gate by one that counts its ticks, with the
same function.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consilico.hw.cells import CELL_SOURCES

__all__ = ["Ticks", "clock_problems", "counting", "gate_of", "read_ticks"]

_GATE = "consilico_clock_gate"
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


def gate_of(clock: str) -> str:
    """Return the path of the gate that drives a clock of :func:`consilico.hw.cells.gated_domain`.

    Args:
        clock: Name of the clock's net in the flat design, such as ``lane0.taken_clk``.
    """
    path, dot, net = clock.rpartition(".")
    return f"{path}{dot}gate_{net.removesuffix('_clk')}"


def clock_problems(ticks: Sequence[Ticks], most: Mapping[str, int]) -> list[str]:
    """Return a line for what clock gates did in vain.

    Args:
        ticks: Of all clock gates.
        most: Greatest number of ticks of some of them, by path.
    """
    busy = [
        f"clock gate {gate.gate} ticks {gate.resting} times while the unit has nothing to do"
        for gate in ticks
        if gate.resting
    ]
    idle = [
        f"clock gate {gate.gate} ticks {gate.ticks} times for {most[gate.gate]} beats not masked"
        for gate in ticks
        if gate.ticks > most.get(gate.gate, gate.ticks)
    ]
    return [
        lines[0] + (f" (and {len(lines) - 1} more clock gates)" if len(lines) > 1 else "")
        for lines in (busy, idle)
        if lines
    ]
