"""Anyone's Verilog: what people write is read, what is not is named."""

import pytest

from consilico.hw.cells import CELL_SOURCES
from consilico.sim.base.errors import UserError
from consilico.sim.estimate.operators.elaborate import read_operators
from consilico.sim.estimate.operators.ordinary import ORDINARY_DESIGNS, OrdinaryDesign
from consilico.sim.estimate.operators.primitives import TOP

HEAD = "module t(input clk, input [7:0] a, input [7:0] b, input s, output reg [7:0] y);\n"

READ = "always @(posedge clk) y <= m[a[1:0]];"
WORDS = "reg [7:0] m [0:3];"


def totals(text: str, top: str = "t") -> dict[str, int]:
    found = read_operators(text, top, "x.v").census({}).totals()
    return {kind: int(bits) for kind, bits in found.items()}


def census(body: str) -> dict[str, int]:
    text = f"{HEAD}{body}\nendmodule\n"
    return totals(text)


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
    assert totals(text) == {"multiply": 64}


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
        totals(text)


@pytest.mark.parametrize("design", ORDINARY_DESIGNS, ids=lambda design: design.name)
def test_every_calibration_design_has_registers_and_logic(design: OrdinaryDesign) -> None:
    found = totals(design.verilog, TOP)
    assert found["flop"] > 0
    assert len(found) > 1


def test_words_behind_a_decoded_address_work_as_seldom_as_they_are_addressed() -> None:
    words = "".join(
        f"""
        wire c{word}; reg [7:0] w{word};
        consilico_clock_gate g{word}(clk, s & (a[3:0] == {word}), c{word});
        always @(posedge c{word}) w{word} <= b;
        """
        for word in range(16)
    )
    read = " | ".join(f"(w{word} & {{8{{one[{word}]}}}})" for word in range(16))
    text = f"""
        module t(input clk, input [7:0] a, input [7:0] b, input s, output reg [7:0] y);
        {words}
        wire [15:0] one = 16'd1 << a[7:4];
        always @(posedge clk) y <= {read};
        endmodule
        {CELL_SOURCES["consilico_clock_gate"]}
    """
    netlist = read_operators(text, "t", "x.v")
    nets = netlist.inputs
    found = {
        (item.kind, item.drivers): (int(item.bits), float(item.rate))
        for item in netlist.census({"a": nets["a"], "b": nets["b"]}).operators
    }
    assert found["flop", ("b",)] == pytest.approx((16 * 8, 1 / 16))
    assert found["flop", ("a", "b")] == (8, 1.0)
    assert found["decode", ("a",)] == pytest.approx((16, 2 / 16))
    # a word's gate changes with the address, and with the word while it is read; the gates behind
    # when any word before them does
    word = 2 / 16 + 1 / 16 * 1 / 16
    gates = 16 * word + sum(min(1.0, words * word) for words in range(2, 17))
    assert found["and_or", ("a", "b")] == pytest.approx((31 * 8, gates / 31))
