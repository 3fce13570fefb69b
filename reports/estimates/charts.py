"""Figures of the analytical model: its errors on what was not in the fit."""

from collections.abc import Callable, Sequence
from typing import Any

from consilico.reports.estimates.facts import (
    EstimateFacts,
    KitAccuracy,
    LayoutAccuracy,
    LayoutCost,
)
from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import conditions
from consilico.sim.estimate.operators.judge import PredictedConfig

__all__ = ["estimate_charts", "estimate_plot"]

_PAIRS = {  # metrics that stand side by side, by the figure's name
    "size": {"area_um2": "area", "leakage_w": "leakage"},
    "speed": {"path_ns": "longest path", "energy_per_operation_pj": "energy per operation"},
}
_QUANTITIES = {  # key of an answer: words, unit, scale
    "area_um2": ("area", "µm²", 1.0),
    "path_ns": ("longest path", "ns", 1.0),
    "energy_per_operation_pj": ("energy per operation", "pJ", 1.0),
    "energy_cycle_pj": ("dynamic energy per cycle", "pJ", 1.0),
    "energy_pj": ("energy per result", "pJ", 1.0),
    "leakage_w": ("leakage", "µW", 1e6),
}
_COLOURS = {"attention": "c", "matmul": "a", "training": "b"}


def estimate_charts(estimates: EstimateFacts) -> list[Chart]:
    """Return two charts for each kit, and a third for each that was laid out."""
    errors = [
        _chart(pdk, kit, pair, estimates.families)
        for pdk, kit in estimates.kits.items()
        for pair in _PAIRS
    ]
    return errors + [
        _layout_chart(pdk, kit, kit.layout, estimates.families)
        for pdk, kit in estimates.kits.items()
        if kit.layout is not None
    ]


def estimate_plot(answer: dict[str, Any]) -> Chart:
    """Chart one answer of ``consilico estimate``: every quantity's interval about its estimate.

    Args:
        answer: The answer as ``--json`` writes it.
    """
    rows = [(*_QUANTITIES[key], answer[key]) for key in _QUANTITIES if key in answer]
    labels = [
        f"{words}, {item['value'] * scale:,.4g} {unit}, "
        f"({item['low'] * scale:,.4g} to {item['high'] * scale:,.4g})"
        for words, unit, scale, item in rows
    ]
    ends = {
        end: [100 * (item[end] / item["value"] - 1) if item["value"] else 0.0 for *_, item in rows]
        for end in ("value", "low", "high")
    }
    what = answer.get("unit") or f"module {answer['top']}"
    of = {"cells": "mapped cells"}.get(answer["rung"], answer["rung"])
    return Chart(
        name="estimate",
        title=f"{what} in {answer['pdk']}, {of}: estimates and {answer['level']:.0%} intervals",
        caption=f"Intervals of the estimates of the {of}, relative to the estimate of each "
        "quantity.",
        kind="estimated",
        conditions=conditions(answer, answer["clock_ns"], answer["activity"]["source"]),
        panels=[
            Panel(
                x_label="",
                y_label="relative to the estimate (%)",
                series=[
                    Series(
                        name="estimate and interval", colour="a", mark="limit", x=labels,
                        y=ends["value"], low=ends["low"], high=ends["high"],
                    )
                ],
            )
        ],
    )  # fmt: skip


def _chart(pdk: str, kit: KitAccuracy, pair: str, families: dict[str, str]) -> Chart:
    words = " and ".join(_PAIRS[pair].values())
    return Chart(
        name=f"estimate_{pdk}_{pair}",
        title=f"Estimates in {pdk}: error of {words}",
        caption=f"Error of the {words} predicted for {len(kit.rows)} configurations in {pdk} "
        f"that were not in the fit, with intervals of {kit.level:.0%}: bars that miss 0 missed.",
        kind="estimated",
        conditions=conditions(
            {"pdk": pdk, "corner": kit.corner, "voltage_v": kit.voltage_v},
            kit.clock_ns,
            "traffic drawn with each configuration",
        ),
        panels=[_panel(metric, kit.rows, families, pair) for metric in _PAIRS[pair]],
    )


def _layout_chart(
    pdk: str, kit: KitAccuracy, layout: LayoutAccuracy, families: dict[str, str]
) -> Chart:
    """Chart what the layouts of a kit add to mapped cells, by size."""
    quantities: dict[str, Callable[[LayoutCost], float]] = {
        "dynamic energy": lambda row: row.energy,
        "longest path": lambda row: row.path,
    }
    return Chart(
        name=f"estimate_{pdk}_layout",
        title=f"What a layout adds to mapped cells in {pdk}",
        caption=f"Energy and longest path of {len(layout.measured)} layouts in {pdk}, with wires, "
        "clock tree and glitches, divided by those of their mapped cells.",
        kind="measured",
        conditions=conditions(
            {"pdk": pdk, "corner": kit.corner, "voltage_v": kit.voltage_v},
            kit.clock_ns,
            "traffic drawn with each configuration",
        ),
        panels=[
            Panel(
                title=words,
                x_label="mapped cells",
                y_label="layout / mapped cells",
                series=[
                    Series(
                        name=family,
                        colour=colour,
                        mark="points",
                        x=[row.cells for row in own],
                        y=[of(row) for row in own],
                    )
                    for family, colour in _COLOURS.items()
                    if (own := [row for row in layout.measured if families[row.unit] == family])
                ],
            )
            for words, of in quantities.items()
        ],
    )


def _panel(
    metric: str, rows: Sequence[PredictedConfig], families: dict[str, str], pair: str
) -> Panel:
    ranked = sorted(rows, key=lambda row: row.metrics[metric].measured)
    series = []
    for family, colour in _COLOURS.items():
        own = [
            (place, row.metrics[metric])
            for place, row in enumerate(ranked, start=1)
            if families[row.unit] == family
        ]
        if own:
            series.append(
                Series(
                    name=family,
                    colour=colour,
                    mark="points",
                    x=[place for place, _ in own],
                    y=[100 * item.error for _, item in own],
                    low=[100 * (item.low / item.measured - 1) for _, item in own],
                    high=[100 * (item.high / item.measured - 1) for _, item in own],
                )
            )
    return Panel(
        title=_PAIRS[pair][metric],
        x_label="configurations, the smallest first",
        y_label="predicted, less measured (%)",
        series=series,
    )
