"""Figure of the training units: what random bits cost, and what they do for training."""

from collections.abc import Sequence
from dataclasses import replace

from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import conditions
from consilico.reports.page.measure import KitFacts
from consilico.reports.training.facts import RoundingLoss
from consilico.reports.training.rounding_cost import CLOCK_NS, RoundingCost

__all__ = ["random_bits"]


def random_bits(
    cost: Sequence[RoundingCost], losses: Sequence[RoundingLoss], kit: KitFacts
) -> Chart:
    """Chart area, energy and loss, each against the random bits.

    Args:
        cost: What the unit costs with each number of random bits.
        losses: What was trained with some of them.
        kit: What area and energy were measured in.
    """
    counts = [row.random_bits for row in cost]
    panels = [
        _panel("area per lane (µm²)", "area", "a", counts, [row.area_per_lane_um2 for row in cost])
    ]
    energies = [row.energy_per_operation_pj for row in cost]
    panels.append(_panel("energy a value rounded (pJ)", "energy", "b", counts, energies))
    measured = [(row.random_bits, row.loss) for row in losses if row.loss is not None]
    drawn = sorted((bits, loss) for bits, loss in measured if bits)
    words = "Stochastic rounding by its random bits: area, energy of one value rounded"
    if drawn:
        x = [bits for bits, _ in drawn]
        stochastic = _panel(
            "validation loss (nats a byte)", "stochastic", "c", x, [loss for _, loss in drawn]
        )
        others = [
            Series(name=name, colour=colour, x=[x[0], x[-1]], y=2 * [loss], dashed=True)
            for name, wanted, colour in (("to nearest", 0, "d"), ("float weights", None, "paper"))
            for bits, loss in measured
            if bits == wanted
        ]
        panels.append(replace(stochastic, series=[*stochastic.series, *others]))
        words += (
            f"; right, Q-GaLore's loss after {losses[0].steps} steps, on an axis that does not "
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
