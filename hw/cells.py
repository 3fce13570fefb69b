"""Instantiate the two cells that synthesis does not infer well: clock gate and latch.

Synthesis replaces both modules by cells of the process kit; simulation uses the behavior below. A
gated clock keeps registers that hold their value from spending clock energy, and needs no
multiplexer in front of them.
"""

from amaranth import ClockDomain, ClockSignal, Instance, Module, Signal, Value

__all__ = ["CELL_SOURCES", "gated_domain", "latch_word"]

CELL_SOURCES = {
    "consilico_clock_gate": """\
// Integrated clock gate: enable is sampled while clk is low, gclk has no glitch.
module consilico_clock_gate(input clk, input enable, output gclk);
  reg held;
  always @* if (!clk) held = enable;
  assign gclk = clk & held;
endmodule
""",
    "consilico_latch": """\
// Latch, transparent while enable is high.
module consilico_latch #(parameter WIDTH = 1) (
  input enable, input [WIDTH-1:0] d, output reg [WIDTH-1:0] q
);
  always @* if (enable) q = d;
endmodule
""",
}


def gated_domain(m: Module, name: str, enable: Value, clock: Value | None = None) -> None:
    """Add a clock domain that only ticks in cycles in which ``enable`` is 1.

    ``enable`` has the whole cycle before the edge to settle. Registers of the domain have no reset.

    Args:
        m: The module that gets the domain.
        name: Name of the domain.
        enable: One bit.
        clock: What it ticks with, which may be gated itself; None: the clock of ``sync``.
    """
    domain = ClockDomain(name, reset_less=True, local=True)
    m.domains += domain
    m.submodules[f"gate_{name}"] = Instance(
        "consilico_clock_gate",
        i_clk=ClockSignal("sync") if clock is None else clock,
        i_enable=enable,
        o_gclk=domain.clk,
    )


def latch_word(m: Module, name: str, enable: Value, data: Value) -> Signal:
    """Add a word of latches that is transparent while ``enable`` is high, and return its output.

    Args:
        m: The module that gets the latches.
        name: Name of the word.
        enable: One bit without glitches.
        data: Value to store.
    """
    word = Signal(len(data), name=name)
    m.submodules[f"latch_{name}"] = Instance(
        "consilico_latch", p_WIDTH=len(data), i_enable=enable, i_d=data, o_q=word
    )
    return word
