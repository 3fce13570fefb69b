"""Pictures of ``consilico explore``: the front of a space, and all that it dominates."""

from typing import Any

from consilico.reports.page.chart import Chart, Panel, Series

__all__ = ["explore_plot"]

_AXES = {
    "latency": ("latency_s", "ms", 1e3),
    "energy": ("energy_j", "mJ", 1e3),
    "area": ("area_um2", "mm²", 1e-6),
}
_MOST_BEHIND = 3000  # points behind the front that are drawn


def explore_plot(answer: dict[str, Any]) -> Chart:
    """Chart one answer of ``consilico explore``: each pair of its objectives, with error bars.

    Args:
        answer: The answer as ``--json`` writes it.
    """
    counts, fixed, workload = answer["counts"], answer["fixed"], answer["workload"]
    names = answer["objectives"]
    words = f"{answer['model']}, {answer['phase']} at {workload['context']:,} tokens"
    pairs = [(names[0], name) for name in names[1:]] or [(names[0], names[0])]
    same = ", ".join(f"{name} {value}" for name, value in fixed.items() if value != "")
    return Chart(
        name="explore",
        title=f"{words}: {counts['front']:,} of {counts['within']:,} chips are on the front",
        caption=f"Chips that no other one is as good as in {' and '.join(names)}, with intervals of"
        " the upright axis; those that are on the front in any case, and those behind it. What"
        " intervals come from is mostly common to all points.",
        kind="estimated",
        conditions=f"All: {same}" if same else "",
        panels=[_panel(answer, *pair) for pair in pairs],
    )


def _panel(answer: dict[str, Any], across: str, upright: str) -> Panel:
    """Return the front in two objectives."""
    (x_key, x_unit, x_scale), (y_key, y_unit, y_scale) = _AXES[across], _AXES[upright]
    front = {item["index"] for item in answer["front"]}
    behind = [p for p in answer["points"] if p["within"] and p["index"] not in front]
    behind = behind[:: max(1, len(behind) // _MOST_BEHIND)]
    groups = (
        ("behind the front", "light paper", behind),
        ("on the front", "a", [item for item in answer["front"] if not item["certain"]]),
        ("in any case", "f", [item for item in answer["front"] if item["certain"]]),
    )
    series = []
    for name, colour, items in groups:
        ends = {
            end: [item[y_key][end] * y_scale for item in items] for end in ("value", "low", "high")
        }
        series.append(
            Series(
                name=name,
                colour=colour,
                mark="points",
                x=[item[x_key]["value"] * x_scale for item in items],
                y=ends["value"],
                low=[] if items is behind else ends["low"],
                high=[] if items is behind else ends["high"],
                labels=[_label(item) for item in items],
            )
        )
    return Panel(
        title=f"{upright} against {across}",
        x_label=f"{across}, {x_unit}",
        y_label=f"{upright}, {y_unit}",
        series=[one for one in series if one.x],
    )


def _label(item: dict[str, Any]) -> str:
    """Return what a point is, a line for each field."""
    figures = [
        f"{name}: {item[key]['value'] * scale:.3g} {unit} "
        f"({item[key]['low'] * scale:.3g} to {item[key]['high'] * scale:.3g})"
        for name, (key, unit, scale) in _AXES.items()
    ]
    settings = [f"{name}: {value}" for name, value in item["settings"].items()]
    return "<br>".join([f"point {item['index']}", *settings, *figures])
