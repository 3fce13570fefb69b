"""Writes what Yosys needs to use a kit's own cells: Verilog of clock gate, latches and adders."""

import re

from consilico.sim.silicon.kits.kit import Kit

__all__ = ["adder_map", "flop_map", "kit_cells", "latch_map", "tie_command", "without_cells"]


def without_cells(verilog: str) -> str:
    """Return a design without the behaviour of the cells that the kit provides."""
    return re.sub(
        r"^module consilico_(clock_gate|latch)\b.*?^endmodule$", "", verilog, flags=re.S | re.M
    )


def kit_cells(kit: Kit) -> str:
    """Return clock gate and latch of :mod:`consilico.hw.cells`, made of the kit's cells."""
    latch, low, gate = kit.roles["latch_high"], kit.roles["latch_low"], kit.roles.get("clock_gate")
    if gate is not None:
        body = f"{gate.cell} gate({gate.ports(clock='clk', enable='enable', output='gclk')});"
    else:
        body = (
            f"wire held; {low.cell} latch({low.ports(enable='clk', data='enable', output='held')});"
            " assign gclk = clk & held;"
        )
    bit = latch.ports(enable="enable", data="d[i]", output="q[i]")
    return f"""
module consilico_clock_gate(input clk, input enable, output gclk);
  {body}
endmodule
module consilico_latch #(parameter WIDTH = 1) (
  input enable, input [WIDTH-1:0] d, output [WIDTH-1:0] q
);
  genvar i;
  generate for (i = 0; i < WIDTH; i = i + 1) begin : bits
    {latch.cell} latch({bit});
  end endgenerate
endmodule
"""


def latch_map(kit: Kit) -> str:
    """Return a technology map of the latches that Yosys infers."""
    text = ""
    for level, sign in (("high", "P"), ("low", "N")):
        role = kit.roles[f"latch_{level}"]
        text += (
            f"module \\$_DLATCH_{sign}_ (input E, input D, output Q);\n"
            f"  {role.cell} _TECHMAP_REPLACE_ ({role.ports(enable='E', data='D', output='Q')});\n"
            "endmodule\n"
        )
    return text


def flop_map(kit: Kit) -> str:
    """Return a technology map of flip-flops, for a kit whose flip-flops dfflibmap cannot use."""
    role = kit.roles["flop"]
    text = ""
    for sign, clock in (("P", "C"), ("N", "~C")):
        text += (
            f"module \\$_DFF_{sign}_ (input C, input D, output Q);\n"
            f"  {role.cell} _TECHMAP_REPLACE_ ({role.ports(clock=clock, data='D', output='Q')});\n"
            "endmodule\n"
        )
    return text


def tie_command(kit: Kit) -> str:
    """Return the command that makes constants tie cells; empty if the kit names no such cells."""
    if "tie_high" not in kit.roles or "tie_low" not in kit.roles:
        return ""
    high, low = (kit.roles[f"tie_{level}"] for level in ("high", "low"))
    cells = (
        f"-{name} {r.cell} {r.pins['output']}" for name, r in (("hicell", high), ("locell", low))
    )
    return f"hilomap {' '.join(cells)}"


def adder_map(kit: Kit) -> str:
    """Return a technology map of Yosys' full adders, whose port X is the carry and Y the sum."""
    role = kit.roles["full_adder"]
    pins = role.pins
    outputs = []
    wires = []
    for purpose, port in (("carry", "X"), ("sum", "Y")):
        if purpose in role.inverted:
            wires.append(f"wire n{port}; assign {port}[i] = ~n{port};")
            outputs.append(f".{pins[purpose]}(n{port})")
        else:
            outputs.append(f".{pins[purpose]}({port}[i])")
    return f"""
module \\$fa (A, B, C, X, Y);
  parameter WIDTH = 1;
  input [WIDTH-1:0] A, B, C;
  output [WIDTH-1:0] X, Y;
  genvar i;
  generate for (i = 0; i < WIDTH; i = i + 1) begin : bits
    {" ".join(wires)}
    {role.cell} adder(.{pins["a"]}(A[i]), .{pins["b"]}(B[i]), .{pins["c"]}(C[i]),
      {", ".join(outputs)});
  end endgenerate
endmodule
"""
