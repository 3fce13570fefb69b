"""Texts that tools understand differently are found, others are not blamed."""

from pathlib import Path

import pytest

from consilico.cli import main
from consilico.sim.rtlsim.foreign.design import read_design
from consilico.sim.rtlsim.foreign.front_ends import FrontEnds, active_high, is_reset

OFFSET = """\
module t (input wire mode, input wire signed [7:0] x, output wire signed [9:0] y);
  reg signed [8:0] o = mode ? -9'sd70 : 9'sd120;
  assign y = x + o;
endmodule
"""


def compare(folder: Path, text: str, suffix: str = ".v") -> FrontEnds:
    path = folder / f"t{suffix}"
    path.write_text(text)
    return read_design([path], "t").front_ends()


def test_a_variable_initialized_from_an_input_is_found_and_named(tmp_path: Path) -> None:
    found = compare(tmp_path, OFFSET, ".sv")
    assert [each.port for each in found.differences] == ["y"]
    assert (found.differences[0].simulated, found.reader) == ("x", "yosys")
    refused, differs = found.lines()
    assert refused.startswith(f"slang refuses this text: {tmp_path}/t.sv:2: ")
    assert "y is x to icarus and" in differs


def test_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.sv").write_text(OFFSET)
    assert main(["estimate", "--rtl", str(tmp_path / "t.sv"), "--top", "t"]) == 0
    assert "Icarus and yosys understand this text differently: y is x" in capsys.readouterr().out


@pytest.mark.parametrize(
    "body",
    [
        "reg [3:0] n; always @(posedge clk) if (!rst_n) n <= 0; else n <= n + a; assign y = n;",
        "reg r; always @(posedge clk, negedge rst_n) if (!rst_n) r <= 0; else r <= a; assign y=r;",
        "reg [3:0] m [0:15]; always @(posedge clk) m[a] <= a + 1; assign y = m[~a];",
        "reg [3:0] n; initial n = 5; always @(posedge clk) n <= n ^ a; assign y = n;",
        "reg [3:0] n; always @* case (a) 0: n = 3; default: n = 4'bx; endcase assign y = n;",
    ],
)
def test_what_all_tools_understand_alike_is_not_blamed(tmp_path: Path, body: str) -> None:
    text = f"module t (input clk, rst_n, input [3:0] a, output [3:0] y);\n{body}\nendmodule\n"
    found = compare(tmp_path, text)
    assert (found.differences, found.not_compared) == ((), "")
    assert found.cycles > 100


def test_a_text_that_could_reach_files_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = (
        "module t (input clk, input a, output y); assign y = a;\n"
        f'initial $dumpfile("{mark}"); initial $dumpvars; endmodule'
    )
    path = tmp_path / "t.v"
    path.write_text(text)
    found = read_design([path], "t").front_ends()
    assert "may reach files or programs" in found.not_compared
    assert not mark.exists()


def test_a_text_that_the_simulator_does_not_read_is_not_called_right(tmp_path: Path) -> None:
    text = "module t (input clk, input [7:0] a, output [7:0] y); assign y = '{default: a[0]}; "
    found = compare(tmp_path, f"{text} endmodule", ".sv")
    assert "icarus does not run the text form" in found.not_compared


@pytest.mark.parametrize(
    ("name", "high"),
    [("rst", True), ("rst_n", False), ("aresetn", False), ("rst_ni", False), ("i_reset", True),
     ("nreset", False), ("reset_i", True), ("rstn", False)],
)  # fmt: skip
def test_resets_are_known_by_their_names(tmp_path: Path, name: str, high: bool) -> None:
    path = tmp_path / "t.v"
    path.write_text(f"module t (input {name}, input burst, output y); assign y = {name}; endmodule")
    design = read_design([path], "t").elaborated
    assert design is not None
    assert is_reset(name)
    assert not is_reset("burst")
    assert active_high(design, name) is high
