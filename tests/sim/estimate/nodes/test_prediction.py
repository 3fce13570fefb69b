"""The error bar of scaling: from a table of measurements, turned the way that is scaled."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.base.tools import tool_versions
from consilico.sim.estimate.nodes import measure as measuring
from consilico.sim.estimate.nodes import prediction
from consilico.sim.estimate.nodes.measure import MeasuredUnit, measured_table
from consilico.sim.estimate.nodes.prediction import (
    BASE,
    error_bar,
    predictions,
    scale_figures,
    spread,
)
from consilico.sim.estimate.nodes.scaling import scaling_factor, technology
from consilico.sim.units.catalogue import catalogue, verilog

RATIOS = (1.1, 1.2, 1.3, 1.4)  # measured to predicted in asap7; one less than it in sky130hd


def _row(unit: str, pdk: str, **given: Any) -> MeasuredUnit:
    values: dict[str, Any] = {
        "config": {}, "corner": "typical", "voltage_v": 1.1, "cells": 1, "operation": "result",
        "clock_ns": 4.0 if pdk == "nangate45" else 1.0, "internal_w": 2e-4, "switching_w": 1e-4,
        "leakage_w": 1e-5, "area_um2": 1.0, "path_ns": 1.0, "energy_pj": 1.0, "node_nm": 45.0,
        "operations_per_cycle": 1.0, "recipe": "area", "source": "normal", "tools": {},
        "liberty_sha256": "", "verilog_sha256": "", "date": "2026-01-01",
    }  # fmt: skip
    return MeasuredUnit(unit=unit, pdk=pdk, **values | given)


def _table() -> tuple[MeasuredUnit, ...]:
    base = {"area_um2": 100.0, "path_ns": 2.0, "energy_pj": 1.0}
    quantities = {"area_um2": "area", "path_ns": "delay", "energy_pj": "energy"}
    rows = []
    for index, ratio in enumerate(RATIOS):
        rows.append(_row(f"unit{index}", "nangate45", **base))
        for pdk, off in (("asap7", ratio), ("sky130hd", ratio - 1)):
            ends = technology("nangate45"), technology(pdk)
            figures = {
                name: base[name] * scaling_factor(quantity, *ends).value * off
                for name, quantity in quantities.items()
            }
            rows.append(_row(f"unit{index}", pdk, **figures))
    rows.append(_row("alone", "asap7", **base))
    return tuple(rows)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four units with known errors, and one that was not measured in the base kit."""
    monkeypatch.setattr(prediction, "measured_table", _table)
    predictions.cache_clear()
    yield
    predictions.cache_clear()


@pytest.mark.usefixtures("table")
def test_errors_that_were_put_in_come_out() -> None:
    found = [one for one in predictions(BASE, "asap7") if one.quantity == "area"]
    assert [one.unit for one in found] == ["unit0", "unit1", "unit2", "unit3"]
    assert [one.ratio for one in found] == pytest.approx(RATIOS)
    assert [one.predicted for one in found] == pytest.approx([5.9] * 4)
    assert [one.error_pct for one in found] == pytest.approx([100 * (1 / r - 1) for r in RATIOS])


@pytest.mark.usefixtures("table")
def test_power_is_compared_at_one_clock() -> None:
    found = next(one for one in predictions(BASE, "asap7") if one.quantity == "power")
    factor = scaling_factor("power", technology(BASE), technology("asap7")).value
    assert found.measured == pytest.approx(3e-4 * 1.0 + 1e-5)
    assert found.predicted == pytest.approx(factor * (3e-4 * 4.0 + 1e-5))


