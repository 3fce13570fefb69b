"""Fit a kit's costs to its table and judge them by configurations that were not in the fit.

``python -m consilico.sim.estimate.operators.judge KIT`` writes ``calibration/KIT.costs.json`` and,
of a kit that was laid out, ``calibration/KIT.factors.json``; with ``--layouts`` the latter alone.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilico.sim.base.facts import Facts
from consilico.sim.base.files import write_atomic
from consilico.sim.base.results import digest
from consilico.sim.estimate.operators.estimate import estimate_many
from consilico.sim.estimate.operators.fit import LEVEL, METRICS, Sample, fit_cost
from consilico.sim.estimate.operators.ladder_factors import fit_layout
from consilico.sim.estimate.operators.ladder_table import MeasuredLadder, MeasuredRung, read_ladder
from consilico.sim.estimate.operators.measurements import (
    KitMeasurements,
    MeasuredConfig,
    read_measurements,
)
from consilico.sim.estimate.operators.primitives import primitive_samples
from consilico.sim.estimate.operators.tables import (
    KitCosts,
    OperandTraffic,
    config_samples,
    costs_path,
    feature_names,
    layout_path,
    read_calibration,
    read_layout,
)
from consilico.sim.units.catalogue import find_unit

__all__ = [
    "LIMITS",
    "AccuracyLimits",
    "EstimateErrors",
    "PredictedConfig",
    "Prediction",
    "WorstError",
    "accuracy",
    "fit_kit",
    "fitted_digest",
    "judge",
    "judge_layouts",
]

COVERAGE = 0.85  # of the stated intervals, at least


@dataclass(frozen=True, kw_only=True)
class AccuracyLimits(Facts):
    """Greatest relative errors allowed, where there is a limit, and the least coverage."""

    median: float | None = None
    p95: float | None = None
    coverage: float = COVERAGE


LIMITS = {
    "area_um2": AccuracyLimits(median=0.05, p95=0.15),
    "path_ns": AccuracyLimits(median=0.10),
    "energy_per_operation_pj": AccuracyLimits(median=0.10),
    "leakage_w": AccuracyLimits(),
}


@dataclass(frozen=True, kw_only=True)
class Prediction(Facts):
    """One metric of a configuration: what was measured, predicted, and the predicted interval."""

    measured: float
    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """The relative error of the predicted value, signed."""
        return self.value / self.measured - 1

    @property
    def covered(self) -> bool:
        """Return whether the interval holds the measured value."""
        return self.low <= self.measured <= self.high


@dataclass(frozen=True, kw_only=True)
class PredictedConfig(Facts):
    """Predictions for a measured configuration, by metric of :data:`LIMITS`."""

    unit: str
    config: dict[str, Any]  # field values by name
    purpose: str  # "test": it was in no fit; "fit" or "default": it was
    source: str  # of its traffic
    metrics: dict[str, Prediction]


@dataclass(frozen=True, kw_only=True)
class WorstError(Facts):
    """The configuration that is predicted worst: its unit and the size of the relative error."""

    unit: str
    error: float


@dataclass(frozen=True, kw_only=True)
class EstimateErrors(Facts):
    """Relative errors of one metric over configurations that were not in the fit."""

    count: int  # of configurations
    median: float
    p95: float  # 95th percentile
    coverage: float  # share of the intervals that hold what was measured
    worst: WorstError
    limits: AccuracyLimits

    derived = ("met",)

    @property
    def met(self) -> bool:
        """Return whether the errors and the coverage keep their limits."""
        return (
            (self.limits.median is None or self.median <= self.limits.median)
            and (self.limits.p95 is None or self.p95 <= self.limits.p95)
            and self.coverage >= self.limits.coverage
        )


def fit_kit(table: KitMeasurements) -> KitCosts:
    """Fit costs to a table's primitives, ordinary designs and configurations marked ``fit``."""
    from consilico.sim.estimate.operators.ordinary import fit_ordinary  # reads Verilog

    costs = {metric: fit_cost(_samples(table, metric), feature_names(metric)) for metric in METRICS}
    return KitCosts(
        fitted_sha256=fitted_digest(table),
        pdk=table.pdk,
        corner=table.corner,
        voltage_v=table.voltage_v,
        clock_ns=table.clock_ns,
        date=table.date,
        tools=table.tools,
        level=LEVEL,
        costs=costs,
        plain=fit_ordinary(table, costs["path_ns"]),
        traffic=_traffic(table.configs),
        largest_um2=_largest(table.fitted),
    )


def fitted_digest(table: KitMeasurements) -> str:
    """Return a digest of what a kit's costs are fitted to: measurements and census features.

    It changes when a row of the table, a formula or a generator's Verilog that is read as an
    ordinary design changes, and is quick where a fit takes minutes.
    """
    parts = [
        [sample.unit, np.round(sample.features, 6).tolist(), sample.measured]
        for metric in METRICS
        for sample in _samples(table, metric)
    ]
    designs = [design.to_json() for design in table.designs]
    return digest(parts, designs, *feature_names("path_ns"))


def _samples(table: KitMeasurements, metric: str) -> list[Sample]:
    """Return what the costs of units are fitted to."""
    return primitive_samples(table.primitives, metric) + config_samples(table.fitted, metric)


def _largest(rows: Iterable[MeasuredConfig]) -> dict[str, float]:
    """Return the largest area, in um2, that each unit was fitted to."""
    found: dict[str, float] = {}
    for row in rows:
        found[row.unit] = max(row.area_um2, found.get(row.unit, 0.0))
    return found


