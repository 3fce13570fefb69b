"""Synthesis and timing on designs small enough to know the answer."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.silicon.kits.kit import Kit, find_kit, kit_names
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.synthesis import synthesize as synth
from consilico.sim.silicon.synthesis.synthesize import synthesize
from consilico.sim.silicon.timing.opensta import longest_path
from consilico.sim.units.catalogue import find_unit, verilog

ADDER = """
module adder(input clk, input [15:0] a, b, output reg [15:0] s);
  reg [15:0] x, y;
  always @(posedge clk) begin x <= a; y <= b; s <= x + y; end
endmodule
"""
GATED = """
module gated(input clk, input e, input [3:0] d, output [3:0] q);
  wire g; reg [3:0] r;
  consilico_clock_gate gate(.clk(clk), .enable(e), .gclk(g));
  always @(posedge g) r <= d;
  assign q = r;
endmodule
module consilico_clock_gate(input clk, input enable, output gclk);
  reg held;
  always @* if (!clk) held = enable;
  assign gclk = clk & held;
endmodule
"""


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kit:
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path))
    return find_kit("nangate45")


def test_tight_clock_buys_speed_with_area(kit: Kit) -> None:
    slow, fast = (synthesize(ADDER, "adder", kit, clock) for clock in (4.0, 0.45))
    assert fast.path_ns < slow.path_ns <= 4.0
    assert fast.area_um2 > slow.area_um2
    assert len(slow.tried) == 1  # the smallest recipe met the clock
    assert len(fast.tried) >= 2


def test_area_is_the_sum_of_the_cells(kit: Kit) -> None:
    result = synthesize(ADDER, "adder", kit, 4.0)
    cells = read_liberty(kit.liberty).cells
    counted = sum(cells[name].area_um2 * count for name, count in result.cells_by_type.items())
    assert result.area_um2 == pytest.approx(counted)
    assert result.cells_by_type["DFF_X1"] == 48
    assert result.cells_by_type["FA_X1"] >= 8  # the library's adder is used


def test_clock_gate_becomes_the_kits_cell(kit: Kit) -> None:
    result = synthesize(GATED, "gated", kit, 4.0)
    assert result.cells_by_type == {"CLKGATE_X1": 1, "DFF_X1": 4}


def test_clock_gate_without_such_a_cell_becomes_latch_and_gate(kit: Kit) -> None:
    roles = {name: role for name, role in kit.roles.items() if name != "clock_gate"}
    poor = Kit(**{**kit.__dict__, "roles": roles})
    counts = synthesize(GATED, "gated", poor, 4.0).cells_by_type
    assert counts.pop("DLL_X1") == 1
    assert counts.pop("DFF_X1") == 4
    assert sum(counts.values()) == 1  # the gate


def test_damaged_netlist_in_the_cache_is_made_again(kit: Kit) -> None:
    first = synthesize(ADDER, "adder", kit, 4.0)
    whole = first.netlist.read_text()
    first.netlist.write_text(whole[: len(whole) // 2])
    assert synthesize(ADDER, "adder", kit, 4.0).netlist.read_text() == whole


def test_netlists_swapped_in_the_cache_are_made_again(kit: Kit) -> None:
    designs = ((ADDER, "adder"), (GATED, "gated"))
    first, second = (synthesize(text, top, kit, 4.0) for text, top in designs)
    texts = [found.netlist.read_text() for found in (first, second)]
    keys = [found.netlist.name.partition("-")[0] for found in (first, second)]
    assert keys[0] != keys[1]
    for found in (first, second):
        ours, other = keys if found is first else keys[::-1]
        found.netlist.rename(found.netlist.with_name(found.netlist.name.replace(ours, f"_{other}")))
    for path in first.netlist.parent.glob("_*"):
        path.rename(path.with_name(path.name[1:]))
    again = [synthesize(text, top, kit, 4.0).netlist for text, top in designs]
    assert [path.name for path in again] == [first.netlist.name, second.netlist.name]
    assert [path.read_text() for path in again] == texts


def _dying(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a Yosys on the PATH that is killed when it maps, until the file returned is removed."""
    real = shutil.which("yosys")
    program, dies = folder / "yosys", folder / "dies"
    dies.touch()
    program.write_text(
        f'#!/bin/sh\nif [ "$1" != -V ] && [ -e {dies} ]; then kill -9 $$; fi\nexec {real} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return dies


def test_a_yosys_that_dies_once_leaves_nothing_in_the_cache(
    kit: Kit, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = synthesize(ADDER, "adder", kit, 4.0)
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path_factory.mktemp("cache")))
    dies = _dying(tmp_path_factory.mktemp("bin"), monkeypatch)
    with pytest.raises(
        ToolError, match=r"^mapping adder \(area; .*\): yosys was killed by SIGKILL$"
    ):
        synthesize(ADDER, "adder", kit, 4.0)
    dies.unlink()
    again = synthesize(ADDER, "adder", kit, 4.0)
    assert (again.recipe, again.area_um2) == (right.recipe, right.area_um2)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 0", "OpenSTA printed nothing"),
        ("kill -9 $$", "OpenSTA was killed by SIGKILL"),
        ("echo Error: no licence", "OpenSTA failed: Error: no licence"),
        ("echo hello", "OpenSTA found no path length of n: hello"),
        ("printf 'PATH 0.1'", "OpenSTA found no path length of n: PATH 0.1"),  # of 0.123
    ],
)
def test_an_opensta_that_fails_is_named(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, problem: str
) -> None:
    kit.mapping_liberty  # noqa: B018 (made before the fake is in the way)
    program = tmp_path / "sta"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(ToolError) as caught:
        longest_path(tmp_path / "n.v", "n", kit, "clk", 4.0)
    assert str(caught.value).strip() == problem


