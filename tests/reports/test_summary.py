"""Gathering and judging the facts."""

import copy
from pathlib import Path
from typing import Any

import pytest

import consilico.reports.doctor
import consilico.reports.summary
from consilico.reports.consmax.error_curve import error_curve
from consilico.reports.consmax.targets import (
    ENERGY_CLOCK_NS,
    beyond_together,
    judge,
    representative,
)
from consilico.reports.doctor import Check
from consilico.reports.memory import facts as memory_facts
from consilico.reports.training import facts as training_facts
from consilico.reports.verdict import verdict
from consilico.sim.base.errors import UserError
from consilico.sim.base.results import cached


def _row(rows: list[dict[str, Any]], quantity: str, architecture: str) -> dict[str, Any]:
    return next(
        row for row in rows if (row["quantity"], row["architecture"]) == (quantity, architecture)
    )


def test_area_and_path_are_of_one_netlist(facts: dict[str, Any]) -> None:
    points = facts["implementations"]
    for point in points:  # only the netlist for 1.1 ns keeps both limits
        if point["unit"] == "consmax/log2" and point["lanes"] == 1:
            tight = point["clock_ns"] == 1.1
            point["result"] |= {"area_um2": 1650.0 if tight else 1200.0}
            point["result"] |= {"path_ns": 1.09 if tight else 1.3}
    rows = judge(points)
    area, path = (_row(rows, name, "consmax/log2") for name in ("area, one lane", "longest path"))
    assert (area["clock_ns"], path["clock_ns"]) == (1.1, 1.1)
    assert (area["measured"], path["measured"]) == (1650.0, 1.09)
    assert area["met"]
    assert path["met"]
    assert area["others"] == [{"clock_ns": 4.0, "value": 1200.0, "met": True}]
    assert path["others"] == [{"clock_ns": 4.0, "value": 1.3, "met": False}]


def test_no_netlist_within_both_limits_is_a_miss(facts: dict[str, Any]) -> None:
    points = facts["implementations"]
    for point in points:  # small and slow, or fast and large
        if point["unit"] == "consmax/log2" and point["lanes"] == 1:
            tight = point["clock_ns"] < 1.2
            point["result"] |= {"area_um2": 1800.0 if tight else 1200.0}
            point["result"] |= {"path_ns": 1.0 if tight else 1.6}
    rows = judge(points)
    area, path = (_row(rows, name, "consmax/log2") for name in ("area, one lane", "longest path"))
    assert not (area["met"] and path["met"])
    assert area["clock_ns"] == path["clock_ns"]


def test_nearest_netlist_to_the_limits_represents(facts: dict[str, Any]) -> None:
    chosen = representative(facts["implementations"], "consmax/split")
    assert chosen is not None
    assert chosen["clock_ns"] == ENERGY_CLOCK_NS
    assert representative([], "consmax/split") is None


def test_energy_of_a_tight_netlist_is_given_at_250_mhz(facts: dict[str, Any]) -> None:
    points = facts["implementations"]
    for point in points:
        if point["unit"] == "consmax/log2" and point["lanes"] == 1:
            point["result"]["path_ns"] = 1.05 if point["clock_ns"] == 1.1 else 1.3
    other = _row(judge(points), "energy a result at 250 MHz", "consmax/log2")["others"]
    leakage_pj = 3e-5 * (4.0 - 1.1) * 1e-9 * 1e12 * 9000 / 8192
    assert other == [{"clock_ns": 1.1, "value": pytest.approx(1.5 + leakage_pj), "met": True}]


def test_targets_met_only_by_different_netlists_are_told(facts: dict[str, Any]) -> None:
    points = facts["implementations"]
    assert beyond_together(judge(points)) == {"consmax/split": [], "consmax/log2": []}
    tight = dict(next(p for p in points if p["unit"] == "consmax/log2" and p["lanes"] == 16))
    points.append(tight | {"clock_ns": 1.1})
    for point in points:  # fast and hungry, or slow
        if point["unit"] == "consmax/log2" and point["lanes"] == 1:
            fast = point["clock_ns"] == 1.1
            point["result"] |= {"path_ns": 1.05 if fast else 1.3, "energy_pj": 1.9 if fast else 1.5}
    rows = judge(points)
    assert all(row["met"] for row in rows)
    together = beyond_together(rows)
    assert together["consmax/split"] == []
    assert len(together["consmax/log2"]) == 1


