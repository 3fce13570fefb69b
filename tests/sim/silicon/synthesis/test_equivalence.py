"""The proof that a netlist is its RTL, and netlists that are not."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.synthesis.equivalence import (
    EquivalenceProof,
    cached_proof,
    prove_netlist,
)
from consilico.sim.silicon.synthesis.synthesize import MappedNetlist, synthesize

SHARED = Path(__file__).parents[5] / "shared" / "pdk"
# Registers and latches behind a clock gate each, an enable, a register that is always 0, and
# twice the same: all that synthesis changes or drops.
DESIGN = """
module top(input clk, rst, e, l, input [7:0] a, b, output [8:0] s, output [3:0] q, output z);
  wire g, w; reg [7:0] x, y; reg [8:0] t; reg [3:0] held, twice; wire [3:0] latched; reg zero = 0;
  consilico_clock_gate gate(.clk(clk), .enable(e), .gclk(g));
  consilico_clock_gate write(.clk(clk), .enable(l), .gclk(w));
  consilico_latch #(.WIDTH(4)) latch(.enable(w), .d(a[3:0]), .q(latched));
  always @(posedge clk) begin
    x <= a; if (e) y <= b; t <= x + y; twice <= b[3:0]; zero <= zero & l;
    if (rst) t <= 0;
  end
  always @(posedge g) held <= latched ^ twice ^ y[3:0];
  assign s = t; assign q = held; assign z = zero;
endmodule
module consilico_clock_gate(input clk, input enable, output gclk);
  reg held;
  always @* if (!clk) held = enable;
  assign gclk = clk & held;
endmodule
module consilico_latch #(parameter WIDTH = 1) (
  input enable, input [WIDTH-1:0] d, output reg [WIDTH-1:0] q
);
  always @* if (enable) q = d;
endmodule
"""


@pytest.fixture
def kit(cache: Path) -> Kit:
    return find_kit("nangate45")


@pytest.fixture
def mapped(kit: Kit) -> MappedNetlist:
    return synthesize(DESIGN, "top", kit, 4.0)


def prove(kit: Kit, mapped: MappedNetlist, netlist: str, verilog: str = DESIGN) -> EquivalenceProof:
    library = read_liberty((kit.mapping_liberty,))
    cells = set(mapped.cells_by_type) | set(re.findall(r"^  ([A-Z]\w+_X\d) ", netlist, re.M))
    return prove_netlist(verilog, netlist, "top", library, cells, 60.0)


def test_a_right_netlist_is_proved(kit: Kit, mapped: MappedNetlist) -> None:
    proof = prove(kit, mapped, mapped.netlist.read_text())
    assert proof.verdict == "equivalent"
    assert proof.unproved_points == 0
    flops = mapped.cells_by_type["DFF_X1"]
    assert proof.proved_points >= 2 * flops + 14  # data and clock of each, and the outputs


@pytest.mark.parametrize(
    ("pattern", "replacement", "point"),
    [
        (r"AND2_X1 ", "OR2_X1 ", r"\(D\)"),  # another function
        (r"\.CK\(\\gate\.gclk \)", ".CK(clk)", r"(held|q)\[\d\] \(C\)"),  # past the clock gate
        (r"\.D\(a\[0\]\)", ".D(a[1])", r"(x|latched|latch\.q|latch\.d)\[0\] \(D\)"),  # other bit
        (r"\.G\(\S+ \)", ".G(\\\\gate.gclk )", r"\(E\)"),  # another latch enable
    ],
)
def test_a_wrong_netlist_is_told_from_its_rtl(
    kit: Kit, mapped: MappedNetlist, pattern: str, replacement: str, point: str
) -> None:
    wrong, count = re.subn(pattern, replacement, mapped.netlist.read_text(), count=1)
    assert count == 1
    proof = prove(kit, mapped, wrong)
    assert proof.verdict == "different"
    assert proof.proved_points == 0
    assert re.search(point, proof.unproved[0])


def test_other_registers_are_not_proved(kit: Kit) -> None:
    """A counter and a ring do the same, but not register by register."""
    head = "module top(input clk, rst, output o);"
    counter = (
        head
        + """
      reg [1:0] n; assign o = n == 3;
      always @(posedge clk) n <= rst ? 0 : n + 1;
    endmodule"""
    )
    ring = (
        head
        + """
      reg [3:0] hot; assign o = hot[3];
      always @(posedge clk) hot <= rst ? 1 : {hot[2:0], hot[3]};
    endmodule"""
    )
    proof = prove(
        kit, found := synthesize(ring, "top", kit, 4.0), found.netlist.read_text(), counter
    )
    assert proof.verdict == "not proven"
    assert proof.proved_points == 0
    assert any(name.startswith("n[") for name in proof.unproved)


RESET = """
module top(input clk, rst, input [3:0] d, output reg [3:0] q);
  always @(posedge clk or posedge rst) if (rst) q <= 4'd5; else q <= d;
