"""Figures of implementation quality: area against longest path, area by purpose."""

from typing import Any

from consilico.reports.chart import Chart, Panel, Series
from consilico.reports.conditions import NO_ACTIVITY, conditions

__all__ = ["implementation_charts"]

_COLOURS = ("a", "b", "c", "d", "f", "e")
_PURPOSES = {"registers": "a", "memories": "b", "multipliers": "c", "rest": "light paper"}


def implementation_charts(facts: dict[str, Any]) -> list[Chart]:
    """Those of the report.

    Args:
        facts: From :func:`consilico.reports.implementation.facts.implementation_facts`.
    """
    return [_curves(facts), _purposes(facts)]


def _curves(facts: dict[str, Any]) -> Chart:
    """Pareto points of every unit, area relative to its smallest netlist."""
    periods = [point["clock_ns"] for curve in facts["curves"] for point in curve["pareto"]]
    clocks = f"mapped for {min(periods):g} to {max(periods):g} ns" if periods else "none"
    series = []
    for colour, curve in zip(_COLOURS, facts["curves"], strict=False):
        smallest = min(point["area_um2"] for point in curve["pareto"])
        settings = ", ".join(curve["settings"])
        series.append(
            Series(
                name=f"{curve['unit']}{f' ({settings})' if settings else ''}",
                colour=colour,
                x=[point["path_ns"] for point in curve["pareto"]],
                y=[point["area_um2"] / smallest for point in curve["pareto"]],
            )
        )
    return Chart(
        name="area_delay_curves",
        caption="Area against longest path of netlists mapped for several clocks, those that no "
        f"other beats in both; area relative to the unit's smallest. {_tools(facts)}",
        kind="measured",
        conditions=conditions(facts, clocks, NO_ACTIVITY),
        panels=[
            Panel(
                x_label="longest path (ns)",
                y_label="area / smallest area",
                series=series,
                from_zero=False,
            )
        ],
    )


def _purposes(facts: dict[str, Any]) -> Chart:
    """Shares of the area, a bar a unit."""
    rows = facts["modules"]
    names = [row["unit"] for row in rows]
    series = [
        Series(
            name=purpose, colour=colour, mark="bars", x=names,
            y=[100 * row["by_purpose_um2"][purpose] / row["area_um2"] for row in rows],
        )
        for purpose, colour in _PURPOSES.items()
    ]  # fmt: skip
    return Chart(
        name="area_by_purpose",
        caption="What the area is for: default configurations mapped with their module boundaries "
        f"kept. {_tools(facts)}",
        kind="measured",
        conditions=conditions(facts, facts["clock_ns"], NO_ACTIVITY),
        panels=[Panel(x_label="", y_label="area (%)", series=series if rows else [])],
    )


def _tools(facts: dict[str, Any]) -> str:
    tools = facts["tools"]
    return f"Clock and wires ideal; Yosys {tools['yosys']}, OpenSTA {tools['sta']}."
