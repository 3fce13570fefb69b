"""How far the power engine is from OpenSTA 3.1, on netlists whose power OpenSTA has computed.

The cases (netlist, activity, OpenSTA's figures) are no part of the project: what was found is kept
in ``accuracy.json``. Where the cases are at hand,
``python -m consilico.sim.silicon.power.accuracy FOLDER`` writes the table anew; ``FOLDER``
has one folder a case with ``netlist.v``, ``activity.vcd.gz``, ``case.json`` and ``power.json``.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.results import write_atomic
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.power.analyse import analyse

__all__ = ["PARTS", "accuracy_table", "measure_case"]

PARTS = ("internal", "switching", "leakage", "total")
LIMITS_PCT = {"internal": 3.0, "switching": 3.0, "leakage": 3.0, "total": 2.0}
_TABLE = Path(__file__).with_suffix(".json")
_KITS = {"nangate45": "nangate45", "sky130": "sky130hd", "asap7": "asap7"}
_NS = {"ns": 1.0, "ps": 1e-3}


def accuracy_table() -> dict[str, Any]:
    """The table: ``date``, ``reference``, ``limits_pct``, and ``cases`` by :func:`measure_case`."""
    table: dict[str, Any] = json.loads(_TABLE.read_text())
    return table


def measure_case(folder: Path) -> dict[str, Any]:
    """Power of one case by both.

    Returns:
        ``case``, ``kit``, ``corner``, ``voltage_v``, ``clock_ns``, ``toggles``, ``reference`` (the
        tool), ``opensta_w``, ``ours_w`` and ``error_pct``, each by part of the power.

    Raises:
        UserError: If the process kit is missing or a file is damaged.
    """
    case = json.loads((folder / "case.json").read_text())
    reference = json.loads((folder / "power.json").read_text())["Total"]
    kit = find_kit(_KITS[case["pdk"]])
    clock_ns = case["clock_period"] * _NS[case["time_unit"]]
    report = analyse(
        folder / "netlist.v", case["design"], kit.liberty, folder / "activity.vcd.gz",
        case["vcd_scope"], case["clock"], clock_ns,
    )  # fmt: skip
    found = report.total.to_json()
    opensta = {part: float(reference[part]) for part in PARTS}
    ours = {part: found[f"{part}_w"] for part in PARTS}
    return {
        "case": case["design"],
        "kit": kit.name,
        "corner": kit.corner,
        "voltage_v": kit.voltage_v,
        "clock_ns": clock_ns,
        "cells": len(report.instances),
        "toggles": report.toggles,
        "reference": case["tool"],
        "opensta_w": opensta,
        "ours_w": ours,
        "error_pct": {part: (ours[part] / opensta[part] - 1) * 100 for part in PARTS},
    }


def _main(folder: Path) -> None:
    cases = [measure_case(path.parent) for path in sorted(folder.glob("*/case.json"))]
    if not cases:
        raise UserError(f"{folder} holds no case: a folder with case.json, power.json, netlist.v")
    table = {
        "date": datetime.now(UTC).date().isoformat(),
        "reference": sorted({case.pop("reference") for case in cases}),
        "limits_pct": LIMITS_PCT,
        "cases": cases,
    }
    write_atomic(_TABLE, json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m consilico.sim.silicon.power.accuracy FOLDER")
    try:
        _main(Path(sys.argv[1]))
    except UserError as error:
        sys.exit(f"power_accuracy: {error}")
