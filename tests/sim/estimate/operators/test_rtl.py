"""The census that is read from Verilog, on designs small enough to count by hand."""

import pytest

from consilico.hw.census import KINDS, table_size
from consilico.sim.base.errors import UserError
from consilico.sim.estimate.operators.elaborate import read_operators
from consilico.sim.estimate.operators.operator_netlist import OperatorNetlist
from consilico.sim.estimate.operators.operator_path import longest_steps


def totals(netlist: OperatorNetlist) -> dict[str, int]:
    return {kind: int(bits) for kind, bits in netlist.census({}).totals().items()}


def census(
    body: str, ports: str = "input [7:0] a, input [7:0] b, input s, output [7:0] y"
) -> dict[str, int]:
    text = f"module t(input clk, {ports});\n{body}\nendmodule\n"
    return totals(read_operators(text, "t", as_written=True))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("assign y = a & b;", {"and_or": 8}),
        ("assign y = ~a;", {}),
        ("assign y = a ^ b | a;", {"and_or": 8, "xor": 8}),
        ("assign y = a & 8'hf0;", {}),
        ("assign y = &a;", {"and_or": 7}),
        ("assign y = ^a;", {"xor": 7}),
        ("assign y = a + b;", {"add": 8}),
        ("assign y = a + 8'd3;", {"increment": 8}),
        ("assign y = a + s;", {"increment": 8}),
        ("assign y = -a;", {"increment": 8}),
        ("assign y = 8'd3 + 8'd4;", {}),
        ("assign y = a * b;", {"multiply": 64}),
        ("assign y = a * 4'd8;", {}),
        ("assign y = a * 4'd7;", {"add": 8}),  # 8 a - a
        ("assign y = s ? a : b;", {"mux": 8}),
        ("assign y = s ? a : 8'd0;", {"and_or": 8}),
        ("assign y = s ? 8'd1 : 8'd2;", {}),
        ("assign y = a ? b : a;", {"mux": 8, "and_or": 7}),
        ("assign y = (s ? a : b) + a;", {"mux": 8, "add": 8}),  # the sum is there once
        ("assign y = a << b[2:0];", {"shift": 24}),
        ("assign y = a >> 3;", {}),
        ("assign y = 8'd200 >> a[2:0];", {"lookup": 8}),
        ("assign y = 8'd1 << a[2:0];", {"decode": 8}),
        ("assign y = a < b;", {"less": 8}),
        ("assign y = a == 8'd7;", {"equal": 8}),
        ("assign y = a[b[2:0]];", {"mux": 7}),
        ("assign y = {a[3:0], b[7:4]};", {}),
        ("assign y = (a && s);", {"and_or": 8}),
        ("reg [7:0] r; always @(posedge clk) r <= a; assign y = r;", {"flop": 8}),
        ("reg [7:0] r; always @(posedge clk) if (s) r <= a; assign y = r;", {"flop": 8, "mux": 8}),
        ("reg [7:0] r; always @* if (s) r = a; assign y = r;", {"latch": 8}),
        ("wire [7:0] w; assign w = a + b; assign y = a;", {}),  # nobody needs it
        ("wire [7:0] w; assign w = a + b; assign y = w ^ (a + b);", {"add": 8, "xor": 8}),
    ],
)
def test_operators_are_counted(body: str, expected: dict[str, int]) -> None:
    assert census(body) == expected


def test_a_case_among_constants_is_a_table_whatever_the_keyword() -> None:
    constants = [(value * 37) % 256 for value in range(16)]
    items = " ".join(f"4'd{place}: r = 8'd{value};" for place, value in enumerate(constants))
    for keyword in ("case", "casez", "casex"):
        body = f"reg [7:0] r; always @* {keyword} (a[3:0]) {items} endcase assign y = r;"
        assert census(body) == {"table": table_size(tuple(constants))}


def test_a_process_with_defaults_is_read_as_multiplexers() -> None:
    body = "reg [7:0] r; always @* begin r = a; if (s) r = b; if (a[0]) r = 8'd0; end assign y = r;"
    assert census(body) == {"mux": 8, "and_or": 8}


