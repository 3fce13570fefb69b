"""Figures of the analytical model: its errors over what was measured."""

import math
from typing import Any

from reports.chart import Chart, Panel, Series

__all__ = ["estimate_charts"]

_METRICS = {  # words, unit, factor to it
    "area_um2": ("area", "µm²", 1.0),
    "path_ns": ("longest path", "ns", 1.0),
    "energy_pj": ("energy a beat", "pJ", 1.0),
    "leakage_w": ("leakage", "µW", 1e6),
}
_COLOURS = {"attention": "c", "matmul": "a", "training": "b"}


def estimate_charts(estimates: dict[str, Any]) -> list[Chart]:
    """One for each kit.

    Args:
        estimates: From :func:`sim.model.estimate.facts.estimate_facts`.
    """
    return [_kit(pdk, kit, estimates["families"]) for pdk, kit in estimates["kits"].items()]


def _kit(pdk: str, kit: dict[str, Any], families: dict[str, str]) -> Chart:
    return Chart(
        name=f"estimate_{pdk}",
        caption=f"Error of what is predicted for {len(kit['rows'])} configurations in {pdk} that "
        "were not in the fit, over what was measured. Bars: the stated intervals of "
        f"{kit['level']:.0%}, drawn around the prediction.",
        kind="estimated",
        panels=[_panel(metric, kit["rows"], families) for metric in _METRICS],
    )


def _panel(metric: str, rows: list[dict[str, Any]], families: dict[str, str]) -> Panel:
    words, unit, factor = _METRICS[metric]
    series = []
    for family, colour in _COLOURS.items():
        own = [row[metric] for row in rows if families[row["unit"]] == family]
        if own:
            series.append(
                Series(
                    name=family,
                    colour=colour,
                    mark="points",
                    x=[math.log10(item["measured"] * factor) for item in own],
                    y=[_error(item["value"], item) for item in own],
                    low=[_error(item["low"], item) for item in own],
                    high=[_error(item["high"], item) for item in own],
                )
            )
    places = [x for item in series for x in item.x]
    decades = range(math.floor(min(places)), math.ceil(max(places)) + 1) if places else ()
    return Panel(
        title=words,
        x_label=f"measured ({unit})",
        y_label="predicted, less measured (%)",
        series=series,
        x_names={decade: f"{10.0**decade:g}" for decade in decades},
    )


def _error(value: float, item: dict[str, Any]) -> float:
    return 100 * (float(value) / float(item["measured"]) - 1)
