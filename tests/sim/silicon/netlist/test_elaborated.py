"""Netlists that a preprocessor has to read, or with parameters, become plain ones."""

import gzip
from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.elaborated import plain_netlist
from consilico.sim.silicon.netlist.netlist import Netlist, read_netlist
from tests.sim.silicon.tiny import LIBRARY

CELLS = read_liberty([LIBRARY]).cells
LANE = """
module lane(input clk, d, output q);
  wire n;
  INV u1 (.A(d), .Y(n));
  INV idle (.A(d), .Y()); // drives nothing
  DFF r (.CK(clk), .D(n), .R(1'b0), .Q(q));
endmodule
"""
TOP = """
`include "lane.vh"
module top #(parameter LANES = 1) (input clk, input [LANES-1:0] d, output [LANES-1:0] q);
  genvar g;
  generate for (g = 0; g < LANES; g = g + 1) begin : each
    lane l (.clk(clk), .d(d[g]), .q(q[g]));
  end endgenerate
endmodule
"""


def flat(folder: Path, **options: object) -> Netlist:
    (folder / "top.v").write_text(TOP)
    (folder / "parts").mkdir(exist_ok=True)
    (folder / "parts" / "lane.vh").write_text(LANE)
    given = {"include": [folder / "parts"], **options}
    files = plain_netlist([folder / "top.v"], "top", CELLS, **given)  # type: ignore[arg-type]
    return read_netlist(files, "top", CELLS)


def test_included_modules_and_parameters_make_instances(tmp_path: Path) -> None:
    names = {each.name for each in flat(tmp_path, parameters={"LANES": "3"}).instances}
    assert names == {f"each[{lane}].l/{cell}" for lane in range(3) for cell in ("u1", "idle", "r")}
    assert len(flat(tmp_path).instances) == 3


def test_a_macro_that_is_set_counts(tmp_path: Path) -> None:
    text = "`ifdef TWICE\n`define N 2\n`else\n`define N 1\n`endif\n"
    text += (
        "module top(input a, output [1:0] y);\n  INV u [`N-1:0] (.A(a), .Y(y[`N-1:0]));\nendmodule"
    )
    path = tmp_path / "n.v"
    path.write_text(text)
    for defines, count in (({}, 1), ({"TWICE": ""}, 2)):
        found = read_netlist(plain_netlist(path, "top", CELLS, defines=defines), "top", CELLS)
        assert len(found.instances) == count


def test_a_plain_netlist_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "n.v.gz"
    path.write_bytes(gzip.compress(f"`timescale 1ns/1ps\n// a `macro\n{LANE}".encode()))
    assert plain_netlist(path, "lane", CELLS) == path


def test_files_beyond_the_folders_are_not_included(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "lane.vh").write_text(LANE)
    (inside / "top.v").write_text(TOP.replace("lane.vh", "../lane.vh"))
    with pytest.raises(UserError, match="not below the folders"):
        plain_netlist([inside / "top.v"], "top", CELLS)


def test_a_cell_that_the_library_lacks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "n.v"
    path.write_text("`define CELL NAND9\nmodule top(input a);\n  `CELL u (.A(a));\nendmodule\n")
    with pytest.raises(UserError, match=r"n\.v:3: .*NAND9"):
        plain_netlist(path, "top", CELLS)
