"""What the fit is asked for, on configurations not in it; these fail when the fit drifts."""

from dataclasses import replace
from pathlib import Path

import pytest

from consilico.reports.estimates.facts import estimate_facts
from consilico.sim.estimate.operators.calibrate import CalibrationItem, measure_job
from consilico.sim.estimate.operators.calibration_state import units_measured_otherwise
from consilico.sim.estimate.operators.judge import accuracy, fit_kit, judge
from consilico.sim.estimate.operators.measurements import MeasuredConfig, read_measurements
from consilico.sim.estimate.operators.ordinary import ORDINARY_DESIGNS, OrdinaryDesign
from consilico.sim.estimate.operators.primitives import PRIMITIVES, Primitive, measure_primitive
from consilico.sim.estimate.operators.tables import calibrated_kits, read_calibration
from consilico.sim.silicon.kits.kit import find_kit

ROOT = Path(__file__).parents[4]
LEAST = 60  # configurations to judge by


def rows(pdk: str, purpose: str) -> list[MeasuredConfig]:
    return [row for row in read_measurements(pdk).configs if row.purpose == purpose]


@pytest.mark.parametrize("pdk", calibrated_kits())
def test_a_kit_is_judged_by_enough_configurations_of_all_units_none_of_them_fitted(
    pdk: str,
) -> None:
    tested, fitted = rows(pdk, "test"), rows(pdk, "fit")
    assert len(tested) >= LEAST
    assert {row.unit for row in tested} == {row.unit for row in fitted}
    seen = [(row.unit, row.config) for row in fitted]
    assert not [row for row in tested if (row.unit, row.config) in seen]


@pytest.mark.parametrize("pdk", calibrated_kits())
def test_every_primitive_and_design_of_the_tables_is_there_to_fit_to(pdk: str) -> None:
    table = read_measurements(pdk)
    assert {row.name for row in table.primitives} == {item.name for item in PRIMITIVES}
    assert {row.name for row in table.designs} == {item.name for item in ORDINARY_DESIGNS}


def test_costs_are_what_their_table_is_fitted_to() -> None:
    stored, fitted = read_calibration("nangate45"), fit_kit(read_measurements("nangate45"))
    assert fitted.fitted_sha256 == stored.fitted_sha256
    for costs, again in ((stored.costs, fitted.costs), (stored.plain.costs, fitted.plain.costs)):
        for metric, cost in costs.items():
            assert again[metric].coefficients == pytest.approx(cost.coefficients, rel=1e-6)


@pytest.mark.parametrize("pdk", calibrated_kits())
def test_errors_and_intervals_keep_their_limits(pdk: str) -> None:
    # a unit whose generator has changed since is none of the model's errors
    others = units_measured_otherwise(pdk)
    judged = [row for row in judge(pdk) if row.unit not in others]
    for metric, found in accuracy(judged).items() if judged else ():
        limits = found.limits
        assert limits.median is None or found.median <= limits.median, (metric, found)
        assert limits.p95 is None or found.p95 <= limits.p95, (metric, found)
        assert found.coverage >= limits.coverage, (metric, found)


def test_ordinary_designs_are_within_their_intervals_without_being_in_the_fit() -> None:
    ordinary = estimate_facts().kits["nangate45"].ordinary
    medians = {"area_um2": 0.15, "path_ns": 0.2, "energy_pj": 0.3, "leakage_w": 0.2}
    for metric, limit in medians.items():
        assert ordinary.median[metric] <= limit, metric
        found = ordinary.designs[metric]
        assert found.keys() == {design.name for design in ORDINARY_DESIGNS}
        ratios, reach = found.values(), ordinary.reach[metric]
        assert sum(1 / reach <= ratio <= reach for ratio in ratios) >= 0.85 * len(ratios), metric


def test_a_wrong_cost_would_be_noticed() -> None:
    wrong = []
    for row in judge("nangate45"):
        area = row.metrics["area_um2"]
        metrics = row.metrics | {"area_um2": replace(area, value=1.2 * area.value)}
        wrong.append(replace(row, metrics=metrics))
    assert not accuracy(wrong)["area_um2"].met


def test_calibrating_again_keeps_what_was_measured_of_the_same_verilog_only() -> None:
    job = CalibrationItem(kind="primitive", name="and_or/4")
    (row,) = (row for row in read_measurements("nangate45").primitives if row.name == job.name)
    marked = replace(row, area_um2=1.0)
    assert measure_job(job, "nangate45", marked) == marked
    stale = replace(marked, verilog_sha256="of another text")
    assert measure_job(job, "nangate45", stale) == row
    assert measure_job(job, "nangate45", None) == row


@pytest.mark.parametrize("name", ["add/8", "mux/16", "latch/8", "fifo", "uart"])
def test_a_primitive_measures_as_in_the_table(name: str) -> None:
    known: list[Primitive | OrdinaryDesign] = [*PRIMITIVES, *ORDINARY_DESIGNS]
    (primitive,) = (item for item in known if item.name == name)
    table = read_measurements("nangate45")
    (row,) = (row for row in (*table.primitives, *table.designs) if row.name == name)
    found = measure_primitive(primitive, find_kit("nangate45"), table.clock_ns)
    for metric in ("area_um2", "path_ns", "leakage_w"):
        assert getattr(found, metric) == pytest.approx(getattr(row, metric), rel=0.01)
    for run, before in zip(found.runs, row.runs, strict=True):
        assert run.energy_pj == pytest.approx(before.energy_pj, rel=0.01)