def test_clock_gates_count_as_cells() -> None:
    gate = (
        "module consilico_clock_gate(input clk, input enable, output gclk);\n  reg held;\n"
        "  always @* if (!clk) held = enable;\n  assign gclk = clk & held;\nendmodule\n"
    )
    text = gate + (
        "module t(input clk, input [7:0] a, input s, output reg [7:0] y);\n  wire g;\n"
        "  consilico_clock_gate one (.clk(clk), .enable(s & a[0]), .gclk(g));\n"
        "  always @(posedge g) y <= a;\nendmodule\n"
    )
    found = totals(read_operators(text, "t", as_written=True))
    assert found == {"and_or": 1, "flop": 8, "clock_gate": 1}


def test_widths_come_from_parameters_and_modules_are_brought_together() -> None:
    text = (
        "module part #(parameter W = 4) (input [W-1:0] p, input [W-1:0] q, output [W-1:0] z);\n"
        "  assign z = p + q;\nendmodule\n"
        "module t(input [15:0] a, input [15:0] b, output [15:0] y, output [3:0] v);\n"
        "  part #(.W(16)) wide (.p(a), .q(b), .z(y));\n"
        "  part narrow (.p(a[3:0]), .q(b[3:0]), .z(v));\nendmodule\n"
    )
    assert totals(read_operators(text, "t", as_written=True)) == {"add": 20}


def test_the_longest_path_ends_at_registers_and_follows_bits() -> None:
    text = (
        "module t(input clk, input [7:0] a, input [7:0] b, output reg [7:0] y);\n"
        "  reg [7:0] r; wire [15:0] bus;\n"
        "  always @(posedge clk) r <= a * b;\n"
        "  assign bus = {a + b, r};\n"  # only the low half, a register, goes on
        "  always @(posedge clk) y <= bus[7:0] ^ a;\nendmodule\n"
    )
    design = read_operators(text, "t", as_written=True)
    delays = {"multiply": 1.0, "add": 2.0, "xor": 0.5}
    steps = longest_steps(design, lambda kind, width: delays[kind])
    assert [(kind, width) for kind, width, _ in steps] == [("multiply", 8)]
    delays["xor"] = 3.0
    steps = longest_steps(design, lambda kind, width: delays[kind])
    assert [kind for kind, _, _ in steps] == ["xor"]


def test_loops_do_not_hang_the_longest_path() -> None:
    body = "wire p, q; assign p = a & q; assign q = a | p; assign y = p;"
    text = f"module t(input a, output y);\n{body}\nendmodule\n"
    steps = longest_steps(read_operators(text, "t", as_written=True), lambda kind, width: 1.0)
    assert {kind for kind, _, _ in steps} == {"and_or"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("module t(input a; endmodule", "the Verilog:1: syntax error"),
        ("module u(input a, output y); assign y = a; endmodule", "no module 't'; there are: u"),
        (
            "module t(input [7:0] a, input [7:0] b, output [7:0] y); assign y = a / b; endmodule",
            "divides by a variable",
        ),
        (
            (
                "module t(output y); hole u(.y(y)); endmodule\n"
                "(* blackbox *) module hole(output y); endmodule"
            ),
            "hole is a black box, which holds nothing to count",
        ),
    ],
)
def test_verilog_that_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_operators(text, "t", as_written=True)


def test_every_kind_is_documented() -> None:
    import consilico.hw.census

    assert all(f"\n{kind} " in str(consilico.hw.census.__doc__) for kind in KINDS)


def test_sums_of_sums_are_a_tree_of_full_adders() -> None:
    ports = ", ".join(f"input [7:0] a{index}" for index in range(9))
    total = " + ".join(f"a{index}" for index in range(9))
    text = (
        f"module t({ports}, input s, output [7:0] y);\nassign y = s ? {total} : 8'd0;\nendmodule\n"
    )
    delays = {"xor": 0.1, "add": 1.0, "and_or": 0.1}
    steps = longest_steps(
        read_operators(text, "t", as_written=True), lambda kind, width: delays[kind]
    )
    # nine numbers to two: 9 / 2 in thirds, four levels of two gates
    assert [tuple(step) for step in steps] == [("xor", 1, 8), ("add", 8, 1), ("and_or", 8, 1)]
