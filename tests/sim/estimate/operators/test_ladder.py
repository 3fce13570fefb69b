"""From mapped cells to the layout: the sample, its factors, and estimates by them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from consilico.reports.estimates.facts import _layout
from consilico.sim.base.errors import UserError
from consilico.sim.estimate.nodes.measure import units_to_measure
from consilico.sim.estimate.operators.estimate import estimate, estimate_rtl, layout_factors
from consilico.sim.estimate.operators.fit import Cost
from consilico.sim.estimate.operators.judge import accuracy, judge_layouts
from consilico.sim.estimate.operators.ladder_factors import (
    FACTORED,
    carry_to_layout,
    factors_digest,
    fit_layout,
)
from consilico.sim.estimate.operators.ladder_measure import LayoutItem, _kept, lay_out_item, sample
from consilico.sim.estimate.operators.ladder_table import KitLadder, read_ladder
from consilico.sim.estimate.operators.measurements import read_measurements
from consilico.sim.estimate.operators.tables import (
    LayoutCosts,
    calibrated_kits,
    read_calibration,
    read_layout,
)
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.units.catalogue import find_unit, own_units

KIT = "nangate45"
LEAST_COVERAGE = 0.75
LAID_OUT = [pdk for pdk in calibrated_kits() if read_ladder(pdk) is not None]
DOT = find_unit("matmul/dot")


def ladder(pdk: str = KIT) -> KitLadder:
    found = read_ladder(pdk)
    assert found is not None
    return found


@pytest.mark.exhaustive
def test_the_sample_has_three_configurations_of_each_unit_and_fits_none_that_judge() -> None:
    configs = read_measurements(KIT).configs
    found = sample(configs)
    for purpose in ("fit", "test"):
        own = {row.unit: row for row in found if row.purpose == purpose}
        assert own.keys() == {row.unit for row in configs} <= own_units().keys()
        for unit, item in own.items():
            rows = [row for row in configs if (row.unit, row.purpose) == (unit, purpose)]
            assert item.config == min(rows, key=lambda row: row.area_um2).config
    defaults = {row.unit: row.config for row in found if row.purpose == "default"}
    assert defaults == {unit.name: unit.config().to_json() for unit in units_to_measure()}


@pytest.mark.parametrize("pdk", LAID_OUT)
def test_calibrated_units_are_among_the_layouts_that_factors_are_fitted_to(pdk: str) -> None:
    fitted = read_layout(pdk)
    assert fitted is not None
    assert {*fitted.units} >= {row.unit for row in read_measurements(pdk).configs}


@pytest.mark.parametrize("pdk", LAID_OUT)
def test_factors_are_what_the_layouts_give(pdk: str) -> None:
    costs, stored = read_calibration(pdk).costs, read_layout(pdk)
    assert stored is not None
    assert stored.fitted_sha256 == factors_digest(ladder(pdk), costs)
    again = fit_layout(ladder(pdk), costs)
    for quantity, cost in stored.costs.items():
        assert again.costs[quantity].coefficients == pytest.approx(cost.coefficients, rel=1e-6)


def test_a_layout_that_changes_is_another_digest() -> None:
    costs, table = read_calibration(KIT).costs, ladder()
    (first, *rest) = table.rows
    dearer = replace(first.rungs[-1], energy_beat_pj=1.01 * first.rungs[-1].energy_beat_pj)
    changed = replace(table, rows=(replace(first, rungs=(first.rungs[0], dearer)), *rest))
    assert factors_digest(changed, costs) != factors_digest(table, costs)
    assert factors_digest(replace(table, rows=table.fitted), costs) == factors_digest(table, costs)


@pytest.mark.parametrize("pdk", LAID_OUT)
def test_estimates_of_the_layout_keep_their_limits(pdk: str) -> None:
    for metric, found in accuracy(judge_layouts(pdk)).items():
        limits = found.limits
        assert limits.median is None or found.median <= limits.median, (metric, found)
        assert limits.p95 is None or found.p95 <= limits.p95, (metric, found)
        # chance takes the coverage of so few below the limit, by which the report judges
        assert found.coverage >= LEAST_COVERAGE, (metric, found)


def test_a_wrong_factor_would_be_noticed() -> None:
    wrong = []
    for row in judge_layouts(KIT):
        item = row.metrics["energy_per_operation_pj"]
        metrics = row.metrics | {"energy_per_operation_pj": replace(item, value=0.7 * item.value)}
        wrong.append(replace(row, metrics=metrics))
    assert not accuracy(wrong)["energy_per_operation_pj"].met


def test_without_its_factors_an_energy_of_the_layout_would_be_missed() -> None:
    for row in judge_layouts(KIT):
        item = row.metrics["energy_per_operation_pj"]
        unit = find_unit(row.unit)
        times = layout_factors(unit, unit.config(**row.config), KIT, row.source)["energy_pj"]
        assert item.value / times.value < item.measured


def test_an_answer_is_of_the_layout_and_has_the_way_there() -> None:
    found = estimate(DOT, DOT.config(), KIT, "normal")
    cells = estimate(DOT, DOT.config(), KIT, "normal", rung="cells")
    assert (found.rung, cells.rung) == ("layout", "cells")
    first, last = found.ladder
    assert (first,) == cells.ladder
    for name in ("area_um2", "core_um2", "path_ns", "energy_pj", "leakage_w"):
        assert getattr(last, name) == getattr(found, name)
    assert found.core_um2 is not None
    assert found.core_um2.value > found.area_um2.value
    assert (cells.core_um2, cells.layout, cells.no_layout) == (None, None, "asked for")
    assert found.layout is not None
    assert found.layout.of_unit
    assert found.energy_pj.value > cells.energy_pj.value
    reach = found.energy_pj.high / found.energy_pj.value
    assert reach > cells.energy_pj.high / cells.energy_pj.value  # the factor has an error, too


def test_a_kit_without_wires_ends_at_cells_and_says_so() -> None:
    found = estimate(DOT, DOT.config(), "osu018")
    assert (found.rung, found.no_layout, found.core_um2) == ("cells", "no wires", None)
    with pytest.raises(UserError, match=r"must be cells in osu018 \(no wires\), not 'layout'"):
        estimate(DOT, DOT.config(), "osu018", rung="layout")
    with pytest.raises(UserError, match="must be cells or layout, not 'wires'"):
        estimate(DOT, DOT.config(), rung="wires")


def test_a_design_of_no_laid_out_unit_has_the_wider_interval_of_those_left_out() -> None:
    text = "module t(input clk, input [7:0] a, output reg [7:0] y);\n"
    text += "always @(posedge clk) y <= y + a;\nendmodule"
    fitted = read_layout(KIT)
    assert fitted is not None
    cells, layout = (estimate_rtl(text, "t", KIT, rung=rung) for rung in ("cells", None))
    assert layout.layout is not None
    assert not layout.layout.of_unit
    reaches = [found.area_um2.high / found.area_um2.value for found in (cells, layout)]
    cost = fitted.costs["area_um2"]
    both = np.hypot(np.log(reaches[0]), cost.quantile * cost.spread)
    assert np.log(reaches[1]) == pytest.approx(both)


def test_errors_of_cells_and_of_the_factor_add_up_as_independent_ones() -> None:
    cost = Cost(
        names=("one",), coefficients=(1.5,), factors={"u": 2.0}, spreads={"u": 0.3}, spread=1.0,
        quantile=1.0,
    )  # fmt: skip
    costs = {base: replace(cost, spreads={"u": 0.4}) for base in FACTORED.values()}
    layout = LayoutCosts(
        fitted_sha256="", date="", designs=1, units=("u",), largest_um2=1.0,
        costs=dict.fromkeys(FACTORED, cost), unseen={},
    )  # fmt: skip
    ten = np.array([10.0])
    cells = dict.fromkeys(FACTORED.values(), (ten, ten, ten))
    found = carry_to_layout(cells, costs, dict.fromkeys(FACTORED, np.ones((1, 1, 1))), layout, "u")
    value, low, high = (float(end[0]) for end in found["energy_pj"])
    assert value == pytest.approx(30.0)
    assert (np.log(high / value), np.log(value / low)) == pytest.approx((0.5, 0.5))


def test_what_was_laid_out_is_kept_as_long_as_kit_tools_and_verilog_are_the_same(
    tmp_path: Path,
) -> None:
    table = ladder()
    first, second = table.rows[:2]
    stale = replace(second, verilog_sha256="of another text")
    path = tmp_path / "table.json"
    path.write_text(json.dumps(replace(table, rows=(first, stale)).to_json()))
    assert [*_kept(path, replace(table, rows=())).values()] == [first]
    assert not _kept(path, replace(table, rows=(), tools={"yosys": "0.70"}))
    assert not _kept(tmp_path / "none.json", table)


def test_a_configuration_is_laid_out_as_in_the_table() -> None:
    table = ladder()
    row = min(table.rows, key=lambda row: row.cells)
    item = LayoutItem(unit=row.unit, config=row.config, source=row.source, purpose=row.purpose)
    found = lay_out_item(item, find_kit(KIT), table.clock_ns)
    for ours, theirs in zip(found.rungs, row.rungs, strict=True):
        assert ours.area_um2 == pytest.approx(theirs.area_um2, rel=0.01)
        assert ours.path_ns == pytest.approx(theirs.path_ns, rel=0.02)
        assert ours.energy_beat_pj == pytest.approx(theirs.energy_beat_pj, rel=0.02)


def test_the_report_shows_every_layout() -> None:
    layout = _layout(KIT)
    assert layout is not None
    assert len(layout.measured) == len(ladder().rows)
    assert layout.accuracy["energy_per_operation_pj"].count == sum(
        row.purpose == "test" for row in ladder().rows
    )
