"""Targets of the ConSmax units: which netlist is judged, and on what."""

from typing import Any

import pytest

from consilico.reports.consmax.error_curve import error_curve
from consilico.reports.consmax.judgements import (
    ENERGY_CLOCK_NS,
    beyond_together,
    judge_consmax,
    judge_targets,
    representative,
)


@pytest.fixture
def points(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Every netlist of the ConSmax units; all targets are met."""
    found: list[dict[str, Any]] = facts["consmax"]["implementations"]
    return found


def _row(rows: list[dict[str, Any]], quantity: str, architecture: str) -> dict[str, Any]:
    return next(
        row for row in rows if (row["quantity"], row["architecture"]) == (quantity, architecture)
    )


def test_area_and_path_are_of_one_netlist(points: list[dict[str, Any]]) -> None:
    for point in points:  # only the netlist for 1.1 ns keeps both limits
        if point["unit"] == "consmax/log2" and point["lanes"] == 1:
            tight = point["clock_ns"] == 1.1
            point["result"] |= {"area_um2": 1650.0 if tight else 1200.0}
            point["result"] |= {"path_ns": 1.09 if tight else 1.3}
    rows = judge_targets(points)
    area, path = (_row(rows, name, "consmax/log2") for name in ("area, one lane", "longest path"))
    assert (area["clock_ns"], path["clock_ns"]) == (1.1, 1.1)
    assert (area["measured"], path["measured"]) == (1650.0, 1.09)
    assert area["met"]
    assert path["met"]
    assert area["others"] == [{"clock_ns": 4.0, "value": 1200.0, "met": True}]
    assert path["others"] == [{"clock_ns": 4.0, "value": 1.3, "met": False}]


def test_no_netlist_within_both_limits_is_a_miss(points: list[dict[str, Any]]) -> None:
    for point in points:  # small and slow, or fast and large
        if point["unit"] == "consmax/log2" and point["lanes"] == 1:
            tight = point["clock_ns"] < 1.2
            point["result"] |= {"area_um2": 1800.0 if tight else 1200.0}
            point["result"] |= {"path_ns": 1.0 if tight else 1.6}
    rows = judge_targets(points)
    area, path = (_row(rows, name, "consmax/log2") for name in ("area, one lane", "longest path"))
    assert not (area["met"] and path["met"])
    assert area["clock_ns"] == path["clock_ns"]


def test_nearest_netlist_to_the_limits_represents(points: list[dict[str, Any]]) -> None:
    chosen = representative(points, "consmax/split")
    assert chosen is not None
    assert chosen["clock_ns"] == ENERGY_CLOCK_NS
    assert representative([], "consmax/split") is None


def test_energy_of_a_tight_netlist_is_given_at_250_mhz(points: list[dict[str, Any]]) -> None:
    for point in points:
        if point["unit"] == "consmax/log2" and point["lanes"] == 1:
            point["result"]["path_ns"] = 1.05 if point["clock_ns"] == 1.1 else 1.3
    other = _row(judge_targets(points), "energy a result at 250 MHz", "consmax/log2")["others"]
    leakage_pj = 3e-5 * (4.0 - 1.1) * 1e-9 * 1e12 * 9000 / 8192
    assert other == [{"clock_ns": 1.1, "value": pytest.approx(1.5 + leakage_pj), "met": True}]


def test_targets_met_only_by_different_netlists_are_told(points: list[dict[str, Any]]) -> None:
    assert beyond_together(judge_targets(points)) == {"consmax/split": [], "consmax/log2": []}
    tight = dict(next(p for p in points if p["unit"] == "consmax/log2" and p["lanes"] == 16))
    points.append(tight | {"clock_ns": 1.1})
    for point in points:  # fast and hungry, or slow
        if point["unit"] == "consmax/log2" and point["lanes"] == 1:
            fast = point["clock_ns"] == 1.1
            point["result"] |= {"path_ns": 1.05 if fast else 1.3, "energy_pj": 1.9 if fast else 1.5}
    rows = judge_targets(points)
    assert all(row["met"] for row in rows)
    together = beyond_together(rows)
    assert together["consmax/split"] == []
    assert len(together["consmax/log2"]) == 1


def test_ratio_over_one_is_a_miss(points: list[dict[str, Any]]) -> None:
    for point in points:
        if point["unit"] == "consmax/split":
            point["result"]["energy_pj"] = 4.1
    row = _row(judge_targets(points), "energy a result at 250 MHz", "consmax/split")
    assert row["met"] is False
    assert row["ratio"] == pytest.approx(4.1 / 4.0)


def test_error_curve_stays_within_the_certificates() -> None:
    curve = error_curve(8 / 127, -6.1)
    greatest = {name: max(map(abs, errors)) for name, errors in curve.relative_error.items()}
    assert greatest["rounded"] <= 1 / 256
    assert greatest["rounded"] < greatest["log2"] <= 0.006
    assert greatest["rounded"] < greatest["split"] <= 0.0093
    assert curve.score[127] == pytest.approx(-8 / 127)


def test_a_target_is_no_miss_before_all_netlists_are_there(facts: dict[str, Any]) -> None:
    it = facts["consmax"]
    for point in it["implementations"]:
        if point["unit"] == "consmax/log2" and point["lanes"] == 1:
            point["result"]["path_ns"] = 1.3

    def path() -> bool | None:
        checks = {check.what: check.met for check in judge_consmax(it).checks}
        return checks["log2: longest path"]

    assert path() is False
    it["swept"] = ["consmax/split"]
    assert path() is None
