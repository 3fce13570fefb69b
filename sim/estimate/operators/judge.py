"""Fit a kit's costs to its table and judge them by configurations that were not in the fit.

``python -m consilico.sim.estimate.operators.judge KIT`` writes ``calibration/KIT.costs.json``.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from consilico.sim.base.files import write_atomic
from consilico.sim.base.results import digest
from consilico.sim.estimate.operators.estimate import estimate_many
from consilico.sim.estimate.operators.fit import LEVEL, METRICS, fit_cost
from consilico.sim.estimate.operators.tables import (
    FOLDER,
    feature_names,
    read_calibration,
    read_rows,
    samples,
)
from consilico.sim.units.catalogue import find_unit

__all__ = ["LIMITS", "accuracy", "fit_kit", "fitted_digest", "judge"]

LIMITS = {  # greatest error allowed: median, 95th percentile
    "area_um2": (0.05, 0.15),
    "path_ns": (0.10, None),
    "energy_per_operation_pj": (0.10, None),
    "leakage_w": (None, None),
}
COVERAGE = 0.85  # of the stated intervals, at least


def fit_kit(table: dict[str, Any]) -> dict[str, Any]:
    """Fit costs to a table's primitives, ordinary designs and configurations marked ``fit``.

    Returns:
        What ``calibration/KIT.costs.json`` holds.
    """
    from consilico.sim.estimate.operators.ordinary import fit_ordinary  # reads Verilog

    rows = [row for row in table["rows"] if "design" not in row and row.get("for") != "test"]
    costs = {metric: fit_cost(samples(rows, metric), feature_names(metric)) for metric in METRICS}
    return {
        "fitted_sha256": fitted_digest(table["pdk"]),
        **{
            name: table[name]
            for name in ("pdk", "corner", "voltage_v", "clock_ns", "date", "tools")
        },
        "level": LEVEL,
        "costs": {metric: cost.to_json() for metric, cost in costs.items()},
        "plain": fit_ordinary(table["rows"], costs["path_ns"]),
        "traffic": _traffic([row for row in table["rows"] if "unit" in row]),
        "largest_um2": _largest(rows),
    }


def fitted_digest(pdk: str) -> str:
    """Return a digest of what a kit's costs are fitted to: measurements and census features.

    It changes when a row of the table, a formula or a generator's Verilog that is read as an
    ordinary design changes, and is quick where a fit takes minutes.
    """
    table = read_rows(pdk)
    rows = [row for row in table["rows"] if "design" not in row and row.get("for") != "test"]
    parts = [
        [sample.unit, np.round(sample.features, 6).tolist(), sample.measured]
        for metric in METRICS
        for sample in samples(rows, metric)
    ]
    designs = [row for row in table["rows"] if "design" in row]
    return digest(parts, designs, *feature_names("path_ns"))


def _largest(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the largest area, in um2, that each unit was fitted to."""
    found: dict[str, float] = {}
    for row in rows:
        if "unit" in row:
            found[row["unit"]] = max(row["area_um2"], found.get(row["unit"], 0.0))
    return found


def _traffic(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return by unit and source the mean statistics of operands, and operations per stated one.

    What goes into a unit, not what it costs, and so that of configurations outside the fit, too.
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        found.setdefault(row["unit"], {}).setdefault(row["source"], []).append(row)
    result: dict[str, Any] = {}
    for name, sources in found.items():
        unit = find_unit(name)
        for source in (item for item in unit.measured_with if item in sources):
            own = sources[source]
            stated = [unit.operations_per_beat(unit.config(**row["config"])) for row in own]
            done = [
                row["operations"] / row["beats"] / each
                for row, each in zip(own, stated, strict=True)
            ]
            result.setdefault(name, {})[source] = {
                "operations": float(np.mean(done)),
                "operands": {
                    operand: {
                        key: float(np.mean([row["operands"][operand][key] for row in own]))
                        for key in ("toggle_rate", "sign_correlation")
                    }
                    for operand in own[0]["operands"]
                },
            }
    return result


def judge(pdk: str) -> list[dict[str, Any]]:
    """Return predicted and measured values of every configuration in a kit's table.

    Returns:
        Rows with ``unit``, ``config``, ``for`` (fit or test) and for each metric ``measured``,
        ``value``, ``low``, ``high``: those of :func:`estimate.estimate`.
    """
    table = read_rows(pdk)
    return [_judged(row, pdk, table["clock_ns"]) for row in table["rows"] if "unit" in row]


def _judged(row: dict[str, Any], pdk: str, clock_ns: float) -> dict[str, Any]:
    unit = find_unit(row["unit"])
    config = unit.config(**row["config"])
    found = estimate_many(unit, [config], pdk, row["source"], row["operands"])
    still_pj = row["leakage_w"] * clock_ns * 1e3
    energy_pj = (row["energy_beat_pj"] + still_pj) * row["beats"] / row["operations"]
    judged = {name: row[name] for name in ("unit", "config", "for", "source")}
    for metric in LIMITS:
        value, low, high = (float(end[0]) for end in found[metric])
        measured = energy_pj if metric == "energy_per_operation_pj" else row[metric]
        judged[metric] = {"measured": measured, "value": value, "low": low, "high": high}
    return judged


def accuracy(judged: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the errors over configurations that were not in the fit.

    Returns:
        By metric: ``median`` and ``p95`` of the relative error, ``coverage`` of the intervals,
        ``worst`` (unit and error), the limits, ``met``, and ``count``.
    """
    rows = [row for row in judged if row["for"] == "test"]
    found = {}
    for metric in LIMITS:
        values = [row[metric] for row in rows]
        errors = np.array([abs(item["value"] / item["measured"] - 1) for item in values])
        inside = [item["low"] <= item["measured"] <= item["high"] for item in values]
        median, p95 = float(np.median(errors)), float(np.quantile(errors, 0.95))
        limits = LIMITS[metric]
        worst = int(errors.argmax())
        found[metric] = {
            "count": len(rows),
            "median": median,
            "p95": p95,
            "coverage": float(np.mean(inside)),
            "worst": {"unit": rows[worst]["unit"], "error": float(errors[worst])},
            "limits": {"median": limits[0], "p95": limits[1], "coverage": COVERAGE},
            "met": (limits[0] is None or median <= limits[0])
            and (limits[1] is None or p95 <= limits[1])
            and bool(np.mean(inside) >= COVERAGE),
        }
    return found


def main() -> None:
    """Fit the kits that are named and print how well that went."""
    for pdk in sys.argv[1:]:
        write_atomic(
            FOLDER / f"{pdk}.costs.json", json.dumps(fit_kit(read_rows(pdk)), indent=1) + "\n"
        )
        read_calibration.cache_clear()
        for metric, found in accuracy(judge(pdk)).items():
            print(
                f"{pdk} {metric:23} {found['count']} configurations: median {found['median']:.1%}, "
                f"95 % within {found['p95']:.1%}, intervals cover {found['coverage']:.0%}; worst "
                f"{found['worst']['unit']} {found['worst']['error']:.0%}"
            )


if __name__ == "__main__":
    main()
