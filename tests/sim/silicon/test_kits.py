"""Every process kit maps registers, gated clocks, latches and adders to cells of its own."""

import json
from pathlib import Path

import pytest

from sim.cli import main
from sim.errors import UserError
from sim.silicon.liberty import read_liberty
from sim.silicon.pdk import describe_kits, find_kit, kit_names
from sim.silicon.synth import synthesize

SHARED = Path(__file__).parents[4] / "shared" / "pdk"
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


@pytest.fixture(autouse=True)
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both variables that people use, pointing at real libraries where those are."""
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path))
    if SHARED.is_dir():
        monkeypatch.setenv("PDK_ROOT", str(SHARED))
        monkeypatch.setenv("FLOW_HOME", str(SHARED / "OpenROAD-flow-scripts" / "flow"))


@pytest.mark.parametrize("name", kit_names())
def test_a_kit_maps_everything_to_its_own_cells(name: str) -> None:
    try:
        kit = find_kit(name)
    except UserError as error:
        pytest.skip(str(error))
    result = synthesize(DESIGN, "all_of_it", kit, 20.0)
    library = {name: cell.area_um2 for name, cell in read_liberty(kit.liberty).cells.items()}
    assert set(result.cells_by_type) <= set(library)
    counted = sum(library[cell] * count for cell, count in result.cells_by_type.items())
    assert result.area_um2 == pytest.approx(counted, rel=1e-4)
    assert result.cells_by_type[kit.roles["latch_high"].cell] >= 4
    if "clock_gate" in kit.roles:
        assert result.cells_by_type[kit.roles["clock_gate"].cell] == 1
    if "full_adder" in kit.roles:
        assert result.cells_by_type[kit.roles["full_adder"].cell] >= 4
    if "flop" in kit.roles:
        assert result.cells_by_type[kit.roles["flop"].cell] == 29
    assert 0 < result.path_ns < 20


def test_every_kit_is_listed_found_or_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("PDK_ROOT", "FLOW_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert main(["pdk", "list", "--json", "-"]) == 0
    found = {kit["pdk"]: kit for kit in json.loads(capsys.readouterr().out)}
    assert set(found) == set(kit_names())
    assert found["nangate45"]["found"]
    assert Path(found["nangate45"]["path"]).exists()
    assert found["nangate45"]["voltage_v"] == 1.1
    assert not found["sky130hd"]["found"]
    assert found["sky130hd"]["path"] is None
    assert "PDK_ROOT" in found["sky130hd"]["how_to_get"]


def test_kits_are_found_by_the_variables_that_people_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "sky130A/libs.ref/sky130_fd_sc_hd/lib"
    place.mkdir(parents=True)
    (place / "sky130_fd_sc_hd__tt_025C_1v80.lib.gz").write_bytes(b"")
    monkeypatch.setenv("PDK_ROOT", str(tmp_path))
    (kit,) = [kit for kit in describe_kits() if kit["pdk"] == "sky130hd"]
    assert kit["path"] == str(place / "sky130_fd_sc_hd__tt_025C_1v80.lib.gz")