endmodule
"""


def test_asynchronous_resets_are_compared(kit: Kit) -> None:
    found = synthesize(RESET, "top", kit, 4.0)
    netlist = found.netlist.read_text()
    assert prove(kit, found, netlist, RESET).verdict == "equivalent"
    other = RESET.replace("4'd5", "4'd7")
    assert prove(kit, found, netlist, other).verdict != "equivalent"
    plain = RESET.replace("or posedge rst) if (rst) q <= 4'd5; else", ")")
    assert prove(kit, found, netlist, plain).verdict == "not proven"


def test_a_net_without_a_driver_proves_nothing(kit: Kit, mapped: MappedNetlist) -> None:
    text, count = re.subn(r"  INV_X1 \S+ \([^;]*\);\n", "", mapped.netlist.read_text(), count=1)
    assert count == 1
    proof = prove(kit, mapped, text)
    assert proof.verdict == "not proven"
    assert proof.unproved[0].endswith(" is not driven")


def test_a_latch_of_gates_proves_nothing(kit: Kit) -> None:
    loop = """
    module top(input s, r, output q);
      wire n; NOR2_X1 a(.A1(r), .A2(n), .ZN(q)); NOR2_X1 b(.A1(s), .A2(q), .ZN(n));
    endmodule"""
    rtl = "module top(input s, r, output q); assign q = s & ~r; endmodule"
    library = read_liberty((kit.mapping_liberty,))
    proof = prove_netlist(rtl, loop, "top", library, ["NOR2_X1"], 60.0)
    assert proof.verdict == "not proven"
    assert proof.unproved == ("a combinational loop, or a latch made of gates",)


def test_time_that_is_up_proves_nothing(
    kit: Kit, mapped: MappedNetlist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_abc(tmp_path, monkeypatch, "kill -XCPU $$")
    proof = prove(kit, mapped, mapped.netlist.read_text())
    assert proof.verdict == "not proven"
    assert proof.unproved == ("no answer within 60 s",)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("kill -9 $$", "abc was killed by SIGKILL"),
        ("exit 0", "abc compared nothing"),
        ("echo no licence; exit 1", "abc failed with status 1: no licence"),
    ],
)
def test_an_abc_that_fails_is_an_error_and_no_verdict(
    kit: Kit,
    mapped: MappedNetlist,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    problem: str,
) -> None:
    fake_abc(tmp_path, monkeypatch, script)
    with pytest.raises(ToolError, match=problem):
        prove(kit, mapped, mapped.netlist.read_text())


def fake_abc(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "yosys-abc"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_proof_is_made_once(kit: Kit, mapped: MappedNetlist, cache: Path) -> None:
    first = cached_proof(DESIGN, mapped, "top", kit, 60.0)
    (entry,) = (cache / "proof").iterdir()
    written = entry.stat().st_mtime_ns
    assert cached_proof(DESIGN, mapped, "top", kit, 60.0) == first
    assert entry.stat().st_mtime_ns == written
    other = mapped.netlist.with_name("other.v")
    other.write_text(mapped.netlist.read_text().replace(".D(a[0])", ".D(a[1])"))
    wrong = replace(mapped, netlist=other)
    assert cached_proof(DESIGN, wrong, "top", kit, 60.0).verdict == "different"


@pytest.mark.parametrize("name", ["asap7", "ihp-sg13g2"])
def test_flip_flops_that_store_the_complement_or_have_a_reset_are_proved(
    name: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PDK_ROOT", str(SHARED))
    monkeypatch.setenv("FLOW_HOME", str(SHARED / "OpenROAD-flow-scripts" / "flow"))
    try:
        other = find_kit(name)
    except UserError as error:
        pytest.skip(str(error))
    found = synthesize(DESIGN, "top", other, 20.0)
    assert cached_proof(DESIGN, found, "top", other, 60.0).verdict == "equivalent"
