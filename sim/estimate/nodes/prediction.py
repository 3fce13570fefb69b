"""Figures predicted for another technology, and how far such predictions err on our own units.

The catalogue's units were measured in three process kits (``measured.json``). Scaling each of them
from one kit to another and comparing with the measurement there gives a ratio per unit; the
distribution of these ratios is the error bar of a scaled figure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from math import log
from statistics import median, quantiles
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.estimate.nodes.measure import MeasuredUnit, measured_table
from consilico.sim.estimate.nodes.scaling import Technology, scaling_factor, sources, technology

__all__ = [
    "BASE",
    "ErrorBar",
    "ScaledFigure",
    "ScaledFigures",
    "ScalingPrediction",
    "UnitsBar",
    "error_bar",
    "predictions",
    "scale_figures",
    "spread",
]

BASE = "nangate45"  # the kit that the report scales from


@dataclass(frozen=True, kw_only=True)
class ScalingPrediction:
    """One quantity of a unit, scaled from one kit to another, next to its measurement there."""

    unit: str
    pdk: str  # the kit that it is scaled to
    quantity: str  # one of scaling.QUANTITIES
    predicted: float
    measured: float

    @property
    def ratio(self) -> float:
        """Return measured divided by predicted."""
        return self.measured / self.predicted

    @property
    def error_pct(self) -> float:
        """Return the error of the prediction in percent of the measurement."""
        return 100 * (self.predicted / self.measured - 1)


@dataclass(frozen=True, kw_only=True)
class ErrorBar(Facts):
    """The distribution of measured divided by predicted over the units."""

    low_ratio: float  # 5 % of the units lie below
    median_ratio: float
    high_ratio: float  # 5 % lie above
    figures: int  # number of ratios
    pairs: tuple[str, ...]  # pairs of kits that they come from, such as "nangate45 to asap7"
    rung: str = "cells"  # that the units were measured on, in all kits


@dataclass(frozen=True, kw_only=True)
class UnitsBar(Facts):
    """Range of a prediction, by the errors that our own units have when scaled likewise."""

    low: float
    median: float
    high: float
    bar: ErrorBar

    def to_json(self) -> dict[str, Any]:
        """Return the three figures and the ratios they come from, on one level."""
        return {"low": self.low, "median": self.median, "high": self.high, **self.bar.to_json()}


@dataclass(frozen=True, kw_only=True)
class ScaledFigure(Facts):
    """One figure at another technology. ``value`` need not lie within ``by_our_units``."""

    given: float  # at the technology it is known at, in the unit of its name
    value: float  # estimated: given times factor
    factor: float
    by_our_units: UnitsBar | None  # None where nothing was measured that could tell
    method: str  # "tabulated", "interpolated" or "extrapolated"


@dataclass(frozen=True, kw_only=True)
class ScaledFigures(Facts):
    """Figures at another technology: what ``consilico scale`` prints."""

    source: Technology  # where they are known
    target: Technology  # where they are asked for
    figures: dict[str, ScaledFigure]  # by name: area_um2, delay_ns, energy_pj, power_w
    notes: tuple[str, ...]  # doubts about the supplies
    sources: tuple[str, ...]  # citations
    basis: str = "estimated"

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name, and ``from``, ``to``, ``basis``, ``notes``, ``sources``."""
        return {
            "from": self.source.to_json(),
            "to": self.target.to_json(),
            **{name: figure.to_json() for name, figure in self.figures.items()},
            "basis": self.basis,
            "notes": list(self.notes),
            "sources": list(self.sources),
        }


def scale_figures(
    source: Technology, target: Technology, given: Mapping[str, float]
) -> ScaledFigures:
    """Scale figures to another technology, and say what our own units tell about the error.

    Args:
        source: The technology at which the figures are known.
        target: The technology at which they are asked for.
        given: Values by name: ``area_um2``, ``delay_ns``, ``energy_pj``, ``power_w``.

    Raises:
        UserError: If a polynomial means nothing at one of the supplies.
    """
    notes: dict[str, None] = {}
    figures = {}
    for name, value in given.items():
        quantity = name.split("_")[0]
        factor = scaling_factor(quantity, source, target)
        notes |= dict.fromkeys(factor.notes)
        predicted = value * factor.value
        figures[name] = ScaledFigure(
            given=value,
            value=predicted,
            factor=factor.value,
            by_our_units=_by_our_units(predicted, error_bar(quantity, source, target)),
            method=factor.method,
        )
    return ScaledFigures(
        source=source,
        target=target,
        figures=figures,
        notes=tuple(notes),
        sources=tuple(sources()),
    )


