"""Wirelength of real units, next to another placer on the same netlists."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.layout.layout import lay_out
from consilico.sim.silicon.layout.place import PlacementOptions
from consilico.sim.silicon.layout.placement import Placement
from consilico.sim.silicon.synthesis.synthesize import synthesize
from consilico.sim.units.catalogue import configure, find_unit, verilog

CASES = [
    ("consmax/log2", "", 4.0),
    pytest.param("consmax/split", "", 4.0, marks=pytest.mark.exhaustive),
    pytest.param("matmul/dot", "lanes=8", 2.0, marks=pytest.mark.exhaustive),
    pytest.param("matmul/dot", "lanes=16", 2.0, marks=pytest.mark.exhaustive),
]


def nm(um: Any) -> list[int]:
    return [round(1000 * float(each)) for each in um]


def half_perimeter_by_coloquinte_um(placement: Placement) -> float:
    """Return what coloquinte makes of the same cells, nets, rows and places of ports.

    The ports lie where our placer has them, which favours it.
    """
    coloquinte = pytest.importorskip("coloquinte", reason="no wheel of it for this Python")
    design, core = placement.design, placement.core
    cells, ports = design.cells, len(design.ports)
    row = nm([core.row_um])[0]
    circuit = coloquinte.Circuit(cells + ports)
    circuit.cell_width = nm(design.widths_um) + [0] * ports
    circuit.cell_height = [row] * cells + [0] * ports
    circuit.cell_is_fixed = [False] * cells + [True] * ports
    circuit.cell_is_obstruction = [True] * cells + [False] * ports
    circuit.cell_x = nm([core.width_um / 2] * cells) + nm(placement.port_xy_um[:, 0])
    circuit.cell_y = nm([core.height_um / 2] * cells) + nm(placement.port_xy_um[:, 1])
    circuit.cell_orientation = [coloquinte.CellOrientation.N] * (cells + ports)
    for first, end in pairwise(design.starts.tolist()):
        objects = design.pin_object[first:end].tolist()
        circuit.add_net(objects, nm(design.pin_x_um[first:end]), nm(design.pin_y_um[first:end]))
    mirrored = coloquinte.CellOrientation.N, coloquinte.CellOrientation.FS
    width = nm([core.width_um])[0]
    circuit.rows = [
        coloquinte.Row(
            coloquinte.Rectangle(0, width, number * row, (number + 1) * row), mirrored[number % 2]
        )
        for number in range(core.rows)
    ]
    parameters = coloquinte.ColoquinteParameters(3, 1)  # its default effort, a seed
    circuit.place_global(parameters)
    circuit.legalize(parameters)
    circuit.place_detailed(parameters)
    return float(circuit.hpwl()) / 1000


@pytest.mark.parametrize(("name", "setting", "clock_ns"), CASES)
def test_units_are_placed_at_least_as_well_as_by_coloquinte(
    name: str, setting: str, clock_ns: float
) -> None:
    unit, kit = find_unit(name), find_kit("nangate45")
    config = configure(unit, [setting] if setting else [])
    mapped = synthesize(verilog(unit, config), unit.module_name, kit, clock_ns)
    found = lay_out(mapped.netlist, unit.module_name, kit, "clk", PlacementOptions()).placement
    assert found.problems() == []
    other_um = half_perimeter_by_coloquinte_um(found)
    assert other_um > 4000  # it placed something
    assert found.wirelength_um <= other_um
    # and it is a placement: cells side by side in any order have far longer wires
    order = np.random.default_rng(1).permutation(found.design.cells)
    assert found.moved(found.x_um[order], found.y_um[order]).wirelength_um > 2 * other_um


@pytest.mark.parametrize("name", ["sky130hd", "asap7", "ihp-sg13g2"])
def test_kits_without_lef_are_laid_out_too(
    name: str, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PDK_ROOT", str(shared / "pdk"))
    monkeypatch.setenv("FLOW_HOME", str(shared / "pdk" / "OpenROAD-flow-scripts" / "flow"))
    kit = find_kit(name)
    unit = find_unit("training/stochastic_round")
    config = configure(unit, ["lanes=1"])
    mapped = synthesize(verilog(unit, config), unit.module_name, kit, 20.0)
    found = lay_out(mapped.netlist, unit.module_name, kit, "clk", PlacementOptions())
    assert kit.lef == ()
    assert found.placement.problems() == []
    assert 1.0 <= found.wirelength_um / found.placement.wirelength_um < 1.5  # trees over boxes
