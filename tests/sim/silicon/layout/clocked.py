"""A placed netlist of NanGate's cells: a shift register, half of it gated, and latches."""

from pathlib import Path

from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.layout.lef import read_lef
from consilico.sim.silicon.layout.place import PlacementOptions, place
from consilico.sim.silicon.layout.placement import Placement, placeable
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import read_netlist

FLOPS, GATED, LATCHES = 70, 45, 12


def shift_register(folder: Path) -> Path:
    """Write flip-flops in a row, some behind a clock gate, that feed latches behind an AND."""
    lines = ["module top(clk, d, go, q);", "input clk, d, go;", f"output [{LATCHES - 1}:0] q;"]
    lines += ["CLKGATE_X1 gate(.CK(clk), .E(go), .GCK(gated));"]
    lines += ["AND2_X1 open(.A1(clk), .A2(go), .ZN(pulse));"]
    for bit in range(FLOPS):
        clock = "gated" if bit < GATED else "clk"
        before = f"s{bit - 1}" if bit else "d"
        lines.append(f"DFF_X1 bit{bit}(.CK({clock}), .D({before}), .Q(s{bit}));")
    for bit in range(LATCHES):
        lines.append(f"DLH_X1 word{bit}(.G(pulse), .D(s{bit}), .Q(q[{bit}]));")
    path = folder / "top.v"
    path.write_text("\n".join([*lines, "endmodule", ""]))
    return path


def placed(netlist: Path, kit: Kit | None = None) -> Placement:
    """Place a netlist of cells with an ideal clock ``clk``."""
    kit = kit or find_kit("nangate45")
    assert kit.rows is not None
    cells = read_liberty((kit.mapping_liberty,)).cells
    flat = read_netlist(netlist, "top", cells)
    clock = flat.ports["clk"][1] if "clk" in flat.ports else ()
    design = placeable(flat, cells, kit.rows.height_um, kit.rows.site_um, read_lef(kit.lef), clock)
    return place(design, PlacementOptions(utilization=0.6))
