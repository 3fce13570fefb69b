"""Pictures of ``consilico explore``: the front of a space, and all that it dominates."""

from typing import Any

from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.numbers import NOT_MEASURED, signed_percent

__all__ = ["explore_plot"]

_AXES = {
    "latency": ("latency_s", "ms", 1e3),
    "energy": ("energy_j", "mJ", 1e3),
    "area": ("area_um2", "mm²", 1e-6),
}
_PERPLEXITY = "perplexity"
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
        f" intervals come from is mostly common to all points.{_words(answer)}",
        kind="estimated",
        conditions=f"All: {same}" if same else "",
        panels=[_panel(answer, *pair) for pair in pairs],
    )


def _words(answer: dict[str, Any]) -> str:
    """Return what perplexities are of, if one of the axes has them."""
    known = answer.get(_PERPLEXITY)
    if known is None:
        return ""
    without = sum(item["perplexity_ratio"] is None for item in answer["front"])
    left_out = f" {without:,} chips of the front whose perplexity is {NOT_MEASURED} have no place"
    left_out = f"{left_out} in its panel." if without else ""
    if not known["model"]:
        return left_out
    texts = ", ".join(known["texts"])
    return (
        f" Perplexity: measured of {known['model']} in windows of {known['tokens']:,} tokens of"
        f" {texts}, next to softmax in floating point.{left_out}"
    )


def _ends(item: dict[str, Any], name: str) -> dict[str, float] | None:
    """Return an objective of a point with its interval, as it is drawn; None: not known."""
    if name == _PERPLEXITY:
        ratio = item["perplexity_ratio"]
        return None if ratio is None else dict.fromkeys(("value", "low", "high"), float(ratio))
    key, _, scale = _AXES[name]
    return {end: item[key][end] * scale for end in ("value", "low", "high")}


def _axis(name: str) -> str:
    unit = "times softmax" if name == _PERPLEXITY else _AXES[name][1]
    return f"{name}, {unit}"


def _panel(answer: dict[str, Any], across: str, upright: str) -> Panel:
    """Return the front in two objectives."""
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
        placed = [
            (item, x, y)
            for item in items
            if (x := _ends(item, across)) is not None and (y := _ends(item, upright)) is not None
        ]
        bars = items is not behind
        series.append(
            Series(
                name=name,
                colour=colour,
                mark="points",
                x=[x["value"] for _, x, _ in placed],
                y=[y["value"] for _, _, y in placed],
                low=[y["low"] for _, _, y in placed] if bars else [],
                high=[y["high"] for _, _, y in placed] if bars else [],
                labels=[_label(item) for item, _, _ in placed],
            )
        )
    return Panel(
        title=f"{upright} against {across}",
        x_label=_axis(across),
        y_label=_axis(upright),
        series=[one for one in series if one.x],
    )


def _label(item: dict[str, Any]) -> str:
    """Return what a point is, a line for each field."""
    figures = [
        f"{name}: {item[key]['value'] * scale:.3g} {unit} "
        f"({item[key]['low'] * scale:.3g} to {item[key]['high'] * scale:.3g})"
        for name, (key, unit, scale) in _AXES.items()
    ]
    if "perplexity_ratio" in item:
        ratio = item["perplexity_ratio"]
        told = NOT_MEASURED if ratio is None else signed_percent(ratio - 1)
        figures.append(f"{_PERPLEXITY}: {told}")
    settings = [f"{name}: {value}" for name, value in item["settings"].items()]
    return "<br>".join([f"point {item['index']}", *settings, *figures])
