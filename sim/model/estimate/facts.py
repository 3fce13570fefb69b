"""What the report says of the analytical model: predicted beside measured, in each kit."""

from typing import Any

from sim.catalog import catalogue
from sim.model.estimate.judge import accuracy, judge
from sim.model.estimate.tables import calibrated_kits, read_calibration, read_rows

__all__ = ["estimate_facts"]


def estimate_facts() -> dict[str, Any]:
    """Accuracy in every calibrated kit.

    Returns:
        ``kits``: by name what the kit was calibrated with (``corner``, ``voltage_v``,
        ``clock_ns``, ``date``, ``tools``, numbers of ``primitives`` and ``fitted``
        configurations), ``accuracy`` by metric and ``rows``, the configurations that were not in
        the fit; ``families``: family by unit.
    """
    return {
        "kits": {pdk: _kit(pdk) for pdk in calibrated_kits()},
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
        "accuracy": accuracy(judged),
        "units": _units(judged),
        "rows": [row for row in judged if row["for"] == "test"],
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
