"""Figures of power: over time, by module."""

from typing import Any

from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import conditions
from consilico.reports.power.facts import PowerFacts

__all__ = ["power_charts", "power_plot"]

_PARTS_SHOWN = 12
_CAUSES = (("internal", "a"), ("switching", "b"), ("leakage", "c"))


def power_charts(power: PowerFacts) -> list[Chart]:
    """Return the charts of the section: the unit's power by module and over time, if measured."""
    unit = power.unit
    if unit is None:
        return []
    where = conditions(unit, unit["clock_ns"], f"{unit['traffic']} traffic, without delays")
    return [
        _by_module(unit, where),
        Chart(
            name="power_over_time",
            title=f"Power of {unit['unit']} over time",
            caption=f"Power of {unit['unit']} in windows of "
            f"{unit['profile']['window_s'] * 1e9:g} ns; the mean of all, dashed; the peak window, "
            "marked.",
            kind="measured",
            conditions=where,
            panels=[_over_time(unit["profile"], unit["total_w"])],
        ),
    ]


def power_plot(answer: dict[str, Any], what: str, where: str) -> Chart:
    """Chart one answer of ``consilico power``: by class of cell or module, and over time.

    Args:
        answer: The answer as ``--json`` writes it. Where it has a ``profile``, power over time is
            a panel of its own.
        what: What was analysed, for the title, such as the top module.
        where: Libraries, clock and activity, in words.
    """
    total = answer["total_w"]
    classes = {name: part for name, part in answer["by_class"].items() if part["total_w"]}
    panels = [Panel(
        title="by class of cell", x_label="", y_label="power (mW)", series=_causes(classes, 1e3),
    )]  # fmt: skip
    if len(answer["by_module"]) > 1:
        panels.append(Panel(
            title="by module", x_label="", y_label="power (mW)", horizontal=True,
            series=_causes(_largest(_modules(answer)), 1e3),
        ))  # fmt: skip
    if answer.get("profile"):
        panels.append(_over_time(answer["profile"], total))
    return Chart(
        name="power",
        title=f"Power of {what}: {total * 1e3:.4g} mW",
        caption="Power by class of cell and by module; over time where windows were asked for.",
        kind="measured",
        conditions=where,
        panels=panels,
    )


def _over_time(profile: dict[str, Any], mean_w: float) -> Panel:
    """Show average power in windows, the mean of all, and the peak window."""
    recorded = [index for index, time in enumerate(profile["recorded_s"]) if time > 0]
    times = [  # the middle of each window
        (profile["start_s"][index] + profile["recorded_s"][index] / 2) * 1e9 for index in recorded
    ]
    peak = profile["peak"]
    return Panel(
        title="over time",
        x_label="time (ns)",
        y_label="power (mW)",
        series=[
            Series(
                name=f"windows of {profile['window_s'] * 1e9:g} ns", colour="a", x=times,
                y=[profile["power_w"][index] * 1e3 for index in recorded],
            ),
            Series(
                name="mean", colour="e", dashed=True, x=[times[0], times[-1]],
                y=[mean_w * 1e3] * 2,
            ),
            Series(
                name="peak window", colour="limit", mark="limit",
                x=[(peak["start_s"] + profile["window_s"] / 2) * 1e9], y=[peak["power_w"] * 1e3],
            ),
        ],
    )  # fmt: skip


def _modules(answer: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return power by cause of the modules directly in the top, and of the rest of the top."""
    inner = {name: part for name, part in answer["by_module"].items() if "/" not in name}
    top, *modules = inner.items()
    own = {
        f"{cause}_w": top[1][f"{cause}_w"] - sum(part[f"{cause}_w"] for _, part in modules)
        for cause, _ in _CAUSES
    }
    return {"outside of modules": own} | dict(modules)


def _largest(parts: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Keep the parts that take the most power, and put the others together."""
    ranked = sorted(parts, key=lambda name: -sum(parts[name][f"{c}_w"] for c, _ in _CAUSES))
    kept = {name: parts[name] for name in ranked[:_PARTS_SHOWN]}
    rest = ranked[_PARTS_SHOWN:]
    if rest:
        kept[f"{len(rest)} more modules"] = {
            f"{cause}_w": sum(parts[name][f"{cause}_w"] for name in rest) for cause, _ in _CAUSES
        }
    return kept


def _causes(parts: dict[str, dict[str, float]], scale: float) -> list[Series]:
    return [
        Series(
            name=cause, colour=colour, mark="bars", x=list(parts),
            y=[part[f"{cause}_w"] * scale for part in parts.values()],
        )
        for cause, colour in _CAUSES
    ]  # fmt: skip


def _by_module(unit: dict[str, Any], where: str) -> Chart:
    return Chart(
        name="power_by_module",
        title=f"Power of {unit['unit']} by module",
        caption=f"Power of {unit['unit']} by module and cause.",
        kind="measured",
        conditions=where,
        panels=[Panel(x_label="", y_label="power (µW)", series=_causes(_modules(unit), 1e6))],
    )
