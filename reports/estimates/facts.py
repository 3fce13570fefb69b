"""Facts about the analytical model in the report: predicted next to measured, in each kit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from consilico.sim.base.facts import Facts
from consilico.sim.estimate.nodes.measure import units_to_measure
from consilico.sim.estimate.operators.calibration_state import (
    other_verilog,
    units_measured_otherwise,
)
from consilico.sim.estimate.operators.fit import reach
from consilico.sim.estimate.operators.judge import (
    EstimateErrors,
    PredictedConfig,
    accuracy,
    judge,
    judge_layouts,
)
from consilico.sim.estimate.operators.ladder_table import read_ladder
from consilico.sim.estimate.operators.measurements import read_measurements
from consilico.sim.estimate.operators.ordinary import ORDINARY
from consilico.sim.estimate.operators.tables import (
    KitCosts,
    calibrated_kits,
    read_calibration,
    read_layout,
)
from consilico.sim.units.catalogue import catalogue
from consilico.sim.units.consmax import PAPER

__all__ = [
    "EstimateFacts",
    "KitAccuracy",
    "LayoutAccuracy",
    "LayoutCost",
    "OrdinaryAccuracy",
    "UnitErrors",
    "estimate_facts",
]

_FIRST_KIT = "nangate45"  # that is shown open


@dataclass(frozen=True, kw_only=True)
class UnitErrors(Facts):
    """Relative errors of one unit's configurations that were not in the fit, by metric."""

    unit: str
    count: int  # of configurations
    median: dict[str, float]
    worst: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class OrdinaryAccuracy(Facts):
    """Accuracy of predictions for Verilog that is not ours, by metric."""

    designs: dict[str, dict[str, float]]  # by metric and design: predicted / measured, left out
    median: dict[str, float]  # relative error
    reach: dict[str, float]  # factor between a value and either end of its interval


@dataclass(frozen=True, kw_only=True)
class LayoutCost(Facts):
    """Cost of a design on its layout, relative to its mapped cells, as measured."""

    unit: str
    cells: int  # of the mapped netlist
    energy: float  # dynamic
    path: float
    area: float  # of the cells


@dataclass(frozen=True, kw_only=True)
class LayoutAccuracy(Facts):
    """Accuracy of estimates of the layout."""

    date: str  # of the newest layout
    designs: int  # that factors from mapped cells are fitted to
    units: int  # that these are of
    accuracy: dict[str, EstimateErrors]  # by metric, on designs in neither fit
    unseen: dict[str, float]  # by quantity: median error of the factor of a unit not laid out
    other_verilog: tuple[str, ...]  # units laid out with other Verilog than is generated now
    measured: tuple[LayoutCost, ...]  # every layout


@dataclass(frozen=True, kw_only=True)
class KitAccuracy(Facts):
    """Accuracy of a kit's estimates, and what the kit was calibrated with."""

    corner: str
    voltage_v: float
    clock_ns: float
    date: str
    level: float  # of the intervals
    tools: dict[str, str]
    primitives: int  # single operators that were measured
    fitted: int  # configurations in the fit
    other_verilog: tuple[str, ...]  # units measured with other Verilog than is generated now
    accuracy: dict[str, EstimateErrors]  # by metric
    units: tuple[UnitErrors, ...]
    ordinary: OrdinaryAccuracy
    layout: LayoutAccuracy | None  # None: nothing was laid out in the kit
    rows: tuple[PredictedConfig, ...]  # configurations that were not in the fit


@dataclass(frozen=True, kw_only=True)
class EstimateFacts(Facts):
    """The accuracy of the estimates in every calibrated kit."""

    kits: dict[str, KitAccuracy]  # by name, the report's own first
    families: dict[str, str]  # family by unit


def estimate_facts() -> EstimateFacts:
    """Return the accuracy of the estimates in every calibrated kit."""
    return EstimateFacts(
        kits={
            pdk: _kit(pdk) for pdk in sorted(calibrated_kits(), key=lambda pdk: pdk != _FIRST_KIT)
        },
        families={unit.name: unit.family for unit in (*catalogue().values(), PAPER)},
    )


def _kit(pdk: str) -> KitAccuracy:
    calibration = read_calibration(pdk)
    judged = judge(pdk)
    measured = read_measurements(pdk)
    return KitAccuracy(
        corner=calibration.corner,
        voltage_v=calibration.voltage_v,
        clock_ns=calibration.clock_ns,
        date=calibration.date,
        level=calibration.level,
        tools=calibration.tools,
        primitives=len(measured.primitives),
        fitted=len(measured.fitted),
        other_verilog=tuple(units_measured_otherwise(pdk)),
        accuracy=accuracy(judged),
        units=_units(judged),
        ordinary=_ordinary(calibration),
        layout=_layout(pdk),
        rows=tuple(row for row in judged if row.purpose == "test"),
    )


def _layout(pdk: str) -> LayoutAccuracy | None:
    """Return how right estimates of the layout are, or None where nothing was laid out."""
    table, fitted = read_ladder(pdk), read_layout(pdk)
    if table is None or fitted is None:
        return None
    units = {unit.name: unit for unit in units_to_measure()}
    stale = other_verilog(table.rows, units)
    return LayoutAccuracy(
        date=fitted.date,
        designs=fitted.designs,
        units=len(fitted.units),
        accuracy=accuracy(judge_layouts(pdk)),
        unseen={
            quantity: float(np.median(np.abs(np.array([*ratios.values()]) - 1)))
            for quantity, ratios in fitted.unseen.items()
        },
        other_verilog=tuple(dict.fromkeys(row.unit for row in stale)),
        measured=tuple(
            LayoutCost(
                unit=row.unit,
                cells=row.cells,
                energy=row.factor("energy_pj"),
                path=row.factor("path_ns"),
                area=row.factor("area_um2"),
            )
            for row in table.rows
        ),
    )


def _ordinary(calibration: KitCosts) -> OrdinaryAccuracy:
    """Return how well ordinary designs are predicted by fits without them."""
    errors = {
        metric: np.abs(np.array([*ratios.values()]) - 1)
        for metric, ratios in calibration.plain.left_out.items()
    }
    return OrdinaryAccuracy(
        designs=calibration.plain.left_out,
        median={metric: float(np.median(found)) for metric, found in errors.items()},
        reach={metric: reach(cost, ORDINARY) for metric, cost in calibration.plain.costs.items()},
    )


def _units(judged: Sequence[PredictedConfig]) -> tuple[UnitErrors, ...]:
    """Return the errors of each unit, by metric."""
    own: dict[str, list[PredictedConfig]] = {}
    for row in judged:
        if row.purpose == "test":
            own.setdefault(row.unit, []).append(row)
    found = []
    for unit, rows in own.items():
        errors = accuracy(rows)
        found.append(
            UnitErrors(
                unit=unit,
                count=len(rows),
                median={metric: item.median for metric, item in errors.items()},
                worst={metric: item.worst.error for metric, item in errors.items()},
            )
        )
    return tuple(found)
