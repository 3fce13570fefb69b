"""Figures on comparisons: by how much units take more than the first, by definition."""

from typing import TYPE_CHECKING

from consilico.reports.page.chart import Chart, LimitLine, Panel, Series
from consilico.reports.page.conditions import conditions

if TYPE_CHECKING:
    from consilico.reports.comparison.facts import ComparisonFacts
    from consilico.sim.comparison.facts import Comparison, CostRatio

__all__ = ["compare_plot", "comparison_charts"]

_COLOURS = ("a", "b", "c", "d", "e", "f", "light a", "light b", "paper")
_PANELS = (
    ("area", "area"),
    ("area_at_equal_throughput", "area at equal throughput"),
    ("energy", "energy per score"),
)


def comparison_charts(facts: "ComparisonFacts") -> list[Chart]:
    """Chart what was measured: one figure per unit that others are compared with."""
    return [
        compare_plot(found, f"comparison_{found.rows[0].unit.replace('/', '_')}")
        for found in facts.comparisons
    ]


def compare_plot(found: "Comparison", name: str = "compare") -> Chart:
    """Chart the ratios of a comparison: a point per definition, with the interval of a memory."""
    first = found.rows[0].unit
    units = list(dict.fromkeys(ratio.unit for ratio in found.ratios))
    definitions = list(dict.fromkeys(map(_definition, found.ratios)))
    panels = []
    for quantity, title in _PANELS:
        series = []
        for index, unit in enumerate(units):
            of_unit = {_definition(each): each for each in found.ratios if each.unit == unit}
            shown = [name for name in definitions if name in of_unit]
            ends = [getattr(of_unit[name], quantity) for name in shown]
            series.append(
                Series(
                    name=unit, colour=_COLOURS[index % len(_COLOURS)], mark="points", x=shown,
                    y=[each.value for each in ends], low=[each.low for each in ends],
                    high=[each.high for each in ends],
                )
            )  # fmt: skip
        panels.append(
            Panel(
                title=title, x_label="", y_label=f"times {first}", series=series,
                limits=(LimitLine(name=first, y=1.0),),
            )
        )  # fmt: skip
    return Chart(
        name=name,
        title=f"{', '.join(units)} against {first}",
        caption=f"By how much units take more than {first}, by what counts: the row buffer's kind,"
        " the length of rows and the number of lanes.",
        kind="measured",
        conditions=_conditions(found),
        panels=panels,
    )


def _conditions(found: "Comparison") -> str:
    """Return kit, corner, supply, clock and activity, and what of the figures is estimated."""
    under = found.conditions
    words = conditions(under, under.clock_ns, f"{under.traffic} traffic, rung {under.rung}")
    return f"{words}; SRAM estimated" if under.sram else words


def _definition(ratio: "CostRatio") -> str:
    lanes = "1 lane" if ratio.lanes == 1 else f"{ratio.lanes} lanes"
    buffer = {None: "no buffer", "none": "logic alone"}.get(ratio.buffer, ratio.buffer)
    return f"{buffer}, row {ratio.row:,}, {lanes}"
