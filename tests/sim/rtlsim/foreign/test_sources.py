"""Designs of several files, as people have them."""

from pathlib import Path

import pytest

from consilico.cli import main
from consilico.sim.base.errors import UserError
from consilico.sim.estimate.operators.elaborate import read_operators
from consilico.sim.rtlsim.foreign import sources
from consilico.sim.rtlsim.foreign.sources import module_names, read_sources

TOP = "module t(input clk, input [7:0] a, output reg [7:0] y);\n"


def census(*paths: Path, include: tuple[Path, ...] = ()) -> dict[str, int]:
    found = read_operators(read_sources(paths, include), "t").census({}).totals()
    return {kind: int(bits) for kind, bits in found.items()}


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


def test_attributes_lifetimes_and_several_modules_in_a_line_are_read(tmp_path: Path) -> None:
    top = write(
        tmp_path / "t.v",
        "(* keep_hierarchy *) module leaf(input a, output y); assign y = ~a; endmodule"
        " module mid(input a, output y); leaf u(.a(a), .y(y)); endmodule\n"
        '(* top, of = "module none" *) // module no\n/* module\nneither; */\n'
        "module automatic t(input clk, input a, output reg q); wire w;\n"
        " mid m(.a(a), .y(w)); always @(posedge clk) q <= w; endmodule",
    )
    assert module_names(read_sources([top]).text) == ["leaf", "mid", "t"]
    assert census(top)["flop"] == 1


def test_a_byte_order_mark_and_older_encodings_are_read(tmp_path: Path) -> None:
    top = tmp_path / "t.v"
    text = f"{TOP}// \xb5m\r\nalways @(posedge clk) y <= a; endmodule\r\n"
    top.write_bytes(b"\xef\xbb\xbf" + text.encode("latin-1"))
    assert census(top) == {"flop": 8}
    top.write_bytes(b"\xef\xbb\xbf" + text.encode("utf-8"))
    assert census(top) == {"flop": 8}
    top.write_bytes(text.encode("latin-1") + b"\0")
    with pytest.raises(UserError, match="is not Verilog text: it holds NUL bytes"):
        read_sources([top])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('`include "/dev/zero"', "t.v:1: /dev/zero is not below the folders of the design; acc"),
        ('\nwire x; `include "/dev/zero"', "t.v:2: /dev/zero is not below the folders"),
        ("`include </dev/zero>", "t.v:1: `include without a name in quotes is not followed"),
        ("`define F x\n`include `F", "t.v:2: `include without a name in quotes"),
        ('`include "../secret"', "t.v:1: ../secret is not below the folders"),
        ('`include "link"', "t.v:1: link is not below the folders"),
        ('`include "folder"', "t.v:1: folder is no plain file"),
        (
            'initial $readmemh("t.v", m);',
            r"t.v:1: .*t.v is no memory file: accepted are digits, not",
        ),
        ('initial $readmemh("/etc/hostname", m);', "t.v:1: /etc/hostname is not below"),
        ('parameter F = "/etc/hostname"; initial $readmemh (F, m);', "/etc/hostname is not below"),
        ("/* so on", "t.v:1: this comment is never closed"),
    ],
)
def test_what_the_design_must_not_reach_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "secret").write_text("wire secret;")
    top = write(tmp_path / "design" / "t.v", text)
    (top.parent / "folder").mkdir()
    (top.parent / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=says):
        read_sources([top])


def test_a_folder_given_may_be_included_from(tmp_path: Path) -> None:
    write(tmp_path / "more" / "secret", "wire allowed;")
    top = write(tmp_path / "design" / "t.v", '`include "../more/secret"\n')
    assert "wire allowed;" in read_sources([top], [tmp_path / "more"]).text


def test_includes_in_comments_and_strings_are_none(tmp_path: Path) -> None:
    text = '// `include "/dev/zero"\n/* `include "/dev/zero" */ wire x = "`include \\" x";\n'
    assert text in read_sources([write(tmp_path / "t.v", text)]).text


def test_a_parameter_may_name_the_file_that_a_memory_is_loaded_from(tmp_path: Path) -> None:
    write(tmp_path / "rom.hex", "00\n01\n")
    text = 'parameter F = "rom.hex"; initial $readmemh(F, m);'
    found = read_sources([write(tmp_path / "t.v", text)])
    assert found.beside == {"memory0": tmp_path / "rom.hex"}
    assert 'F = "memory0"' in found.text


def test_files_that_include_others_twice_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_MOST_BYTES", 100_000)
    for level in range(30):
        name = tmp_path / f"f{level}.v"
        name.write_text(f'`include "f{level + 1}.v"\n' * 2)
    (tmp_path / "f30.v").write_text("wire x;")
    with pytest.raises(UserError, match="more than 100,000 bytes with what is included"):
        read_sources([tmp_path / "f0.v"])


@pytest.mark.parametrize(
    "text",
    [
        "module t #(parameter W = 32'hFFFFFFFF) (input [W-1:0] a); endmodule",
        "module t (input [4294967295:0] a); endmodule",
        "module t; parameter A = 1, B = 64'h1_0000_0000; localparam C = B - 1; wire [C:0] a; endm",
        "module t; part #(.W(32'hffff_ffff)) u (); endmodule module part; wire [W-1:0] x; endm",
        "module t (input [7:0] a); wire x = a[0 +: 3000000000]; endmodule",
    ],
)
def test_a_width_that_wraps_around_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"the range \[.*\] has an end beyond 2,147,483,647; acc"):
        read_sources([write(tmp_path / "t.v", text)])


@pytest.mark.parametrize(
    "text",
    [
        "module t #(parameter SEED = 32'hFFFFFFFF, W = 8) (input [W-1:0] a); endmodule",
        "module t; parameter S = 32'hFFFFFFFF; wire [15:0] x = S[31:16]; endmodule",
        "module t; reg [31:0] a; initial a = 32'hFFFFFFFF; wire x = m[a +: 8]; endmodule",
        "module t; wire [7:0] x = 32'hFFFFFFFF; /* [32'hFFFFFFFF:0] */ endmodule",
        "module t; wire [7:0] x = 32'sb1; parameter W = 32'h7FFFFFFF; wire [W:0] y; endmodule",
    ],
)
def test_large_numbers_elsewhere_are_no_widths(tmp_path: Path, text: str) -> None:
    assert text in read_sources([write(tmp_path / "t.v", text)]).text


def test_vhdl_is_named_as_such(tmp_path: Path) -> None:
    path = write(tmp_path / "t.vhd", "library ieee;\n-- a module\nentity t is\nend entity;\n")
    with pytest.raises(UserError, match=r"t\.vhd is VHDL; accepted: Verilog and SystemVerilog$"):
        read_sources([path])
