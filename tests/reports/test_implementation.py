"""The section on implementation quality says what the facts say."""

import copy
from typing import Any

import pytest

from consilico.reports.implementation.charts import implementation_charts
from consilico.reports.page.plotly_charts import figure
from consilico.reports.page.static_charts import image
from consilico.sim.silicon.synthesis.yosys_compare import comparison
from tests.reports.section import section_text


def facts() -> dict[str, Any]:
    """As :func:`facts.implementation_facts` makes them, with plain numbers."""
    points = [
        {"path_ns": 0.8, "area_um2": 1500.0, "recipe": "clock; gates", "clock_ns": 0.9},
        {"path_ns": 1.2, "area_um2": 1200.0, "recipe": "area", "clock_ns": 4.0},
    ]
    fastest = {
        "clock_ns": 0.8, "missed_ns": 0.793, "resolution": 0.01, "area_um2": 1500.0,
        "recipe": "clock; gates", "mapped_for_ns": 0.9, "syntheses": 5,
    }  # fmt: skip
    purposes = {"registers": 300.0, "memories": 0.0, "multipliers": 600.0, "rest": 350.0}
    proof = {
        "verdict": "equivalent", "proved_points": 244, "unproved_points": 0, "unproved": (),
        "seconds_limit": 300.0,
    }  # fmt: skip
    row = {
        "unit": "consmax/log2", "config": {}, "settings": [], "flat_um2": 1200.0,
        "area_um2": 1250.0, "by_purpose_um2": purposes, "cells": 730, "proof": proof,
        "by_module_um2": {"consmax_log2": 1250.0, "lane0": 900.0, "finish0": 100.0},
    }  # fmt: skip
    return {
        "pdk": "nangate45", "title": "NanGate", "corner": "typical", "voltage_v": 1.1,
        "node_nm": 45, "tools": {"yosys": "0.23", "sta": "2.0.17"}, "clock_ns": 2.0,
        "curves": [
            {
                "unit": "consmax/log2", "config": {}, "settings": ["lanes=4"], "points": [],
                "pareto": points, "fastest": fastest,
            }
        ],
        "modules": [row],
        "yosys": comparison().to_json(),
    }  # fmt: skip


def text(found: dict[str, Any]) -> str:
    return section_text("implementation/template.html.j2", found, implementation_charts(found))


def test_the_fastest_clock_stands_beside_the_smallest_netlist() -> None:
    said = text(facts())
    assert "consmax/log2 lanes=4 1,200 1.200 0.800 1,250 0.793 1,500 +25.0 % 2" in said
    assert "nangate45, typical, 1.1 V" in said


def test_area_kept_apart_stands_beside_the_flat_one() -> None:
    said = text(facts())
    assert "consmax/log2 1,200 1,250 +4.2 % 24.0 % 0.0 % 48.0 % 28.0 %" in said
    assert "lane0 900, finish0 100" in said


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("different", "DIFFERENT"), ("not proven", "not proved")],
)
def test_a_netlist_that_is_not_proved_is_not_called_so(verdict: str, words: str) -> None:
    found = copy.deepcopy(facts())
    found["modules"][0]["proof"] |= {
        "verdict": verdict, "proved_points": 0, "unproved_points": 244, "unproved": ("sum[3] (D)",),
    }  # fmt: skip
    said = text(found)
    assert f"consmax/log2 730 {words} 0 244 sum[3] (D)" in said
    assert "PROVED" not in said


def test_the_versions_compared_are_named_with_their_ratios() -> None:
    found = facts()
    said = text(found)
    for row in found["yosys"]["ratios"]:
        ratios = [f"{100 * (row[key] - 1):+.1f} %" for key in ("area_um2", "path_ns", "cpu_s")]
        assert f"{row['recipe']} {row['units']} {' '.join(ratios)}" in said


def test_figures_are_drawn_both_ways() -> None:
    curves, purposes = implementation_charts(facts())
    (series,) = curves.panels[0].series
    assert series.name == "consmax/log2 (lanes=4)"
    assert series.y == pytest.approx([1.25, 1.0])
    assert [bar.y for bar in purposes.panels[0].series] == [[24.0], [0.0], [48.0], [28.0]]
    for chart in (curves, purposes):
        assert image(chart).startswith(b"\x89PNG")
        assert figure(chart)["data"]
