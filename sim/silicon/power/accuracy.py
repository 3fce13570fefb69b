"""Compare the power engine with OpenSTA 3.1, on netlists whose power OpenSTA has computed.

The cases (netlist, activity, OpenSTA's figures) are no part of the project: what was found is kept
in ``accuracy.json``. Where the cases are at hand, the command
``python -m consilico.sim.silicon.power.accuracy FOLDER`` writes the table anew; ``FOLDER`` has one
folder per case with ``netlist.v``, ``activity.vcd.gz``, ``case.json`` and ``power.json``.
"""

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.files import write_atomic
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.power.analysis import analyze_power

__all__ = ["PARTS", "AccuracyCase", "AccuracyTable", "accuracy_table", "measure_case"]

PARTS = ("internal", "switching", "leakage", "total")
_LIMITS_PCT = {"internal": 3.0, "switching": 3.0, "leakage": 3.0, "total": 2.0}
_TABLE = Path(__file__).with_suffix(".json")
_KITS = {"nangate45": "nangate45", "sky130": "sky130hd", "asap7": "asap7"}
_NS = {"ns": 1.0, "ps": 1e-3}


@dataclass(frozen=True, kw_only=True)
class AccuracyCase(Facts):
    """The power of one netlist by OpenSTA and by the engine; dictionaries are by each of PARTS."""

    case: str  # name of the design
    kit: str
    corner: str
    voltage_v: float
    clock_ns: float
    cells: int
    toggles: float  # of all nets, in the recording
    opensta_w: dict[str, float]
    ours_w: dict[str, float]
    error_pct: dict[str, float]  # of ours against OpenSTA's


@dataclass(frozen=True, kw_only=True)
class AccuracyTable(Facts):
    """All cases, and how far the engine may be off."""

    date: str  # ISO 8601
    reference: tuple[str, ...]  # versions and settings of OpenSTA
    limits_pct: dict[str, float]  # by each of PARTS
    cases: tuple[AccuracyCase, ...]


def accuracy_table() -> AccuracyTable:
    """Return the checked-in table that compares powers with those of OpenSTA."""
    return AccuracyTable.from_json(json.loads(_TABLE.read_text()))


def measure_case(folder: Path) -> AccuracyCase:
    """Compute the power of one case, and compare it with OpenSTA's.

    Args:
        folder: The case's files.

    Raises:
        UserError: If the process kit is missing or a file is damaged.
    """
    case = json.loads((folder / "case.json").read_text())
    reference = json.loads((folder / "power.json").read_text())["Total"]
    kit = find_kit(_KITS[case["pdk"]])
    clock_ns = case["clock_period"] * _NS[case["time_unit"]]
    report = analyze_power(
        folder / "netlist.v", case["design"], kit.liberty, folder / "activity.vcd.gz",
        case["vcd_scope"], case["clock"], clock_ns,
    )  # fmt: skip
    opensta = {part: float(reference[part]) for part in PARTS}
    ours: dict[str, float] = {part: getattr(report.total, f"{part}_w") for part in PARTS}
    return AccuracyCase(
        case=case["design"],
        kit=kit.name,
        corner=kit.corner,
        voltage_v=kit.voltage_v,
        clock_ns=clock_ns,
        cells=len(report.instances),
        toggles=report.toggles,
        opensta_w=opensta,
        ours_w=ours,
        error_pct={part: (ours[part] / opensta[part] - 1) * 100 for part in PARTS},
    )


def _write_table(folder: Path) -> None:
    cases = sorted(folder.glob("*/case.json"))
    if not cases:
        raise UserError(f"{folder} holds no case: a folder with case.json, power.json, netlist.v")
    table = AccuracyTable(
        date=datetime.now(UTC).date().isoformat(),
        reference=tuple(sorted({json.loads(case.read_text())["tool"] for case in cases})),
        limits_pct=_LIMITS_PCT,
        cases=tuple(measure_case(case.parent) for case in cases),
    )
    write_atomic(_TABLE, json.dumps(table.to_json(), indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m consilico.sim.silicon.power.accuracy FOLDER")
    try:
        _write_table(Path(sys.argv[1]))
    except UserError as error:
        sys.exit(f"power accuracy: {error}")
