"""Figures of implementation quality: area against longest path, area by purpose."""

from typing import TYPE_CHECKING, Any

from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import NO_ACTIVITY, conditions
from consilico.sim.silicon.implementation import rung_words

if TYPE_CHECKING:  # what facts are measured with is no part of what --plot needs
    from consilico.reports.implementation.facts import ImplementationFacts

__all__ = ["implement_plot", "implementation_charts", "sweep_plot"]

_COLOURS = ("a", "b", "c", "d", "f", "e")
_MODULES_SHOWN = 12
_PURPOSES = {"registers": "a", "memories": "b", "multipliers": "c", "rest": "light paper"}


def implementation_charts(facts: "ImplementationFacts") -> list[Chart]:
    """Return the section's charts: curves of small units, and areas by purpose."""
    return [_curves(facts), _purposes(facts)]


def implement_plot(answer: dict[str, Any]) -> Chart:
    """Chart one answer of ``consilico implement``: area by module, and energy by cause.

    Args:
        answer: The answer as ``--json`` writes it.
    """
    top, *inner = answer["area_by_module_um2"].items()
    # modules inside of others are part of those
    outer = sorted(
        ((name, area) for name, area in inner if "/" not in name), key=lambda item: -item[1]
    )
    shown = outer[:_MODULES_SHOWN]
    names = [name for name, _ in shown]
    areas = [area for _, area in shown]
    if others := outer[_MODULES_SHOWN:]:
        names.append(f"{len(others)} more modules")
        areas.append(sum(area for _, area in others))
    names.append("outside of modules")
    areas.append(max(0.0, top[1] - sum(area for _, area in outer)))
    purposes = answer["area_by_purpose_um2"]
    return Chart(
        name="implement",
        title=f"{answer['unit']} in {answer['pdk']}: {answer['area_um2']:,.0f} µm²,"
        f" longest path {answer['path_ns']:.3f} ns,"
        f" {answer['energy_per_operation_pj']:.3g} pJ per {answer['operation']}",
        caption="Area by module and by purpose, from a mapping that keeps module boundaries"
        f" ({answer['area_of_modules_kept_um2']:,.0f} µm² in all).",
        kind="measured",
        conditions=conditions(answer, answer["clock_ns"], answer["activity"]["source"])
        + f"; {rung_words(answer['rung'])}; areas from a mapping that keeps module boundaries",
        panels=[
            Panel(
                title="area by module", x_label="", y_label="area (µm²)", horizontal=True,
                series=[Series(name="area", colour="a", mark="bars", x=names, y=areas)],
            ),
            Panel(
                title="area by purpose", x_label="", y_label="area (µm²)", horizontal=True,
                series=[
                    Series(
                        name="area", colour="a", mark="bars", x=list(purposes),
                        y=list(purposes.values()),
                    )
                ],
            ),
        ],
    )  # fmt: skip


def sweep_plot(answer: dict[str, Any]) -> Chart:
    """Chart one answer of ``consilico sweep``: area against the clock, Pareto points joined.

    Args:
        answer: The answer as ``--json`` writes it.
    """
    best = sorted((point["path_ns"], point["area_um2"]) for point in answer["pareto"])
    tried = {
        (run["path_ns"], run["area_um2"])
        for point in answer["points"]
        for run in point["tried"].values()
    } | {(point["path_ns"], point["area_um2"]) for point in answer["points"]}
    others = sorted(tried - set(best))
    series = [
        Series(
            name="Pareto: no netlist is smaller and faster", colour="a",
            x=[path for path, _ in best], y=[area for _, area in best],
        )
    ]  # fmt: skip
    if others:
        series.append(
            Series(
                name="other netlists", colour="paper", mark="points",
                x=[path for path, _ in others], y=[area for _, area in others],
            )
        )  # fmt: skip
    what = answer.get("unit") or answer["top"]
    title = f"{what} in {answer['pdk']}: area against clock, Pareto points joined"
    if "fastest" in answer:
        fast = answer["fastest"]
        title += f"; fastest {fast['clock_ns']:.3f} ns ({1e3 / fast['clock_ns']:,.0f} MHz)"
        series.append(
            Series(
                name="fastest clock that was met", colour="limit", mark="limit",
                x=[fast["clock_ns"]], y=[fast["area_um2"]],
            )
        )  # fmt: skip
    clocks = [point["clock_ns"] for point in answer["points"]]
    return Chart(
        name="sweep",
        title=title,
        caption="Area of each netlist against the shortest clock period that it meets.",
        kind="measured",
        conditions=conditions(
            answer, f"mapped for {min(clocks):g} to {max(clocks):g} ns", NO_ACTIVITY
        ),
        panels=[
            Panel(
                x_label="shortest clock period that the netlist meets (ns)",
                y_label="area (µm²)",
                series=series,
                from_zero=False,
            )
        ],
    )


def _curves(facts: "ImplementationFacts") -> Chart:
    """Draw the Pareto points of every unit, area relative to its smallest netlist."""
    periods = [netlist.clock_ns for curve in facts.curves for netlist in curve.found.pareto]
    clocks = f"mapped for {min(periods):g} to {max(periods):g} ns" if periods else "none"
    series = []
    for colour, curve in zip(_COLOURS, facts.curves, strict=False):
        best = curve.found.pareto
        smallest = min(netlist.area_um2 for netlist in best)
        settings = ", ".join(curve.settings)
        series.append(
            Series(
                name=f"{curve.unit}{f' ({settings})' if settings else ''}",
                colour=colour,
                x=[netlist.path_ns for netlist in best],
                y=[netlist.area_um2 / smallest for netlist in best],
            )
        )
    return Chart(
        name="area_delay_curves",
        title="Area against longest path",
        caption="Area against longest path of netlists mapped for several clocks, those that no "
        f"other beats in both; area relative to the unit's smallest. {_tools(facts)}",
        kind="measured",
        conditions=conditions(facts.kit, clocks, NO_ACTIVITY),
        panels=[
            Panel(
                x_label="longest path (ns)",
                y_label="area / smallest area",
                series=series,
                from_zero=False,
            )
        ],
    )


def _purposes(facts: "ImplementationFacts") -> Chart:
    """Draw shares of the area, one bar per unit and kit."""
    rows = [row for row in facts.rows if row.area_um2 is not None]
    several = len({row.kit for row in rows}) > 1
    names = [f"{row.unit}, {row.kit}" if several else row.unit for row in rows]
    series = [
        Series(
            name=purpose, colour=colour, mark="bars", x=names,
            y=[100 * row.purpose_um2[purpose] / row.modules_kept_um2 for row in rows],
        )
        for purpose, colour in _PURPOSES.items()
    ]  # fmt: skip
    where = "; ".join(
        dict.fromkeys(conditions(row.to_json(), row.clock_ns, NO_ACTIVITY) for row in rows)
    )
    return Chart(
        name="area_by_purpose",
        title="Area by purpose",
        caption="What the area is for: netlists mapped with their module boundaries kept. "
        f"{_tools(facts)}",
        kind="measured",
        conditions=where,
        panels=[Panel(x_label="", y_label="area (%)", series=series if rows else [])],
    )


def _tools(facts: "ImplementationFacts") -> str:
    tools = facts.tools
    return f"Clock and wires ideal; Yosys {tools['yosys']}, OpenSTA {tools['sta']}."
