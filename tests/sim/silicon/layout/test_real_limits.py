"""Limits on layouts of real kits: nothing is over one, from the cells to the clock tree."""

from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.circuit import unit_circuit
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.layout.layout import clocked, closed, lay_out
from consilico.sim.silicon.layout.limits import find_loads, over_limits
from consilico.sim.silicon.layout.place import PlacementOptions
from consilico.sim.silicon.liberty.merge import read_library_text
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.synthesis.synthesize import synthesize
from consilico.sim.units.catalogue import find_unit
from tests.sim.silicon.libraries import SHARED, liberty


def kit_of(name: str, monkeypatch: pytest.MonkeyPatch) -> Kit:
    monkeypatch.setenv("PDK_ROOT", str(SHARED / "pdk"))
    try:
        return find_kit(name)
    except UserError as error:
        pytest.skip(str(error))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("unit", "kit_name", "clock_ns"),
    [
        ("consmax/log2", "nangate45", 4.0),
        ("matmul/dot", "nangate45", 2.0),
        ("matmul/dot", "sky130hd", 8.0),
    ],
)
def test_nothing_is_over_a_limit_with_wires_and_clock_tree(
    unit: str, kit_name: str, clock_ns: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock gate of the 16-lane dot drives 257 flip-flops, five times what it may."""
    kit = kit_of(kit_name, monkeypatch)
    found = find_unit(unit)
    circuit = unit_circuit(found, found.config())
    mapped = synthesize(circuit.text, circuit.top, kit, clock_ns, circuit.clock)
    placed = lay_out(mapped.netlist, circuit.top, kit, circuit.clock, PlacementOptions())
    library = read_liberty((kit.mapping_liberty,))
    netlist = placed.placement.design.netlist
    real = placed.placement.design.changed(netlist, left_out=())
    before = over_limits(find_loads(real, placed.wires, library))
    assert any(each.kind == "capacitance_ff" for each in before)
    after = clocked(closed(placed, kit, circuit.clock, clock_ns), kit, circuit.clock, clock_ns)
    assert after.over_limit == ()
    assert after.closure is not None
    assert after.closure.slack_ns is not None
    assert after.closure.slack_ns >= 0


@pytest.mark.exhaustive
def test_the_merged_files_of_a_kit_keep_the_limits_of_each(tmp_path: Path) -> None:
    files = liberty("asap7")
    merged = tmp_path / "merged.lib"
    merged.write_text(read_library_text(files).render("merged"))
    apart, together = read_liberty(files).cells, read_liberty([merged]).cells
    for name, cell in apart.items():
        for pin, other in zip(cell.pins.values(), together[name].pins.values(), strict=True):
            for limit in ("max_capacitance_f", "max_transition_s", "max_fanout", "fanout_load"):
                assert getattr(pin, limit) == pytest.approx(getattr(other, limit)), (name, pin.name)
