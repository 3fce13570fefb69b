"""A hand-made library of inverters and buffers in two strengths, and layouts with it."""

from pathlib import Path

import numpy as np

from consilico.sim.silicon.kits.kitfile import WireLayer, Wires
from consilico.sim.silicon.layout.legalization import legalize
from consilico.sim.silicon.layout.place import port_slots
from consilico.sim.silicon.layout.placement import Placement, placeable, plan_core
from consilico.sim.silicon.liberty.library import Library
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import read_netlist
from tests.sim.silicon.small import DFF, HEAD, LATCH, write

ROW_UM, SITE_UM = 1.0, 0.25
WIRES = Wires(
    signal=WireLayer(layer="m2", ff_per_um=0.2, ohm_per_um=5.0),
    clock=WireLayer(layer="m5", ff_per_um=0.1, ohm_per_um=1.0),
    source="made up",
)


def graded(name: str, function: str, area: float, strength: float, limits: str) -> str:
    """A cell of input A (1 fF per strength) and output Y.

    Delay and slew are 10 ps, and 10 ps per fF of load and strength.
    """
    table = f'index_1 ("0, 100"); values ("0.01, {0.01 + 1 / strength}");'
    tables = " ".join(
        f"{kind} (by_load) {{ {table} }}"
        for kind in ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
    )
    return f"""
    cell ({name}) {{ area : {area};
      pin (A) {{ direction : input; capacitance : {strength}; }}
      pin (Y) {{ direction : output; function : "{function}"; {limits}
        timing () {{ related_pin : "A"; {tables} }} }} }}
    """


def library(tmp_path: Path, limits: str = "") -> Library:
    """Return the library; ``limits`` are attributes of every weak output, strong ones bear more."""
    thresholds = "delay_model : table_lookup;" + "".join(
        f"{kind}_{edge} : {percent};"
        for edge in ("rise", "fall")
        for kind, percent in (
            ("input_threshold_pct", 50),
            ("output_threshold_pct", 50),
            ("slew_lower_threshold_pct", 20),
            ("slew_upper_threshold_pct", 80),
        )
    )
    head = (
        HEAD
        + thresholds
        + """
      lu_table_template (by_load) { variable_1 : total_output_net_capacitance; index_1 ("0, 100"); }
    """
    )
    cells = [
        graded("INV_1", "!A", 0.5, 1, limits or "max_capacitance : 20;"),
        graded("INV_4", "!A", 1.0, 4, limits or "max_capacitance : 80;"),
        graded("BUF_1", "A", 0.75, 1, limits or "max_capacitance : 20;"),
        graded("BUF_4", "A", 1.5, 4, limits or "max_capacitance : 80;"),
    ]
    return read_liberty([write(tmp_path / "graded.lib", *cells, DFF, LATCH, head=head)])


def fan_out(sinks: int, driver: str = "INV_1") -> str:
    """Return a netlist of one driver behind an inverter of its own, and its sinks."""
    lines = ["INV_4 first (.A(a), .Y(n));", f"{driver} driver (.A(n), .Y(many));"]
    lines += [f"INV_1 sink{each} (.A(many), .Y(y[{each}]));" for each in range(sinks)]
    return f"module top(input a, output [{sinks - 1}:0] y); {' '.join(lines)} endmodule"


def scattered(tmp_path: Path, text: str, cells: Library, utilization: float = 0.5) -> Placement:
    """Return a legal placement of a netlist, by chance; a port ``clk`` is an ideal clock."""
    path = tmp_path / "top.v"
    path.write_text(text)
    netlist = read_netlist(path, "top", cells.cells)
    _, clock = netlist.ports.get("clk", ("input", ()))
    design = placeable(netlist, cells.cells, ROW_UM, SITE_UM, left_out=clock)
    core = plan_core(design, utilization)
    rng = np.random.default_rng(1)
    x, y = legalize(
        design.widths_um,
        core,
        rng.random(design.cells) * core.width_um,
        rng.random(design.cells) * core.height_um,
    )
    return Placement(
        design=design,
        core=core,
        x_um=x,
        y_um=y,
        flipped=np.zeros(design.cells, dtype=np.bool_),
        port_xy_um=port_slots(core, len(design.ports)),
    )