def _by_our_units(predicted: float, bar: ErrorBar | None) -> UnitsBar | None:
    if bar is None:
        return None
    return UnitsBar(
        low=predicted * bar.low_ratio,
        median=predicted * bar.median_ratio,
        high=predicted * bar.high_ratio,
        bar=bar,
    )


@cache
def predictions(source: str, target: str) -> tuple[ScalingPrediction, ...]:
    """Return area, delay, energy and power of every unit that was measured in both kits.

    Energy is per operation. Power is compared at one and the same clock. The units are in the
    table's order.

    Args:
        source: Name of the kit that is scaled from.
        target: Name of the kit that is scaled to.
    """
    rows = {(row.unit, row.pdk): row for row in measured_table()}
    ends = technology(source), technology(target)
    return tuple(
        ScalingPrediction(
            unit=unit,
            pdk=target,
            quantity=quantity,
            predicted=value * scaling_factor(quantity, *ends).value,
            measured=_scalable(rows[unit, target])[quantity],
        )
        for (unit, pdk), row in rows.items()
        if pdk == source and (unit, target) in rows
        for quantity, value in _scalable(row).items()
    )


def _scalable(row: MeasuredUnit) -> dict[str, float]:
    """Return the row's figures by quantity, power at 1 GHz.

    Dynamic power follows the clock, as the energy per cycle stays; leakage does not.
    """
    dynamic_w = (row.internal_w + row.switching_w) * row.clock_ns
    return {
        "area": row.area_um2,
        "delay": row.path_ns,
        "energy": row.energy_pj,
        "power": dynamic_w + row.leakage_w,
    }


def error_bar(quantity: str, source: Technology, target: Technology) -> ErrorBar | None:
    """Return what is known of the error of scaling a quantity from one technology to another.

    Between two kits in which the units were measured, it is the distribution of that pair.
    Elsewhere it is that of the pairs of neighbouring nodes, in the direction of the scaling; or of
    the widest pair, where the step is wider than every step between neighbours. As a smaller step
    may err less, such a bar is extended to include a ratio of 1.

    Args:
        quantity: One of :data:`consilico.sim.estimate.nodes.scaling.QUANTITIES`.
        source: The technology that is scaled from.
        target: The technology that is scaled to.

    Returns:
        None if both are at the same node, or if one is extrapolated: nothing was measured there.
    """
    if source.node_nm == target.node_nm:
        return None
    if scaling_factor(quantity, source, target).method == "extrapolated":
        return None
    kits = [technology(name) for name in dict.fromkeys(row.pdk for row in measured_table())]
    if source in kits and target in kits:
        return _bar_of(quantity, [(source.name, target.name)])
    nodes = sorted(kits, key=lambda kit: -kit.node_nm)
    pairs = list(pairwise(nodes))
    if _step(source, target) > max((_step(*pair) for pair in pairs), default=0):
        pairs = [(nodes[0], nodes[-1])] if pairs else []
    down = target.node_nm < source.node_nm
    names = [(one.name, other.name) if down else (other.name, one.name) for one, other in pairs]
    bar = _bar_of(quantity, names)
    if bar is None:
        return None
    return replace(bar, low_ratio=min(1.0, bar.low_ratio), high_ratio=max(1.0, bar.high_ratio))


def _step(one: Technology, other: Technology) -> float:
    return abs(log(one.node_nm / other.node_nm))


def _bar_of(quantity: str, pairs: list[tuple[str, str]]) -> ErrorBar | None:
    ratios = [p.ratio for pair in pairs for p in predictions(*pair) if p.quantity == quantity]
    return spread(ratios, pairs) if len(ratios) > 1 else None


def spread(ratios: list[float], pairs: list[tuple[str, str]]) -> ErrorBar:
    """Return the median of some ratios, and the values that 5 % and 95 % of them lie below.

    Args:
        ratios: Measured divided by predicted, at least two.
        pairs: Pairs of kits that they come from.
    """
    cuts = quantiles(ratios, n=20, method="inclusive")
    return ErrorBar(
        low_ratio=cuts[0],
        median_ratio=median(ratios),
        high_ratio=cuts[-1],
        figures=len(ratios),
        pairs=tuple(f"{source} to {target}" for source, target in pairs),
    )