def test_failed_facts_are_not_cached(
    facts: dict[str, Any], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = copy.deepcopy(facts)
    facts["verification"][0]["runs"][0]["mismatches"] = 1
    gathered = iter([facts, right])
    monkeypatch.setattr(consilico.reports.doctor, "examine", list)
    monkeypatch.setattr(consilico.reports.summary, "_gather", lambda progress: next(gathered))
    assert not verdict(consilico.reports.summary.summary())["passed"]
    assert verdict(consilico.reports.summary.summary())["passed"]
    assert verdict(consilico.reports.summary.summary())[
        "passed"
    ]  # the iterator is exhausted: from the cache


def test_new_training_runs_reach_a_cached_summary(
    facts: dict[str, Any], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = iter([facts])
    counted = iter([{"runs": 0}, {"runs": 1}])
    monkeypatch.setattr(consilico.reports.doctor, "examine", list)
    monkeypatch.setattr(consilico.reports.summary, "_gather", lambda progress: next(gathered))
    monkeypatch.setattr(training_facts, "training_facts", lambda: next(counted))
    assert consilico.reports.summary.summary()["training"] == {"runs": 0}
    assert consilico.reports.summary.summary()["training"] == {"runs": 0}  # from the cache
    cached("training", "a run", lambda: {"validation_loss": 1.8})
    assert consilico.reports.summary.summary()["training"] == {"runs": 1}


def test_memory_is_counted_anew_beside_a_cached_summary(
    facts: dict[str, Any], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = iter([{"gpu": None}, {"gpu": {"device": "a GPU"}}])
    monkeypatch.setattr(consilico.reports.doctor, "examine", list)
    monkeypatch.setattr(consilico.reports.summary, "_gather", lambda progress: facts)
    monkeypatch.setattr(memory_facts, "memory_facts", lambda: next(counted))
    assert consilico.reports.summary.summary()["memory"] == {"gpu": None}
    assert consilico.reports.summary.summary()["memory"] == {"gpu": {"device": "a GPU"}}


def test_ratio_over_one_is_a_miss(facts: dict[str, Any]) -> None:
    for point in facts["implementations"]:
        if point["unit"] == "consmax/split":
            point["result"]["energy_pj"] = 4.1
    row = _row(judge(facts["implementations"]), "energy a result at 250 MHz", "consmax/split")
    assert row["met"] is False
    assert row["ratio"] == pytest.approx(4.1 / 4.0)


def test_nothing_verified_is_no_pass(facts: dict[str, Any]) -> None:
    facts["verification"] = []
    assert not verdict(facts)["passed"]


def test_run_that_checked_nothing_is_no_pass(facts: dict[str, Any]) -> None:
    facts["verification"][0]["runs"][1]["checked"] = 0
    assert not verdict(facts)["verified"]


def test_missing_fact_is_no_pass(facts: dict[str, Any]) -> None:
    del facts["certificates"]
    with pytest.raises(KeyError, match="certificates"):
        verdict(facts)


def test_missing_tool_is_named_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = Check(
        name="yosys", kind="program", required=True, usable=False, advice="is not there: get it"
    )
    monkeypatch.setattr(consilico.reports.doctor, "examine", lambda: [missing])
    with pytest.raises(UserError, match="yosys: is not there: get it"):
        consilico.reports.summary.summary()


def test_error_curve_stays_within_the_certificates() -> None:
    curve = error_curve(8 / 127, -6.1)
    greatest = {name: max(map(abs, errors)) for name, errors in curve["relative_error"].items()}
    assert greatest["rounded"] <= 1 / 256
    assert greatest["rounded"] < greatest["log2"] <= 0.006
    assert greatest["rounded"] < greatest["split"] <= 0.0093
    assert curve["score"][127] == pytest.approx(-8 / 127)