def test_verilog_that_yosys_cannot_read_is_an_error(kit: Kit) -> None:
    with pytest.raises(ToolError, match=r"^mapping broken \(.*\): yosys failed .*syntax error"):
        synthesize("module broken(input a; endmodule", "broken", kit, 4.0)


def test_missing_yosys_is_named(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=r"^yosys is not installed; get it with: apt-get install"):
        synthesize(ADDER, "adder", kit, 4.0)


def test_path_of_a_chain_grows_with_it(kit: Kit) -> None:
    def chain(length: int) -> float:
        inner = "\n".join(
            f"wire w{n}; XOR2_X1 g{n}(.A(w{n - 1}), .B(w{n - 1}), .Z(w{n}));"
            for n in range(1, length + 1)
        )
        netlist = kit.mapping_liberty.with_name(f"chain{length}.v")
        netlist.write_text(
            "module chain(clk, d, q); input clk, d; output q; wire w0;\n"
            f"DFF_X1 first(.D(d), .CK(clk), .Q(w0));\n{inner}\n"
            f"DFF_X1 last(.D(w{length}), .CK(clk), .Q(q));\nendmodule\n"
        )
        return longest_path(netlist, "chain", kit, "clk", 4.0).path_ns

    short, long = chain(2), chain(12)
    assert 0.1 < short < 0.4
    assert 10 * 0.03 < long - short < 10 * 0.08  # an XOR2_X1 takes about 0.05 ns here


@pytest.mark.parametrize(("clock", "unclocked"), [("ck", 2), ("c1", 1)])
def test_registers_that_the_clock_does_not_reach_are_refused(
    kit: Kit, tmp_path: Path, clock: str, unclocked: int
) -> None:
    netlist = tmp_path / "n.v"
    netlist.write_text(
        "module two(c1, c2, d, q); input c1, c2, d; output q; wire w;\n"
        "DFF_X1 first(.D(d), .CK(c1), .Q(w)); DFF_X1 last(.D(w), .CK(c2), .Q(q)); endmodule\n"
    )
    message = f"^{unclocked} of 2 flip-flops of two are not clocked by a port '{clock}'; accepted"
    with pytest.raises(UserError, match=message):
        longest_path(netlist, "two", kit, clock, 4.0)


def test_broken_netlist_is_an_error_though_sta_exits_with_0(kit: Kit, tmp_path: Path) -> None:
    netlist = tmp_path / "n.v"
    netlist.write_text("module top(clk); input clk; NOSUCH_X1 u(.A(clk)) endmodule")
    with pytest.raises(ToolError, match=r"OpenSTA failed"):
        longest_path(netlist, "top", kit, "clk", 4.0)


def test_unknown_kit_lists_those_there_are() -> None:
    with pytest.raises(UserError, match=r"^unknown process kit 'n3'; there are: .*nangate45"):
        find_kit("n3")
    assert "nangate45" in kit_names()


def test_default_unit_uses_only_cells_of_the_library(kit: Kit) -> None:
    unit = find_unit("consmax/log2")
    result = synthesize(verilog(unit, unit.config()), unit.module_name, kit, 4.0)
    used = set(re.findall(r"^  (\S+) \S+ +\($", result.netlist.read_text(), re.M))
    assert used == set(result.cells_by_type)
    assert used <= set(read_liberty(kit.liberty).cells)
    assert synth.RECIPES[0].name == result.recipe


def test_multiplexers_that_yosys_shares_late_are_mapped_too(kit: Kit) -> None:
    unit = find_unit("matmul/quantize")
    fields: dict[str, Any] = {"lanes": 2, "group": 32, "result": "int4"}
    config = unit.config(**fields)
    result = synthesize(verilog(unit, config), unit.module_name, kit, 2.0)
    assert not [cell for cell in result.cells_by_type if cell.startswith("$")]
