"""Figures of power: over time, by module."""

from typing import Any

from consilico.reports.chart import Chart, Panel, Series
from consilico.reports.conditions import conditions

__all__ = ["over_time", "power_charts"]

_CAUSES = (("internal", "a"), ("switching", "b"), ("leakage", "c"))


def power_charts(power: dict[str, Any]) -> list[Chart]:
    """Those of the report.

    Args:
        power: From :func:`consilico.reports.power.facts.power_facts`.
    """
    unit = power["unit"]
    where = conditions(unit, unit["clock_ns"], f"{unit['traffic']} traffic, without delays")
    return [
        _by_module(unit, where),
        over_time(unit["profile"], unit["total_w"], unit["unit"], where),
    ]


def over_time(profile: dict[str, Any], mean_w: float, what: str, where: str) -> Chart:
    """Average power in windows, the mean of all, and the peak.

    Args:
        profile: From :meth:`consilico.sim.silicon.power.report.PowerProfile.to_json`.
        mean_w: Average power in watts.
        what: What it is of, for the caption.
        where: Under which conditions.
    """
    recorded = [index for index, time in enumerate(profile["recorded_s"]) if time > 0]
    times = [  # the middle of each window
        (profile["start_s"][index] + profile["recorded_s"][index] / 2) * 1e9 for index in recorded
    ]
    peak = profile["peak"]
    return Chart(
        name="power_over_time",
        caption=f"Power of {what} in windows of {profile['window_s'] * 1e9:g} ns; the mean of all, "
        "dashed; the peak window, marked.",
        kind="measured",
        conditions=where,
        panels=[
            Panel(
                x_label="time, ns",
                y_label="power, mW",
                series=[
                    Series(
                        name="in the window", colour="a", x=times,
                        y=[profile["power_w"][index] * 1e3 for index in recorded],
                    ),
                    Series(
                        name="mean", colour="paper", dashed=True,
                        x=[times[0], times[-1]], y=[mean_w * 1e3] * 2,
                    ),
                    Series(
                        name="peak", colour="limit", mark="limit",
                        x=[(peak["start_s"] + profile["window_s"] / 2) * 1e9],
                        y=[peak["power_w"] * 1e3],
                    ),
                ],
            )
        ],
    )  # fmt: skip


def _by_module(unit: dict[str, Any], where: str) -> Chart:
    """Power of the modules directly in the top, and of what the top has of its own, by cause."""
    inner = {name: part for name, part in unit["by_module"].items() if "/" not in name}
    top, *modules = inner.items()
    own = {
        f"{cause}_w": top[1][f"{cause}_w"] - sum(part[f"{cause}_w"] for _, part in modules)
        for cause, _ in _CAUSES
    }
    bars = {"top": own} | dict(modules)
    return Chart(
        name="power_by_module",
        caption=f"Power of {unit['unit']} by module and cause; top: outside of the modules.",
        kind="measured",
        conditions=where,
        panels=[
            Panel(
                x_label="",
                y_label="power, µW",
                series=[
                    Series(
                        name=cause, colour=colour, mark="bars", x=list(bars),
                        y=[part[f"{cause}_w"] * 1e6 for part in bars.values()],
                    )
                    for cause, colour in _CAUSES
                ],
            )
        ],
    )  # fmt: skip