@pytest.mark.usefixtures("table")
def test_two_measured_kits_have_their_own_error_bar_either_way() -> None:
    base, asap7, sky = (technology(name) for name in (BASE, "asap7", "sky130hd"))
    there, back = error_bar("energy", base, asap7), error_bar("energy", asap7, base)
    assert there is not None
    assert back is not None
    assert there.median_ratio == pytest.approx(1.25)
    assert there.figures == 4
    assert there.pairs == ("nangate45 to asap7",)
    assert there.low_ratio == pytest.approx(1.1 + 0.05 * 3 * 0.1)
    assert there.high_ratio == pytest.approx(1.4 - 0.05 * 3 * 0.1)
    assert there.low_ratio * back.high_ratio == pytest.approx(1, rel=0.02)
    wide = error_bar("energy", sky, asap7)
    assert wide is not None
    assert wide.median_ratio == pytest.approx((1.2 / 0.2 + 1.3 / 0.3) / 2)


@pytest.mark.usefixtures("table")
def test_other_nodes_have_that_of_both_pairs_turned_the_way_that_is_scaled() -> None:
    base, node = technology(BASE), technology("22nm")
    down, up = error_bar("energy", base, node), error_bar("energy", node, technology("130"))
    assert down is not None
    assert up is not None
    both = spread([*RATIOS, *(1 / (ratio - 1) for ratio in RATIOS)], [])
    assert down.pairs == ("sky130hd to nangate45", "nangate45 to asap7")
    assert up.pairs == ("nangate45 to sky130hd", "asap7 to nangate45")
    assert down.figures == 8
    assert (down.median_ratio, down.high_ratio) == pytest.approx(
        (both.median_ratio, both.high_ratio)
    )
    assert both.low_ratio > 1
    assert down.low_ratio == 1  # a smaller step may err less
    assert up.high_ratio == 1
    assert up.low_ratio == pytest.approx(1 / down.high_ratio, rel=0.2)
    lower = error_bar("energy", base, technology("asap7", 0.6))
    assert lower is not None
    assert lower.figures == 8  # a kit at another supply is not what was measured


@pytest.mark.usefixtures("table")
def test_a_wider_step_than_between_neighbours_has_the_widest_pairs() -> None:
    bar = error_bar("energy", technology("180"), technology("10"))
    assert bar is not None
    assert bar.pairs == ("sky130hd to asap7",)
    assert bar.median_ratio == pytest.approx((1.2 / 0.2 + 1.3 / 0.3) / 2)


@pytest.mark.usefixtures("table")
def test_where_nothing_was_measured_there_is_no_error_bar() -> None:
    base = technology(BASE)
    assert error_bar("area", base, technology("45")) is None
    assert error_bar("energy", technology("sky130hd"), technology("ihp-sg13g2")) is None
    assert error_bar("area", base, technology("5nm")) is None


@pytest.mark.usefixtures("table")
def test_scaled_figures_carry_value_and_error_bar() -> None:
    result = scale_figures(technology("nangate45"), technology("asap7"), {"area_um2": 1000.0})
    area = result.figures["area_um2"]
    assert area.value == pytest.approx(59)
    assert area.factor == 0.059
    bar = area.by_our_units
    assert bar is not None
    assert (bar.low, bar.median, bar.high) == pytest.approx((59 * 1.115, 59 * 1.25, 59 * 1.385))
    assert bar.bar.pairs == ("nangate45 to asap7",)
    assert (result.basis, area.method) == ("estimated", "tabulated")


@pytest.mark.usefixtures("table")
def test_an_extrapolated_figure_has_no_error_bar() -> None:
    result = scale_figures(technology("nangate45"), technology("5"), {"area_um2": 1000.0})
    assert result.figures["area_um2"].by_our_units is None
    assert result.figures["area_um2"].method == "extrapolated"


@pytest.mark.usefixtures("table")
def test_json_has_each_figure_under_its_name_with_its_error_bar_on_one_level() -> None:
    result = scale_figures(technology("nangate45"), technology("asap7"), {"area_um2": 1000.0})
    data = result.to_json()
    assert set(data) == {"from", "to", "area_um2", "basis", "notes", "sources"}
    assert set(data["area_um2"]) == {"given", "value", "factor", "by_our_units", "method"}
    assert set(data["area_um2"]["by_our_units"]) == {
        "low", "median", "high", "low_ratio", "median_ratio", "high_ratio", "figures", "pairs",
        "rung",
    }  # fmt: skip


