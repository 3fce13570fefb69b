"""What an implementation hands over: other tools find in it what the result says."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from consilico.api import power
from consilico.sim.base.errors import UserError
from consilico.sim.base.processes import work_folder
from consilico.sim.silicon.activity.gatesim import SCOPE
from consilico.sim.silicon.flow import Flow
from consilico.sim.silicon.handover import check_folder
from consilico.sim.silicon.implement import implement
from consilico.sim.silicon.implementation import Implementation
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import read_netlist
from consilico.sim.silicon.timing.sdf import read_sdf
from consilico.sim.silicon.timing.sta import run_sta
from tests.sim.silicon.test_implement import UNIT, DelayConfig

CONFIG = DelayConfig(width=4)
TOP = "test_delay"


@pytest.fixture(scope="module")
def handed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, Implementation]]:
    """A folder that was written, and the result that it goes with."""
    base = tmp_path_factory.mktemp("handover")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONSILICO_CACHE", str(base / "cache"))
        found = implement(
            UNIT, CONFIG, "nangate45", 4.0, flow=Flow(rung="layout"), output=base / "out"
        )
        yield base / "out", found


def test_opensta_finds_the_slack_that_the_metrics_say(handed: tuple[Path, Implementation]) -> None:
    folder, found = handed
    script = f"""
    read_liberty {find_kit("nangate45").mapping_liberty}
    read_verilog {folder / "netlist.v"}
    link_design {TOP}
    read_sdc {folder / "constraints.sdc"}
    read_spef {folder / "wires.spef"}
    puts "SLACK [worst_slack]"
    """
    with work_folder("sta") as work:
        slack = float(run_sta(script, work).split("SLACK")[1])
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["finish__timing__setup__ws"] == pytest.approx(slack, abs=2e-4)
    assert 4.0 - slack == pytest.approx(found.path_ns, abs=2e-4)


def test_the_recording_and_the_wires_give_the_same_power(
    handed: tuple[Path, Implementation],
) -> None:
    folder, found = handed
    report = power(
        folder / "netlist.v", TOP,
        liberty=find_kit("nangate45").liberty, activity=folder / "activity.vcd.gz", scope=SCOPE,
        clock="clk", period_ns=4.0, spef=folder / "wires.spef",
    )  # fmt: skip
    assert report.total.total_w == pytest.approx(found.power.total_w, rel=1e-4)
    assert report.unannotated_pins == 0


def test_the_delays_are_those_of_the_netlist(handed: tuple[Path, Implementation]) -> None:
    folder, _ = handed
    sdf = read_sdf(folder / "delays.sdf")
    assert sdf.arcs
    cells = read_liberty((find_kit("nangate45").mapping_liberty,)).cells
    netlist = read_netlist(folder / "netlist.v", TOP, cells)
    assert {each.name for each in netlist.instances} >= sdf.arcs.keys()


def test_metrics_have_the_names_of_openroad_flow_scripts(
    handed: tuple[Path, Implementation],
) -> None:
    folder, found = handed
    metrics = json.loads((folder / "metrics.json").read_text())
    cells, wires, clock, layout = found.ladder
    assert metrics["synth__design__instance__area__stdcell"] == cells.area_um2
    assert metrics["detailedplace__design__instance__area"] == wires.area_um2
    assert metrics["cts__design__instance__area"] == clock.area_um2
    assert found.clock_tree is not None
    assert found.hold is not None
    assert metrics["cts__clock__skew__setup"] == found.clock_tree.skew_ns
    assert metrics["finish__timing__hold__ws"] == found.hold.worst_slack_ns
    assert metrics["finish__route__wirelength__estimated"] == found.wirelength_um
    assert metrics["finish__design__instance__utilization"] == found.utilisation
    assert metrics["finish__design__core__area"] == layout.core_um2
    assert metrics["finish__design__instance__count"] == found.cells
    assert metrics["finish__power__total"] == found.power.total_w
    assert metrics["constraints__clocks__details"] == ["clk: 4.0000"]


def test_the_index_holds_the_result(handed: tuple[Path, Implementation]) -> None:
    folder, found = handed
    index = json.loads((folder / "implement.json").read_text())
    files = index.pop("files")
    assert files.keys() == {path.name for path in folder.iterdir()} - {"implement.json"}
    assert Implementation.from_json(index).ladder == found.ladder


def test_a_folder_of_ours_is_written_anew_and_what_else_lies_in_it_stays(
    handed: tuple[Path, Implementation], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(handed[0], folder)
    note = folder / "note.txt"
    note.write_text("mine")
    index = json.loads((folder / "implement.json").read_text())
    assert "delays.sdf" in index["files"]
    implement(UNIT, CONFIG, "nangate45", 2.0, output=folder)
    assert note.read_text() == "mine"
    assert "-period 2 " in (folder / "constraints.sdc").read_text()
    assert not (folder / "delays.sdf").exists()  # of the run before, not of this one
    assert not (folder / "wires.spef").exists()
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["netlist.v", "implement.json", "delays.sdf"])
def test_a_file_that_is_not_ours_is_not_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=f"{name} is not as implement wrote it"):
        implement(UNIT, CONFIG, "nangate45", 4.0, output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_that_was_changed_since_is_not_replaced(tmp_path: Path) -> None:
    files = {"netlist.v": "0" * 64}
    (tmp_path / "implement.json").write_text(json.dumps({"files": files}))
    (tmp_path / "netlist.v").write_text("changed")
    with pytest.raises(UserError, match=r"netlist.v is not as implement wrote it"):
        check_folder(tmp_path)
    (tmp_path / "netlist.v").unlink()
    check_folder(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="it is a file; accepted: a folder"):
        implement(UNIT, CONFIG, "nangate45", 4.0, output=tmp_path / "out")
