"""Wires: lengths into capacitances and resistances, and SPEF there and back."""

import gzip
from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.kits.kitfile import WireLayer, Wires
from consilico.sim.silicon.layout.place import PlacementOptions, place
from consilico.sim.silicon.layout.placement import Placement
from consilico.sim.silicon.layout.spef import read_spef, write_spef
from consilico.sim.silicon.layout.wires import NetWire, route
from consilico.sim.silicon.netlist.netlist import read_netlist
from consilico.sim.silicon.netlist.write import PlainNames, write_netlist
from consilico.sim.silicon.power.arrays import arrange
from tests.sim.silicon.layout.grid import CELLS, grid_design

WIRES = Wires(
    signal=WireLayer(layer="m2", ff_per_um=0.2, ohm_per_um=3.0),
    clock=WireLayer(layer="m5", ff_per_um=0.1, ohm_per_um=1.0),
    source="made up",
)


@pytest.fixture(scope="module")
def placed() -> Placement:
    return place(grid_design(4), PlacementOptions())


@pytest.fixture(scope="module")
def wires(placed: Placement) -> tuple[NetWire, ...]:
    return route(placed, WIRES, clock_nets=[int(placed.design.nets[0])])


def test_a_wire_is_as_long_as_its_tree_and_has_what_its_layer_says(
    placed: Placement, wires: tuple[NetWire, ...]
) -> None:
    assert [wire.net for wire in wires] == placed.design.nets.tolist()
    boxes = placed.half_perimeters_um()
    for wire, box in zip(wires, boxes.tolist(), strict=True):
        assert wire.length_um == pytest.approx(box)  # of two or three pins
        each = 0.1e-15 if wire is wires[0] else 0.2e-15
        assert wire.capacitance_f == pytest.approx(wire.length_um * each)
        assert wire.node_capacitances_f().sum() == pytest.approx(wire.capacitance_f)
        ohms = wire.edge_resistances_ohm().sum()
        assert ohms == pytest.approx(wire.length_um * (1.0 if wire is wires[0] else 3.0))


def test_the_spef_that_is_written_is_read_back(
    placed: Placement, wires: tuple[NetWire, ...], tmp_path: Path
) -> None:
    names = PlainNames(placed.design.netlist)
    path = tmp_path / "grid.spef"
    path.write_text(write_spef(placed.design, wires, names))
    found = read_spef(path)
    wanted = {names.of(wire.net): wire.capacitance_f for wire in wires}
    assert found.keys() == wanted.keys()
    for name, farads in wanted.items():
        assert found[name] == pytest.approx(farads, rel=1e-4)


def test_a_written_netlist_is_the_same_one_and_takes_the_loads_of_its_wires(
    placed: Placement, wires: tuple[NetWire, ...], tmp_path: Path
) -> None:
    netlist = placed.design.netlist
    names = PlainNames(netlist)
    path = tmp_path / "grid.v"
    path.write_text(write_netlist(netlist, names))
    again = read_netlist(path, "grid", CELLS)
    assert [each.cell for each in again.instances] == [each.cell for each in netlist.instances]
    assert [each.name for each in again.instances] == names.instance
    for one, other in zip(again.instances, netlist.instances, strict=True):
        assert one.pins.keys() == other.pins.keys()
    number = {names.of(net): net for net in names.net}
    for name, net in again.names.items():
        connected = [
            sorted(pin for pin in each.pins.items() if pin[1] == net) for each in again.instances
        ]
        before = [
            sorted(pin for pin in each.pins.items() if pin[1] == number[name])
            for each in netlist.instances
        ]
        assert [[pin for pin, _ in each] for each in connected] == [
            [pin for pin, _ in each] for each in before
        ]
    loads = {names.of(wire.net): wire.capacitance_f for wire in wires}
    ideal, real = arrange(again, CELLS).load_f, arrange(again, CELLS, loads).load_f
    assert (real - ideal).sum() == pytest.approx(sum(loads.values()))
    some, farads = next(iter(loads.items()))
    net = again.names[some]
    assert real[net] - ideal[net] == pytest.approx(farads)
    with pytest.raises(UserError, match="has no net 'nowhere' to give a wire to"):
        arrange(again, CELLS, {"nowhere": 1e-15})


SPEF = r"""*SPEF "IEEE 1481-1998"
*DESIGN "x"
*BUS_DELIMITER < >
*C_UNIT 1 PF
*NAME_MAP
*1 data<3>
*2 lane\/sum

*D_NET *1 0.0125
*CONN
*I u1:A I
*CAP
1 u1:A 0.0125
*END
*D_NET *2 2e-3 *V 1
*END
*D_NET plain 0
*END
"""


def test_a_gzipped_spef_is_read_likewise(tmp_path: Path) -> None:
    plain, packed = tmp_path / "x.spef", tmp_path / "x.spef.gz"
    plain.write_text(SPEF)
    packed.write_bytes(gzip.compress(SPEF.encode()))
    assert read_spef(packed) == read_spef(plain)


def test_names_are_mapped_and_bits_are_written_as_netlists_do(tmp_path: Path) -> None:
    path = tmp_path / "x.spef"
    path.write_text(SPEF)
    assert read_spef(path) == pytest.approx({"data[3]": 12.5e-15, "lane/sum": 2e-15, "plain": 0.0})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("*SPEF", "*DEF", "is no SPEF file"),
        ("1 PF", "1 UF", r"line 4: \*C_UNIT must be PF or FF, not UF"),
        ("*C_UNIT 1 PF\n", "", r"a net before \*C_UNIT"),
        ("*D_NET *2 2e-3", "*D_NET *7 2e-3", r"\*7 is not in \*NAME_MAP"),
        ("*D_NET plain 0", "*D_NET *1 0", r"net data\[3\] is given twice"),
        ("*D_NET plain 0", "*D_NET plain -1", "line 17: a capacitance must be 0 or more, not -1"),
        ("*D_NET plain 0", "*D_NET plain nan", "must be 0 or more, not nan"),
    ],
)
def test_a_damaged_spef_is_refused_in_one_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "x.spef"
    assert old in SPEF
    path.write_text(SPEF.replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        read_spef(path)


def test_nothing_else_than_spef_is_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "x.spef"
    path.write_text(SPEF.partition("*D_NET")[0])
    with pytest.raises(UserError, match="has no net"):
        read_spef(path)
