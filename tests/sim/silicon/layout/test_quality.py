"""Wirelength of real units, next to another placer on the same netlists."""

from pathlib import Path

import pytest

from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.layout.layout import lay_out
from consilico.sim.silicon.layout.place import PlacementOptions
from consilico.sim.silicon.synthesis.synthesize import synthesize
from consilico.sim.units.catalogue import configure, find_unit, verilog

# Half-perimeter wirelength in um by coloquinte 0.4.1 (PyPI) at the same utilization, 0.7.
COLOQUINTE = {
    ("consmax/log2", "", 4.0, 730): 5265,
    ("consmax/split", "", 4.0, 1318): 10302,
    ("matmul/dot", "lanes=8", 2.0, 1671): 21626,
    ("matmul/dot", "lanes=16", 2.0, 3064): 51565,
}


def half_perimeter_um(name: str, setting: str, clock_ns: float, cells: int) -> float:
    unit, kit = find_unit(name), find_kit("nangate45")
    config = configure(unit, [setting] if setting else [])
    mapped = synthesize(verilog(unit, config), unit.module_name, kit, clock_ns)
    if mapped.cells != cells:
        pytest.skip(f"the netlist has {mapped.cells} cells, the one that was placed had {cells}")
    found = lay_out(mapped.netlist, unit.module_name, kit, "clk", PlacementOptions())
    assert found.placement.problems() == []
    assert found.utilization == pytest.approx(0.7, abs=0.01)
    return found.placement.wirelength_um


def test_a_small_unit_is_placed_at_least_as_well_as_by_coloquinte() -> None:
    case = next(iter(COLOQUINTE))
    assert half_perimeter_um(*case) <= COLOQUINTE[case]


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", list(COLOQUINTE)[1:], ids=lambda case: f"{case[0]} {case[1]}")
def test_units_are_placed_at_least_as_well_as_by_coloquinte(
    case: tuple[str, str, float, int],
) -> None:
    assert half_perimeter_um(*case) <= COLOQUINTE[case]


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
