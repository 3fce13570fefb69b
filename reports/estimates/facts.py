"""What the report says of the analytical model: predicted beside measured, in each kit."""

from typing import Any

import numpy as np

from consilico.sim.estimate.operators.calibration_state import units_measured_otherwise
from consilico.sim.estimate.operators.fit import reach
from consilico.sim.estimate.operators.judge import accuracy, judge
from consilico.sim.estimate.operators.ordinary import ORDINARY
from consilico.sim.estimate.operators.tables import (
    KitCosts,
    calibrated_kits,
    read_calibration,
    read_rows,
)
from consilico.sim.units.catalogue import catalogue

__all__ = ["estimate_facts"]

_FIRST_KIT = "nangate45"  # that is shown open


def estimate_facts() -> dict[str, Any]:
    """Accuracy in every calibrated kit.

    Returns:
        ``kits``: by name, the report's own first, what the kit was calibrated with (``corner``,
        ``voltage_v``, ``clock_ns``, ``date``, ``tools``, numbers of ``primitives`` and
        ``fitted`` configurations), ``other_verilog``, the units that were measured with other
        Verilog than their generators write now, ``accuracy`` by metric, ``rows``, the
        configurations that were not in the fit, and ``plain``, how well ordinary Verilog is
        predicted; ``families``: family by unit.
    """
    return {
        "kits": {
            pdk: _kit(pdk) for pdk in sorted(calibrated_kits(), key=lambda pdk: pdk != _FIRST_KIT)
        },
        "families": {unit.name: unit.family for unit in catalogue().values()},
    }


def _kit(pdk: str) -> dict[str, Any]:
    calibration = read_calibration(pdk)
    judged = judge(pdk)
    measured = read_rows(pdk)["rows"]
    return {
        "corner": calibration.corner,
        "voltage_v": calibration.voltage_v,
        "clock_ns": calibration.clock_ns,
        "date": calibration.date,
        "level": calibration.level,
        "tools": calibration.tools,
        "primitives": sum("primitive" in row for row in measured),
        "fitted": sum(row.get("for") == "fit" for row in measured),
        "other_verilog": units_measured_otherwise(pdk),
        "accuracy": accuracy(judged),
        "units": _units(judged),
        "plain": _plain(calibration),
        "rows": [row for row in judged if row["for"] == "test"],
    }


def _plain(calibration: KitCosts) -> dict[str, Any]:
    """Ordinary designs: predicted / measured by a fit without them, and half of each interval."""
    errors = {
        metric: np.abs(np.array([*ratios.values()]) - 1)
        for metric, ratios in calibration.left_out.items()
    }
    return {
        "designs": [
            {
                "name": name,
                **{metric: found[name] for metric, found in calibration.left_out.items()},
            }
            for name in calibration.left_out["area_um2"]
        ],
        "median": {metric: float(np.median(found)) for metric, found in errors.items()},
        "reach": {metric: reach(cost, ORDINARY) for metric, cost in calibration.plain.items()},
    }


def _units(judged: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Median error of each unit, by metric."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in judged:
        if row["for"] == "test":
            found.setdefault(row["unit"], []).append(row)
    return [
        {
            "unit": unit,
            "count": len(rows),
            "median": {metric: item["median"] for metric, item in accuracy(rows).items()},
            "worst": {metric: item["worst"]["error"] for metric, item in accuracy(rows).items()},
        }
        for unit, rows in found.items()
    ]
