"""The check with OpenROAD, on programs that behave as its documentation says, and that do not."""

import json
import os
from pathlib import Path

import pytest

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.silicon.flow import Flow
from consilico.sim.silicon.implement import implement
from consilico.sim.silicon.kits.kit import find_kit, liberty_kit
from consilico.sim.silicon.layout.layout import PhysicalLayout, lay_out
from consilico.sim.silicon.layout.place import PlacementOptions
from consilico.sim.silicon.openroad import check_openroad, route_with_openroad
from tests.sim.silicon.test_implement import UNIT, DelayConfig

GOOD = {"global_route__wirelength": 240, "route__wirelength": 210.5, "route__drc_errors": 0}
FAKE = """#!/usr/bin/env python3
import pathlib, sys
script = pathlib.Path(sys.argv[-1]).read_text()
order = ["read_lef", "read_liberty", "read_def", "global_route", "detailed_route"]
places = [script.index(command) for command in order]
assert places == sorted(places) and "-exit" in sys.argv and "-no_splash" in sys.argv
text = pathlib.Path("placed.def").read_text()
assert "TRACKS" in text and "+ LAYER metal" in text and "END NETS" in text
{body}
"""
WRITE = 'pathlib.Path(sys.argv[sys.argv.index("-metrics") + 1]).write_text({text!r})'


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder on PATH in which a test puts its openroad."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "cache"))
    return folder


def put(folder: Path, body: str) -> None:
    program = folder / "openroad"
    program.write_text(FAKE.format(body=body))
    program.chmod(0o755)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> PhysicalLayout:
    """A small netlist, laid out."""
    netlist = tmp_path_factory.mktemp("netlist") / "top.v"
    netlist.write_text(
        "module top(clk, a, y); input clk; input a; output y; wire n, m;\n"
        "DFF_X1 f (.D(a), .CK(clk), .Q(n)); INV_X1 i (.A(n), .ZN(m));\n"
        "INV_X1 j (.A(m), .ZN(y)); endmodule\n"
    )
    return lay_out(netlist, "top", find_kit("nangate45"), "clk", PlacementOptions())


def test_the_difference_is_shown(fake: Path) -> None:
    put(fake, WRITE.format(text=json.dumps(GOOD)))
    config, flow = DelayConfig(width=4), Flow(rung="wires", check_with="openroad")
    found = implement(UNIT, config, "nangate45", 4.0, prove=False, flow=flow)
    router = found.router
    assert router is not None
    assert router.estimated_um == found.wirelength_um
    assert (router.global_route_um, router.detailed_route_um, router.drc_errors) == (240, 210.5, 0)
    assert router.routed_over_estimated == pytest.approx(210.5 / router.estimated_um)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "OpenROAD wrote no metrics"),
        (WRITE.format(text="not JSON"), "OpenROAD wrote no metrics"),
        (WRITE.format(text="[]"), "they are no JSON object"),
        (
            WRITE.format(text=json.dumps(GOOD | {"route__wirelength": "210"})),
            "no route__wirelength that is a number: '210'",
        ),
        (
            WRITE.format(text=json.dumps({"global_route__wirelength": 240})),
            "no route__wirelength that is a number: None",
        ),
        (
            'print("[ERROR GRT-0118] Routing congestion too high."); sys.exit(1)',
            "OpenROAD failed with status 1: .*GRT-0118",
        ),
    ],
)
def test_what_is_not_as_documented_is_refused(
    fake: Path, layout: PhysicalLayout, body: str, message: str
) -> None:
    put(fake, body)
    with pytest.raises(ToolError, match=message):
        route_with_openroad(layout, find_kit("nangate45"))


def test_what_is_missing_is_said_in_one_line(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = find_kit("nangate45")
    put(fake, "")
    with pytest.raises(UserError, match="has no LEF of its technology here"):
        check_openroad(liberty_kit(kit.liberty))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="there is no openroad on PATH"):
        check_openroad(kit)


def test_only_what_is_placed_can_be_routed() -> None:
    with pytest.raises(UserError, match="--check-with openroad is for a layout, not for --rung"):
        Flow(check_with="openroad")
    with pytest.raises(UserError, match="--check-with must be openroad, not 'innovus'"):
        Flow(rung="wires", check_with="innovus")
