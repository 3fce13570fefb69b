"""Every process kit maps registers, gated clocks, latches and adders to cells of its own."""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.kits.kit import Kit, find_kit, kit_names, liberty_kit
from consilico.sim.silicon.liberty.cellmodels import cell_models
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.synthesis.synthesize import MappedNetlist, synthesize

SHARED = Path(__file__).parents[5] / "shared" / "pdk"
DESIGN = """
module all_of_it(input clk, input e, input l, input [7:0] a, b, output [8:0] s, output [3:0] q,
                 output one);
  wire g; reg [7:0] x, y; reg [8:0] t; reg [3:0] held; wire [3:0] latched;
  consilico_clock_gate gate(.clk(clk), .enable(e), .gclk(g));
  consilico_latch #(.WIDTH(4)) latch(.enable(l), .d(a[3:0]), .q(latched));
  always @(posedge clk) begin x <= a; y <= b; t <= x + y; end
  always @(posedge g) held <= latched;
  assign s = t; assign q = held; assign one = 1'b1;
endmodule
"""

BEHAVIOUR = """
module consilico_clock_gate(input clk, input enable, output gclk);
  reg held; always @* if (!clk) held = enable;
  assign gclk = clk & held;
endmodule
module consilico_latch #(parameter WIDTH = 1) (
  input enable, input [WIDTH-1:0] d, output reg [WIDTH-1:0] q
);
  always @* if (enable) q = d;
endmodule
"""
# a, b and e change with the falling clock, l a while after; outputs are compared before each edge
BENCH = """
module bench;
  reg clk = 0, e = 1, l = 1; reg [7:0] a = 0, b = 0; integer cycle, compared = 0, wrong = 0;
  wire [8:0] s[0:1]; wire [3:0] q[0:1]; wire one[0:1];
  reference right(.clk(clk), .e(e), .l(l), .a(a), .b(b), .s(s[0]), .q(q[0]), .one(one[0]));
  all_of_it mapped(.clk(clk), .e(e), .l(l), .a(a), .b(b), .s(s[1]), .q(q[1]), .one(one[1]));
  task compare; begin
    if (cycle > 6) begin
      compared = compared + 1;
      if ({s[0], q[0], one[0]} !== {s[1], q[1], one[1]}) wrong = wrong + 1;
    end
  end endtask
  initial begin
    for (cycle = 1; cycle < 500; cycle = cycle + 1) begin
      #5 compare; clk = 1;
      #5 compare; clk = 0; a = $random; b = $random; e = cycle < 7 ? cycle : $random;
      #1 l = $random;
    end
    $display("compared %0d wrong %0d", compared, wrong);
  end
endmodule
"""


@pytest.fixture(autouse=True)
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both variables that people use, pointing at real libraries where those are."""
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path))
    if SHARED.is_dir():
        monkeypatch.setenv("PDK_ROOT", str(SHARED))
        monkeypatch.setenv("FLOW_HOME", str(SHARED / "OpenROAD-flow-scripts" / "flow"))


def real_kit(name: str) -> Kit:
    """The kit where this machine has it; skips the test where it does not."""
    try:
        return find_kit(name)
    except UserError as error:
        pytest.skip(str(error))


def check(kit: Kit) -> MappedNetlist:
    """Map the design with a kit; every cell that it asks for must be one of the library."""
    result = synthesize(DESIGN, "all_of_it", kit, 20.0)
    library = read_liberty(kit.liberty).cells
    assert set(result.cells_by_type) <= set(library)
    counted = sum(
        count * (library[cell].area_um2 or kit.areas_um2.get(cell, 0.0))
        for cell, count in result.cells_by_type.items()
    )
    assert result.area_um2 == pytest.approx(counted, rel=1e-4)
    assert result.cells_by_type[kit.roles["latch_high"].cell] >= 4
    if "clock_gate" in kit.roles:
        assert result.cells_by_type[kit.roles["clock_gate"].cell] == 1
    if "full_adder" in kit.roles:
        assert result.cells_by_type[kit.roles["full_adder"].cell] >= 4
    if "flop" in kit.roles:
        assert result.cells_by_type[kit.roles["flop"].cell] == 29
    assert 0 < result.path_ns < 20
    assert mismatches(result, library) == 0
    return result


def mismatches(result: MappedNetlist, library: Mapping[str, Cell]) -> int:
    """Times at which the netlist's outputs are not those of the design."""
    parts = [BENCH, BEHAVIOUR, DESIGN.replace("module all_of_it", "module reference")]
    parts += [result.netlist.read_text(), cell_models(library, result.cells_by_type)]
    with tempfile.TemporaryDirectory() as name:
        source, program = Path(name, "all.v"), Path(name, "all.vvp")
        source.write_text("\n".join(parts))
        subprocess.run(["iverilog", "-g2012", "-o", program, source], check=True)
        run = subprocess.run(["vvp", program], capture_output=True, text=True, check=True)
    found = re.fullmatch(r"compared (\d+) wrong (\d+)", run.stdout.strip())
    assert found is not None, run.stdout
    assert int(found[1]) > 900
    return int(found[2])


@pytest.mark.parametrize("name", kit_names())
def test_a_kit_maps_everything_to_its_own_cells(name: str) -> None:
    check(real_kit(name))


@pytest.mark.parametrize("name", kit_names())
def test_what_a_kit_needs_is_found_in_its_liberty_alone(name: str) -> None:
    named = real_kit(name)
    found = liberty_kit(named.liberty)
    assert found.voltage_v == named.voltage_v
    assert found.node_nm is None
    assert ("flop" in found.roles) == ("flop" in named.roles)
    assert ("full_adder" in found.roles) == ("full_adder" in named.roles)
    # within what kits described by hand scatter among themselves
    assert 0.5 < found.target_ns / named.target_ns < 2.5
    assert 0.5 < found.load_ff / named.load_ff < 3
    check(found)


def test_an_area_that_the_liberty_leaves_out_comes_from_the_kit() -> None:
    kit = real_kit("osu018")
    latches = {"LATCH": read_liberty((kit.mapping_liberty,)).cells["LATCH"].area_um2}
    assert latches == {"LATCH": 56.0}
    assert kit.notes == ()
    assert "LATCH has no area" in liberty_kit(kit.liberty).notes[0]


def test_a_role_with_a_pin_of_the_wrong_sense_gives_a_wrong_netlist() -> None:
    kit = real_kit("nangate45")
    adder = replace(kit.roles["full_adder"], inverted=("sum",))
    wrong = replace(kit, name="wrong", roles={**kit.roles, "full_adder": adder})
    result = synthesize(DESIGN, "all_of_it", wrong, 20.0)
    assert mismatches(result, read_liberty(kit.liberty).cells) > 900