def _traffic(rows: Iterable[MeasuredConfig]) -> dict[str, dict[str, OperandTraffic]]:
    """Return by unit and source the mean statistics of operands, and operations per stated one.

    What goes into a unit, not what it costs, and so that of configurations outside the fit, too.
    """
    found: dict[str, dict[str, list[MeasuredConfig]]] = {}
    for row in rows:
        found.setdefault(row.unit, {}).setdefault(row.source, []).append(row)
    result: dict[str, dict[str, OperandTraffic]] = {}
    for name, sources in found.items():
        unit = find_unit(name)
        for source in (item for item in unit.measured_with if item in sources):
            own = sources[source]
            stated = [unit.operations_per_beat(unit.config(**row.config)) for row in own]
            done = [
                row.operations / row.beats / each for row, each in zip(own, stated, strict=True)
            ]
            result.setdefault(name, {})[source] = OperandTraffic(
                operations=float(np.mean(done)),
                operands={
                    operand: {
                        key: float(np.mean([row.operands[operand][key] for row in own]))
                        for key in ("toggle_rate", "sign_correlation")
                    }
                    for operand in own[0].operands
                },
            )
    return result


def judge(pdk: str) -> list[PredictedConfig]:
    """Return predicted and measured values, at mapped cells, of every configuration in a table.

    The predictions are those of :func:`consilico.sim.estimate.operators.estimate.estimate`.
    """
    table = read_measurements(pdk)
    return [_judged(row, row, "cells", pdk, table.clock_ns) for row in table.configs]


def judge_layouts(pdk: str) -> list[PredictedConfig]:
    """Return predicted and measured values of every layout in a kit; none if there are none.

    Those that are judged by were in neither fit: not of the costs of cells, nor of the factors.
    """
    table = read_ladder(pdk)
    if table is None:
        return []
    calibrated = read_calibration(pdk).largest_um2
    return [
        _judged(row, row.at_layout, "layout", pdk, table.clock_ns)
        for row in table.rows
        if row.unit in calibrated
    ]


def _judged(
    row: MeasuredConfig | MeasuredLadder,
    measured: MeasuredConfig | MeasuredRung,
    rung: str,
    pdk: str,
    clock_ns: float,
) -> PredictedConfig:
    """Return the predictions for the configuration of one row of a kit's table."""
    unit = find_unit(row.unit)
    config = unit.config(**row.config)
    found = estimate_many(unit, [config], pdk, row.source, row.operands, rung)
    still_pj = measured.leakage_w * clock_ns * 1e3
    figures = {
        "area_um2": measured.area_um2,
        "path_ns": measured.path_ns,
        "energy_per_operation_pj": (measured.energy_beat_pj + still_pj)
        * row.beats
        / row.operations,
        "leakage_w": measured.leakage_w,
    }
    metrics = {}
    for metric in LIMITS:
        value, low, high = (float(end[0]) for end in found[metric])
        metrics[metric] = Prediction(measured=figures[metric], value=value, low=low, high=high)
    return PredictedConfig(
        unit=row.unit,
        config=row.config,
        purpose=row.purpose,
        source=row.source,
        metrics=metrics,
    )


def accuracy(judged: Sequence[PredictedConfig]) -> dict[str, EstimateErrors]:
    """Return, by metric, the errors over configurations that were not in the fit."""
    rows = [row for row in judged if row.purpose == "test"]
    found = {}
    for metric, limits in LIMITS.items():
        values = [row.metrics[metric] for row in rows]
        errors = np.array([abs(item.error) for item in values])
        worst = int(errors.argmax())
        found[metric] = EstimateErrors(
            count=len(rows),
            median=float(np.median(errors)),
            p95=float(np.quantile(errors, 0.95)),
            coverage=float(np.mean([item.covered for item in values])),
            worst=WorstError(unit=rows[worst].unit, error=float(errors[worst])),
            limits=limits,
        )
    return found


def main() -> None:
    """Fit the kits that are named and print how well that went."""
    parser = argparse.ArgumentParser(description="Fit costs and factors, and judge them.")
    parser.add_argument("kits", nargs="+")
    parser.add_argument("--layouts", action="store_true", help="only the factors to the layout")
    options = parser.parse_args()
    for pdk in options.kits:
        if not options.layouts:
            costs = fit_kit(read_measurements(pdk))
            write_atomic(costs_path(pdk), json.dumps(costs.to_json(), indent=1) + "\n")
            read_calibration.cache_clear()
            _print_accuracy(pdk, "cells", judge(pdk))
        if (ladder := read_ladder(pdk)) is not None:
            factors = fit_layout(ladder, read_calibration(pdk).costs)
            write_atomic(layout_path(pdk), json.dumps(factors.to_json(), indent=1) + "\n")
            read_layout.cache_clear()
            _print_accuracy(pdk, "layout", judge_layouts(pdk))


def _print_accuracy(pdk: str, rung: str, judged: Sequence[PredictedConfig]) -> None:
    for metric, found in accuracy(judged).items():
        print(
            f"{pdk} {rung} {metric:23} {found.count} configurations: median {found.median:.1%}, "
            f"95 % within {found.p95:.1%}, intervals cover {found.coverage:.0%}; worst "
            f"{found.worst.unit} {found.worst.error:.0%}"
        )


if __name__ == "__main__":
    main()
