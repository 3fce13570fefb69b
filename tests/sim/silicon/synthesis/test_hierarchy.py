"""Area by module and by purpose, with module boundaries kept."""

from pathlib import Path

import pytest

from consilico.sim.base.errors import ToolError
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.synthesis.hierarchy import (
    HierarchicalArea,
    MarkedDesign,
    area_by_module,
    marked_unit,
)
from consilico.sim.silicon.synthesis.synthesize import RECIPES, synthesize
from consilico.sim.units.catalogue import configure, find_unit, verilog

DESIGN = """
module half(input clk, input [7:0] a, b, output reg [15:0] p);
  always @(posedge clk) p <= a * b;
endmodule
module top(input clk, e, input [7:0] a, b, input [2:0] at, output [15:0] p, output reg [7:0] r);
  reg [7:0] words [0:7]; wire [15:0] one, two;
  half first(clk, a, b, one);
  half second(clk, b, a ^ b, two);
  assign p = one ^ two;
  always @(posedge clk) begin if (e) words[at] <= a; r <= words[b[2:0]]; end
endmodule
"""


@pytest.fixture
def kit(cache: Path) -> Kit:
    return find_kit("nangate45")


def marked(text: str) -> MarkedDesign:
    """Mark what Verilog writes as ``*`` and as arrays."""
    purposes = (("t:$mul", "multipliers"), ("t:$mem t:$mem_v2 %u", "memories"))
    return MarkedDesign(text=text, read="read_verilog -sv rtl.v", purposes=purposes)


def split(kit: Kit, text: str = DESIGN) -> HierarchicalArea:
    return area_by_module(marked(text), "top", kit, 4.0, RECIPES[0].name)


def test_anyones_verilog_is_split_by_module_and_by_purpose(kit: Kit) -> None:
    found = split(kit)
    assert set(found.by_module_um2) == {"top", "first", "second"}
    assert found.by_module_um2["top"] == pytest.approx(found.area_um2)
    assert sum(found.by_purpose_um2.values()) == pytest.approx(found.area_um2)
    halves = found.by_module_um2["first"] + found.by_module_um2["second"]
    flop = read_liberty(kit.liberty).cells["DFF_X1"].area_um2
    assert found.by_purpose_um2["multipliers"] == pytest.approx(halves - 32 * flop, rel=0.02)
    assert found.by_purpose_um2["registers"] >= 32 * flop
    assert found.by_purpose_um2["memories"] > 64 * flop  # its words, and choosing among them
    flat = synthesize(DESIGN, "top", kit, 4.0).area_um2
    assert found.area_um2 == pytest.approx(flat, rel=0.2)


def test_a_wider_multiplier_shows_where_it_is(kit: Kit) -> None:
    narrow, wide = split(kit), split(kit, DESIGN.replace("p <= a * b", "p <= a * b * b"))
    assert wide.by_module_um2["first"] > 1.5 * narrow.by_module_um2["first"]
    assert wide.by_purpose_um2["multipliers"] > 1.5 * narrow.by_purpose_um2["multipliers"]
    assert wide.by_purpose_um2["memories"] == pytest.approx(
        narrow.by_purpose_um2["memories"], rel=0.02
    )


def test_files_of_a_generator_tell_what_its_logic_is_for(kit: Kit) -> None:
    unit = find_unit("consmax/split")
    config = configure(unit, [])
    design = marked_unit(unit, config)
    assert str(Path.cwd()) not in design.text
    found = area_by_module(design, unit.module_name, kit, 4.0, RECIPES[0].name)
    assert {"consmax_split", "lane0", "finish0", "table0", "table1"} == set(found.by_module_um2)
    latch = read_liberty(kit.liberty).cells["DLH_X1"].area_um2
    tables = found.by_module_um2["table0"] + found.by_module_um2["table1"]
    assert tables > 2 * 16 * 15 * latch
    assert found.by_purpose_um2["memories"] > tables  # choosing a word is in the lane
    assert 0.02 < found.by_purpose_um2["multipliers"] / found.area_um2 < 0.2  # of 8 x 8 bits
    flat = synthesize(verilog(unit, config), unit.module_name, kit, 4.0).area_um2
    assert found.area_um2 == pytest.approx(flat, rel=0.15)


def test_verilog_that_yosys_cannot_read_is_one_error(kit: Kit) -> None:
    with pytest.raises(ToolError, match=r"^mapping top with its modules kept: yosys failed"):
        split(kit, "module top(input a; endmodule")
