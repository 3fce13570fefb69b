"""Figures of the analytical model: its errors on what was not in the fit."""

from typing import Any

from consilico.reports.chart import Chart, Panel, Series
from consilico.reports.conditions import conditions

__all__ = ["estimate_charts"]

_PAIRS = {  # metrics that stand side by side, by the figure's name
    "size": {"area_um2": "area", "leakage_w": "leakage"},
    "speed": {"path_ns": "longest path", "energy_per_operation_pj": "energy an operation"},
}
_COLOURS = {"attention": "c", "matmul": "a", "training": "b"}


def estimate_charts(estimates: dict[str, Any]) -> list[Chart]:
    """Two for each kit.

    Args:
        estimates: From :func:`consilico.reports.estimates.facts.estimate_facts`.
    """
    return [
        _chart(pdk, kit, pair, estimates["families"])
        for pdk, kit in estimates["kits"].items()
        for pair in _PAIRS
    ]


def _chart(pdk: str, kit: dict[str, Any], pair: str, families: dict[str, str]) -> Chart:
    words = " and ".join(_PAIRS[pair].values())
    return Chart(
        name=f"estimate_{pdk}_{pair}",
        caption=f"Error of the {words} predicted for {len(kit['rows'])} configurations in {pdk} "
        f"that were not in the fit, with intervals of {kit['level']:.0%}: bars that miss 0 missed.",
        kind="estimated",
        conditions=conditions(
            {"pdk": pdk, **kit}, kit["clock_ns"], "traffic drawn with each configuration"
        ),
        panels=[_panel(metric, kit["rows"], families, pair) for metric in _PAIRS[pair]],
    )


def _panel(metric: str, rows: list[dict[str, Any]], families: dict[str, str], pair: str) -> Panel:
    ranked = sorted(rows, key=lambda row: float(row[metric]["measured"]))
    series = []
    for family, colour in _COLOURS.items():
        own = [
            (place, row[metric])
            for place, row in enumerate(ranked, start=1)
            if families[row["unit"]] == family
        ]
        if own:
            series.append(
                Series(
                    name=family,
                    colour=colour,
                    mark="points",
                    x=[place for place, _ in own],
                    y=[_error(item["value"], item) for _, item in own],
                    low=[_error(item["low"], item) for _, item in own],
                    high=[_error(item["high"], item) for _, item in own],
                )
            )
    return Panel(
        title=_PAIRS[pair][metric],
        x_label="configurations, the smallest first",
        y_label="predicted, less measured (%)",
        series=series,
    )


def _error(value: float, item: dict[str, Any]) -> float:
    return 100 * (float(value) / float(item["measured"]) - 1)
