"""Figure of the training units: what random bits cost, and what they do for training."""

from dataclasses import replace
from typing import Any

from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import conditions
from consilico.reports.training.rounding_cost import CLOCK_NS

__all__ = ["random_bits"]


def random_bits(
    cost: list[dict[str, Any]], losses: list[dict[str, Any]], kit: dict[str, Any]
) -> Chart:
    """Area, energy and loss, each against the random bits.

    Args:
        cost: From :func:`consilico.reports.training.rounding_cost.rounding_cost`.
        losses: ``rounding`` of :func:`consilico.reports.training.facts.training_facts`.
        kit: What area and energy were measured in.
    """
    bits = [row["random_bits"] for row in cost]
    panels = [
        _panel("area per lane (µm²)", "area", "a", bits, [row["area_per_lane_um2"] for row in cost])
    ]
    energies = [row["energy_per_operation_pj"] for row in cost]
    panels.append(_panel("energy a value rounded (pJ)", "energy", "b", bits, energies))
    measured = [row for row in losses if row["loss"] is not None]
    drawn = sorted(
        (row for row in measured if row["random_bits"]), key=lambda row: row["random_bits"]
    )
    words = "Stochastic rounding by its random bits: area, energy of one value rounded"
    if drawn:
        x = [row["random_bits"] for row in drawn]
        loss = _panel(
            "validation loss (nats a byte)", "stochastic", "c", x, [r["loss"] for r in drawn]
        )
        others = [
            Series(name=name, colour=colour, x=[x[0], x[-1]], y=2 * [row["loss"]], dashed=True)
            for name, wanted, colour in (("to nearest", 0, "d"), ("float weights", None, "paper"))
            for row in measured
            if row["random_bits"] == wanted
        ]
        panels.append(replace(loss, series=[*loss.series, *others]))
        words += (
            f"; right, Q-GaLore's loss after {drawn[0]['steps']} steps, on an axis that does not "
            "start at zero"
        )
    return Chart(
        name="random_bits",
        title="Stochastic rounding by its random bits",
        caption=f"{words}.",
        kind="measured",
        conditions=conditions(kit, CLOCK_NS, "normally distributed numbers"),
        panels=panels if cost else [],
    )


def _panel(label: str, name: str, colour: str, x: list[int], y: list[float]) -> Panel:
    return Panel(
        x_label="random bits",
        y_label=label,
        series=[Series(name=name, colour=colour, x=list(x), y=y)],
        x_ticks=tuple(range(4, 17, 2)),
        from_zero=name != "stochastic",
    )
