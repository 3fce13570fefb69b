"""Anyone's Verilog: what people write is read, what is not is named."""

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.estimate.operators.dataflow import number, read_dataflow
from consilico.sim.estimate.operators.elaborate import elaborated
from consilico.sim.estimate.operators.plain import DESIGNS, read
from consilico.sim.estimate.operators.rtl import rtl_census
from consilico.sim.estimate.operators.rtl_reader import read_design

HEAD = "module t(input clk, input [7:0] a, input [7:0] b, input s, output reg [7:0] y);\n"

READ = "always @(posedge clk) y <= m[a[1:0]];"
WORDS = "reg [7:0] m [0:3];"


def census(body: str) -> dict[str, int]:
    text = f"{HEAD}{body}\nendmodule\n"
    return rtl_census(read_design(read_dataflow(elaborated(text, "t"), "t")))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("always_ff @(posedge clk) y <= a + 1;", {"increment": 8, "flop": 8}),
        ("logic [7:0] n; always_comb n = a & b; assign y = n;", {"and_or": 8}),
        ("function [7:0] f(input [7:0] p); f = p ^ b; endfunction always @* y = f(a);", {"xor": 8}),
        (  # a loop, unrolled
            "integer k;\nalways @* for (k = 0; k < 8; k = k + 1) y[k] = a[k] & b[k];",
            {"and_or": 8},
        ),
        (
            "genvar k; for (k = 0; k < 2; k = k + 1) assign y[4*k +: 4] = a[4*k +: 4] + b[3:0];",
            {"add": 8},
        ),
        ("wire [63:0] w = {8{a}}; always @* y = w[8 * b[2:0] +: 8];", {"mux": 56}),
        ("always @* if (s) y = a;", {"latch": 8}),
        (  # an integer is 32 bits wide, what is used of the sum is not
            "reg [7:0] r; always @(posedge clk) r <= r + 1; always @* y = r;",
            {"increment": 8, "flop": 8},
        ),
        (  # four words: a register each, three multiplexers to read, decoded to write
            f"{WORDS} always @(posedge clk) if (s) m[a[1:0]] <= b; always @* y = m[b[1:0]];",
            {"and_or": 8, "mux": 24 + 32, "flop": 32},
        ),
        (
            f"{WORDS} initial begin m[0] = 0; m[1] = 1; m[2] = 2; m[3] = 3; end {READ}",
            {"table": 3 + 1, "flop": 8},
        ),
    ],
)
def test_what_people_write_is_read(body: str, expected: dict[str, int]) -> None:
    assert census(body) == expected


def test_parameters_of_instances_hold() -> None:
    text = (
        "module part #(parameter W = 4) (input [W-1:0] p, output [W-1:0] q); assign q = p * p;\n"
        "endmodule\nmodule t(input [7:0] a, output [7:0] y); part #(.W(8)) u(a, y); endmodule\n"
    )
    assert rtl_census(read_design(read_dataflow(elaborated(text, "t"), "t"))) == {"multiply": 64}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("module u(); endmodule", r"^x\.v has no module 't'; there are: u$"),
        ("", r"^x\.v has no module 't'; there are: none$"),
        ("module t(input a);\n  wire ;\nendmodule", r"^x\.v:2: syntax error"),
        ("module t(input a, output y); foo u(.a(a), .y(y)); endmodule", r"^x\.v: Module .*foo"),
    ],
)
def test_what_cannot_be_elaborated_is_named(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        elaborated(text, "t", "x.v")


@pytest.mark.parametrize("name", [design.name for design in DESIGNS])
def test_every_calibration_design_has_registers_and_logic(name: str) -> None:
    found = rtl_census(read(name))
    assert found["flop"] > 0
    assert len(found) > 1
    assert sum(1 for line in elaborated_lines(name) if line.lstrip().startswith("casez")) == 0


def elaborated_lines(name: str) -> list[str]:
    (design,) = (item for item in DESIGNS if item.name == name)
    return elaborated(design.verilog, "operator_between_registers").splitlines()


@pytest.mark.parametrize(
    ("text", "value"),
    [("8'hff", 255), ("4'b1x?z", 8), ("12", 12), ("3'dx", 0), ("16'hx0_1z", 0x10), ("8'sd5", 5)],
)
def test_unknown_digits_count_as_zero(text: str, value: int) -> None:
    assert number(text) == value
