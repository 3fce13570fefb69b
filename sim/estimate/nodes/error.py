"""How right scaling is: our own units, measured in three kits, and scaled from one to another.

The ratio of measured to predicted, over the units, is the error bar of a scaled figure.
"""

import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import pairwise
from math import log
from statistics import median, quantiles
from typing import Any

from consilico.sim.estimate.nodes.scaling import Technology, scaling_factor, technology

__all__ = ["BASE", "ErrorBar", "Prediction", "error_bar", "measured_table", "predictions", "spread"]

BASE = "nangate45"  # the kit that the report scales from


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One quantity of a unit: scaled from one kit to another, and measured there."""

    unit: str
    pdk: str  # the kit that is scaled to
    quantity: str
    predicted: float
    measured: float

    @property
    def ratio(self) -> float:
        """Measured to predicted."""
        return self.measured / self.predicted

    @property
    def error_pct(self) -> float:
        """Of the prediction against the measurement."""
        return 100 * (self.predicted / self.measured - 1)


@dataclass(frozen=True, kw_only=True)
class ErrorBar:
    """Distribution of measured to predicted over the units."""

    low_ratio: float  # 5 % of the units lie below
    median_ratio: float
    high_ratio: float  # 5 % lie above
    figures: int
    pairs: tuple[str, ...]  # of kits

    def to_json(self) -> dict[str, Any]:
        """Field values by name."""
        return asdict(self)


@cache
def measured_table() -> tuple[dict[str, Any], ...]:
    """Rows of the checked-in table, as :mod:`consilico.sim.estimate.nodes.measure` writes it."""
    from consilico.sim.estimate.nodes.measure import TABLE

    return tuple(json.loads(TABLE.read_text())["rows"])


@cache
def predictions(source: str, target: str) -> tuple[Prediction, ...]:
    """Every unit that was measured in these two kits, in the table's order.

    Area, longest path, energy an operation, and power at one and the same clock.
    """
    rows = {(row["unit"], row["pdk"]): row for row in measured_table()}
    ends = technology(source), technology(target)
    return tuple(
        Prediction(
            unit=unit,
            pdk=target,
            quantity=quantity,
            predicted=value * scaling_factor(quantity, *ends).value,
            measured=_figures(rows[unit, target])[quantity],
        )
        for (unit, pdk), row in rows.items()
        if pdk == source and (unit, target) in rows
        for quantity, value in _figures(row).items()
    )


def _figures(row: dict[str, Any]) -> dict[str, float]:
    """What of a row is scaled; power at 1 GHz: energy a cycle stays, leakage is a power."""
    dynamic_w = (row["internal_w"] + row["switching_w"]) * row["clock_ns"]
    return {
        "area": row["area_um2"],
        "delay": row["path_ns"],
        "energy": row["energy_pj"],
        "power": dynamic_w + row["leakage_w"],
    }


def error_bar(quantity: str, source: Technology, target: Technology) -> ErrorBar | None:
    """What is known of the error of scaling so.

    Between two kits that were measured it is that of the pair. Else it is that of the pairs of
    neighbouring nodes, turned the way that is scaled, or of the widest pair where the step is wider
    than theirs; and as a smaller step may err less, it then reaches to the predicted value itself.

    Args:
        quantity: One of :data:`consilico.sim.estimate.nodes.scaling.QUANTITIES`.
        source: Scaled from.
        target: Scaled to.

    Returns:
        None at one and the same node, and where one is extrapolated: nothing was measured there.
    """
    if source.node_nm == target.node_nm:
        return None
    if scaling_factor(quantity, source, target).method == "extrapolated":
        return None
    kits = [technology(name) for name in dict.fromkeys(row["pdk"] for row in measured_table())]
    if source in kits and target in kits:
        return _bar(quantity, [(source.name, target.name)])
    nodes = sorted(kits, key=lambda kit: -kit.node_nm)
    pairs = list(pairwise(nodes))
    if _step(source, target) > max((_step(*pair) for pair in pairs), default=0):
        pairs = [(nodes[0], nodes[-1])] if pairs else []
    down = target.node_nm < source.node_nm
    names = [(one.name, other.name) if down else (other.name, one.name) for one, other in pairs]
    bar = _bar(quantity, names)
    if bar is None:
        return None
    return replace(bar, low_ratio=min(1.0, bar.low_ratio), high_ratio=max(1.0, bar.high_ratio))


def _step(one: Technology, other: Technology) -> float:
    return abs(log(one.node_nm / other.node_nm))


def _bar(quantity: str, pairs: list[tuple[str, str]]) -> ErrorBar | None:
    ratios = [p.ratio for pair in pairs for p in predictions(*pair) if p.quantity == quantity]
    return spread(ratios, pairs) if len(ratios) > 1 else None


def spread(ratios: list[float], pairs: list[tuple[str, str]]) -> ErrorBar:
    """Median, and what 5 and 95 % of the ratios lie below."""
    cuts = quantiles(ratios, n=20, method="inclusive")
    return ErrorBar(
        low_ratio=cuts[0],
        median_ratio=median(ratios),
        high_ratio=cuts[-1],
        figures=len(ratios),
        pairs=tuple(f"{source} to {target}" for source, target in pairs),
    )
