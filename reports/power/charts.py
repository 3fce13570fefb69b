"""Figures of power: over time, by module."""

from collections.abc import Mapping
from typing import Any

from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import conditions
from consilico.reports.power.facts import PowerFacts, PowerOverTime, UnitPower
from consilico.sim.silicon.power.report import Power

__all__ = ["power_charts", "power_plot"]

_PARTS_SHOWN = 12
_CAUSES = (("internal", "a"), ("switching", "b"), ("leakage", "c"))


def power_charts(power: PowerFacts) -> list[Chart]:
    """Return the charts of the section: the unit's power by module and over time, if measured."""
    unit = power.unit
    if unit is None:
        return []
    where = conditions(unit, unit.clock_ns, f"{unit.traffic} traffic, without delays")
    return [
        _by_module(unit, where),
        Chart(
            name="power_over_time",
            title=f"Power of {unit.unit} over time",
            caption=f"Power of {unit.unit} in windows of {unit.profile.window_s * 1e9:g} ns; the"
            " mean of all, dashed; the peak window, marked.",
            kind="measured",
            conditions=where,
            panels=[_over_time(unit.profile, unit.total.total_w)],
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
    classes = {name: part for name, part in _powers(answer["by_class"]).items() if part.total_w}
    modules = _powers(answer["by_module"])
    panels = [Panel(
        title="by class of cell", x_label="", y_label="power (mW)", series=_causes(classes, 1e3),
    )]  # fmt: skip
    if len(modules) > 1:
        panels.append(Panel(
            title="by module", x_label="", y_label="power (mW)", horizontal=True,
            series=_causes(_largest(_modules(modules)), 1e3),
        ))  # fmt: skip
    if answer.get("profile"):
        panels.append(_over_time(PowerOverTime.from_json(answer["profile"]), total))
    return Chart(
        name="power",
        title=f"Power of {what}: {total * 1e3:.4g} mW",
        caption="Power by class of cell and by module; over time where windows were asked for.",
        kind="measured",
        conditions=where,
        panels=panels,
    )


def _powers(parts: Mapping[str, Any]) -> dict[str, Power]:
    return {name: Power.from_json(part) for name, part in parts.items()}


def _over_time(profile: PowerOverTime, mean_w: float) -> Panel:
    """Show average power in windows, the mean of all, and the peak window."""
    recorded = [index for index, time in enumerate(profile.recorded_s) if time > 0]
    times = [  # the middle of each window
        (profile.start_s[index] + profile.recorded_s[index] / 2) * 1e9 for index in recorded
    ]
    return Panel(
        title="over time",
        x_label="time (ns)",
        y_label="power (mW)",
        series=[
            Series(
                name=f"windows of {profile.window_s * 1e9:g} ns", colour="a", x=times,
                y=[profile.power_w[index] * 1e3 for index in recorded],
            ),
            Series(
                name="mean", colour="e", dashed=True, x=[times[0], times[-1]],
                y=[mean_w * 1e3] * 2,
            ),
            Series(
                name="peak window", colour="limit", mark="limit",
                x=[(profile.peak.start_s + profile.window_s / 2) * 1e9],
                y=[profile.peak.power_w * 1e3],
            ),
        ],
    )  # fmt: skip


def _modules(by_module: Mapping[str, Power]) -> dict[str, Power]:
    """Return the power of the modules directly in the top, and of the rest of the top."""
    (_, whole), *modules = ((name, part) for name, part in by_module.items() if "/" not in name)
    inside = sum((part for _, part in modules), Power())
    outside = Power(
        whole.internal_w - inside.internal_w,
        whole.switching_w - inside.switching_w,
        whole.leakage_w - inside.leakage_w,
    )
    return {"outside of modules": outside} | dict(modules)


def _largest(parts: Mapping[str, Power]) -> dict[str, Power]:
    """Keep the parts that take the most power, and put the others together."""
    ranked = sorted(parts, key=lambda name: -parts[name].total_w)
    kept = {name: parts[name] for name in ranked[:_PARTS_SHOWN]}
    if rest := ranked[_PARTS_SHOWN:]:
        kept[f"{len(rest)} more modules"] = sum((parts[name] for name in rest), Power())
    return kept


def _causes(parts: Mapping[str, Power], scale: float) -> list[Series]:
    return [
        Series(
            name=cause, colour=colour, mark="bars", x=list(parts),
            y=[getattr(part, f"{cause}_w") * scale for part in parts.values()],
        )
        for cause, colour in _CAUSES
    ]  # fmt: skip


def _by_module(unit: UnitPower, where: str) -> Chart:
    return Chart(
        name="power_by_module",
        title=f"Power of {unit.unit} by module",
        caption=f"Power of {unit.unit} by module and cause.",
        kind="measured",
        conditions=where,
        panels=[
            Panel(x_label="", y_label="power (µW)", series=_causes(_modules(unit.by_module), 1e6))
        ],
    )