# The checked-in table


def _problems(rows: list[MeasuredUnit]) -> list[str]:
    """What makes a table useless: units without a row, or measured under other conditions."""
    wanted = {(row.unit, pdk) for row in rows for pdk in KITS}
    problems = [f"{place} is missing" for place in wanted - {(r.unit, r.pdk) for r in rows}]
    for row in rows:
        place = f"{row.unit} in {row.pdk}"
        if row.path_ns > row.clock_ns or not row.recipe.startswith("area"):
            problems.append(f"{place} is not mapped for area: {row.recipe}")
        if row.clock_ns != KITS[row.pdk]:
            problems.append(f"{place} was measured at {row.clock_ns} ns")
        if row.voltage_v != technology(row.pdk).voltage_v:
            problems.append(f"{place} was measured at {row.voltage_v} V")
        if min(row.area_um2, row.path_ns, row.energy_pj, row.leakage_w) <= 0:
            problems.append(f"{place} has a figure that is not above 0")
    return problems


KITS = {"nangate45": 4.0, "asap7": 2.0, "sky130hd": 16.0}


def test_every_unit_of_the_table_is_measured_alike_in_every_kit() -> None:
    rows = list(measured_table())
    assert _problems(rows) == []
    rows[3] = replace(rows[3], clock_ns=0.5)
    assert len(_problems(rows)) >= 1
    assert len(_problems(rows[1:])) >= 2


# Measuring


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two units in one kit, measured by a stand-in that notes their names."""
    done: list[str] = []

    def measure(unit: Any, kit: Any, clock_ns: float) -> MeasuredUnit:
        if len(done) == 3:
            raise UserError("no space left")
        done.append(unit.name)
        text = verilog(unit, unit.config()).encode()
        return _row(
            unit.name,
            kit.name,
            clock_ns=clock_ns,
            source=measuring.random_source(unit),
            tools=tool_versions(("yosys", "sta", "iverilog", "amaranth")),
            verilog_sha256=hashlib.sha256(text).hexdigest(),
            liberty_sha256=hashlib.sha256(kit.liberty[0].read_bytes()).hexdigest(),
        )

    units = [catalogue()[name] for name in ("consmax/log2", "training/stochastic_round")]
    monkeypatch.setattr(measuring, "TABLE", tmp_path / "table.json")
    monkeypatch.setattr(measuring, "CLOCKS_NS", {"nangate45": 4.0})
    monkeypatch.setattr(measuring, "units_to_measure", lambda: units)
    monkeypatch.setattr(measuring, "_measure", measure)
    return done


def test_measuring_goes_on_where_it_stopped(
    bench: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert measuring.main([]) == 0
    assert bench == ["consmax/log2", "training/stochastic_round"]
    assert measuring.main([]) == 0
    assert len(bench) == 2
    table = json.loads(measuring.TABLE.read_text())["rows"]
    rows = [MeasuredUnit.from_json(row) for row in table]
    rows[1] = replace(rows[1], verilog_sha256="of an older design")
    measuring.TABLE.write_text(measuring.table_text(rows))
    assert measuring.main([]) == 0
    assert bench[2:] == ["training/stochastic_round"]
    rows[0] = replace(rows[0], clock_ns=2.0)
    measuring.TABLE.write_text(measuring.table_text(rows))
    assert measuring.main([]) == 2
    assert "error: no space left" in capsys.readouterr().err


def test_random_traffic_is_what_every_unit_is_measured_on() -> None:
    sources = {unit.name: measuring.random_source(unit) for unit in measuring.units_to_measure()}
    assert sources["consmax/paper"] == "normal"
    assert set(sources.values()) <= {"normal", "uniform"}
