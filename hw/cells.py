"""Instantiate the two cells that synthesis does not infer well: clock gate and latch.

Synthesis replaces both modules by cells of the process kit; simulation uses the behavior below. A
gated clock keeps registers that hold their value from spending clock energy, and needs no
multiplexer in front of them.
"""

from amaranth import ClockDomain, ClockSignal, Instance, Module, Signal, Value

__all__ = [
    "CELL_SOURCES", "MEMORY_SOURCE", "gated_clock", "gated_domain", "latch_word", "memory_word",
]  # fmt: skip

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


# Not a cell of a kit: a memory compiler makes it, and synthesis leaves it outside.
MEMORY_SOURCE = """\
// Memory with a write port and a read port, whose word comes a cycle after its address.
module consilico_memory #(parameter WIDTH = 1, parameter WORDS = 2, parameter ADDRESS = 1) (
  input clk,
  input write, input [ADDRESS-1:0] write_address, input [WIDTH-1:0] d,
  input read, input [ADDRESS-1:0] read_address, output reg [WIDTH-1:0] q
);
  reg [WIDTH-1:0] words [0:WORDS-1];
  always @(posedge clk) begin
    if (write) words[write_address] <= d;
    if (read) q <= words[read_address];
  end
endmodule
"""


def gated_clock(m: Module, name: str, enable: Value, clock: Value | None = None) -> Signal:
    """Add a clock that only ticks in cycles in which ``enable`` is 1, and return it.

    ``enable`` has the whole cycle before the edge to settle. Cells that are placed by the thousand
    take such a clock: Amaranth hands each domain of a module to each of its instances, which takes
    minutes where there are thousands of both.

    Args:
        m: The module that gets the clock.
        name: Name of the clock.
        enable: One bit.
        clock: What it ticks with, which may be gated itself; None: the clock of ``sync``.
    """
    gated = Signal(name=f"{name}_clk")
    m.submodules[f"gate_{name}"] = Instance(
        "consilico_clock_gate",
        i_clk=ClockSignal("sync") if clock is None else clock,
        i_enable=enable,
        o_gclk=gated,
    )
    return gated


def gated_domain(m: Module, name: str, enable: Value, clock: Value | None = None) -> Signal:
    """Add a clock domain that ticks with :func:`gated_clock`, and return its clock.

    The arguments are those of :func:`gated_clock`. Registers of the domain have no reset.
    """
    domain = ClockDomain(name, reset_less=True, local=True)
    domain.clk = gated_clock(m, name, enable, clock)
    m.domains += domain
    return domain.clk


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


def memory_word(
    m: Module,
    name: str,
    words: int,
    clk: Value,
    write: tuple[Value, Value, Value],
    read: tuple[Value, Value],
) -> Signal:
    """Add a memory, and return the word that it read last.

    Args:
        m: The module that gets the memory.
        name: Its name.
        words: Number of words.
        clk: Its clock.
        write: Whether a word is written, its address and its value.
        read: Whether a word is read, and its address; it must not be the one that is written.
    """
    enable, address, value = write
    word = Signal(len(value), name=f"{name}_word")
    m.submodules[name] = Instance(
        "consilico_memory",
        p_WIDTH=len(value), p_WORDS=words, p_ADDRESS=len(address),
        i_clk=clk, i_write=enable, i_write_address=address, i_d=value,
        i_read=read[0], i_read_address=read[1], o_q=word,
    )  # fmt: skip
    return word
