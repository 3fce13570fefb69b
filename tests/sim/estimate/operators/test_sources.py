"""Designs of several files, as people have them."""

from pathlib import Path

import pytest

from consilico.cli import main
from consilico.sim.base.errors import UserError
from consilico.sim.estimate.operators.dataflow import read_dataflow
from consilico.sim.estimate.operators.elaborate import elaborated
from consilico.sim.estimate.operators.rtl import rtl_census
from consilico.sim.estimate.operators.rtl_reader import read_design
from consilico.sim.estimate.operators.sources import read_sources

TOP = "module t(input clk, input [7:0] a, output reg [7:0] y);\n"


def census(*paths: Path, include: tuple[Path, ...] = ()) -> dict[str, int]:
    text = elaborated(read_sources(paths, include), "t")
    return rtl_census(read_design(read_dataflow(text, "t")))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_modules_may_stand_in_several_files(tmp_path: Path) -> None:
    top = write(tmp_path / "t.v", f"{TOP}wire [7:0] s; part u(a, s);\n"
                "always @(posedge clk) y <= s; endmodule")  # fmt: skip
    part = write(tmp_path / "part.v", "module part(input [7:0] p, output [7:0] q);\n"
                 "assign q = p * 8'd1 + p; endmodule")  # fmt: skip
    assert census(top, part) == census(part, top)
    assert census(top, part)["flop"] == 8


def test_included_files_are_found_beside_and_in_the_folders_given(tmp_path: Path) -> None:
    write(tmp_path / "width.vh", '`include "deeper.vh"\n')
    write(tmp_path / "include" / "deeper.vh", "`define WIDTH 6\n")
    top = write(tmp_path / "t.v", f'`include "width.vh"\n{TOP}'
                "always @(posedge clk) y <= a[`WIDTH-1:0]; endmodule")  # fmt: skip
    assert census(top, include=(tmp_path / "include",)) == {"flop": 6}
    with pytest.raises(UserError, match=r"deeper\.vh"):
        census(top)


def test_memories_are_loaded_from_files_beside(tmp_path: Path) -> None:
    write(tmp_path / "rom.hex", "00\n01\n02\n03\n")
    top = write(tmp_path / "t.v", f"{TOP}reg [7:0] m [0:3];\n"
                'initial $readmemh("rom.hex", m);\n'
                "always @(posedge clk) y <= m[a[1:0]]; endmodule")  # fmt: skip
    assert census(top) == {"table": 3 + 1, "flop": 8}


def test_an_error_names_the_line_of_its_own_file(tmp_path: Path) -> None:
    write(tmp_path / "w.vh", "wire z;\nwire z2;\n")
    top = write(tmp_path / "t.v", f'{TOP}`include "w.vh"\nwire ok;\nwire ;\nendmodule')
    with pytest.raises(UserError, match=rf"^{top}:4: syntax error"):
        census(top)
    write(tmp_path / "w.vh", "wire z;\nwire ;\n")
    with pytest.raises(UserError, match=rf"^{tmp_path / 'w.vh'}:2: syntax error"):
        census(top)


def test_a_path_may_have_blanks(tmp_path: Path) -> None:
    top = write(tmp_path / "a b" / "t.v", f"{TOP}always @(posedge clk) y <= a; endmodule")
    assert census(top) == {"flop": 8}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere is not a folder"):
        read_sources([], [tmp_path / "nowhere"])


def test_a_file_that_includes_itself_is_named(tmp_path: Path) -> None:
    top = write(tmp_path / "t.v", '`include "t.v"\n')
    with pytest.raises(UserError, match=r"t\.v includes itself"):
        read_sources([top])


def test_the_command_takes_files_and_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "h" / "w.vh", "`define W 8\n")
    part = write(tmp_path / "part.v", '`include "w.vh"\nmodule part(input [`W-1:0] p,'
                 " output [`W-1:0] q); assign q = ~p; endmodule\n")  # fmt: skip
    top = write(tmp_path / "t.v", f"{TOP}wire [7:0] s; part u(a, s);\n"
                "always @(posedge clk) y <= s; endmodule")  # fmt: skip
    files = ["--rtl", str(top), "--rtl", str(part), "--top", "t"]
    assert main(["estimate", *files, "--include", str(tmp_path / "h")]) == 0
    assert "flop" in capsys.readouterr().out
    assert main(["estimate", *files]) == 2
    error = capsys.readouterr().err
    assert "w.vh" in error
    assert error.count("\n") == 1


def test_a_bus_that_goes_both_ways_is_driven(tmp_path: Path) -> None:
    top = write(tmp_path / "t.v", "module t(input clk, input en, input [7:0] a, inout [7:0] io);\n"
                "reg [7:0] r; assign io = en ? r : 8'bz;\n"
                "always @(posedge clk) r <= a ^ io; endmodule")  # fmt: skip
    found = census(top)
    assert (found["flop"], found["xor"]) == (8, 8)
