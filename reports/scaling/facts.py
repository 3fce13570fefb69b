"""Facts of the report on scaling: predicted next to measured, and ConSmax next to its paper."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from consilico.sim.base.facts import Facts
from consilico.sim.estimate.nodes.measure import MeasuredUnit, measured_table
from consilico.sim.estimate.nodes.prediction import (
    BASE,
    ErrorBar,
    ScaledFigure,
    ScalingPrediction,
    error_bar,
    predictions,
    scale_figures,
    spread,
)
from consilico.sim.estimate.nodes.scaling import Technology, sources, technology

__all__ = [
    "SHOWN",
    "ConsmaxAtNode",
    "ConsmaxScaling",
    "KitConditions",
    "PairError",
    "PredictedFigure",
    "PublishedConsmax",
    "RangedFigure",
    "ScalingFacts",
    "UnitRow",
    "scaling_facts",
]

SHOWN = ("area", "delay", "energy")
_CONSMAX = ("consmax/paper", "consmax/split", "consmax/log2")
_SCALED_TO = ("22nm", "16nm")
_MEASURED_IN = "sky130hd"  # beside what the paper has for 130 nm


@dataclass(frozen=True, kw_only=True)
class KitConditions(Facts):
    """Conditions under which the units were measured in one kit."""

    name: str
    node_nm: float
    corner: str
    voltage_v: float
    clock_ns: float
    tools: dict[str, str | None]  # versions by name


@dataclass(frozen=True, kw_only=True)
class PredictedFigure(Facts):
    """One quantity of a unit in another kit: predicted from the base kit, and measured there."""

    predicted: float
    measured: float
    error_pct: float  # of the prediction, in percent of the measurement
    ratio: float  # measured / predicted

    @classmethod
    def of(cls, found: ScalingPrediction) -> "PredictedFigure":
        """Return the figures of a prediction."""
        return cls(
            predicted=found.predicted,
            measured=found.measured,
            error_pct=found.error_pct,
            ratio=found.ratio,
        )


@dataclass(frozen=True, kw_only=True)
class UnitRow(Facts):
    """A unit in the kits that it is scaled to."""

    unit: str
    source: str  # of its traffic
    operation: str  # that the energy is for
    kits: dict[str, dict[str, PredictedFigure]]  # by kit and quantity of SHOWN


@dataclass(frozen=True, kw_only=True)
class PairError(Facts):
    """Errors of one quantity's predictions for one kit, over the units."""

    pdk: str
    quantity: str
    bar: ErrorBar
    median_error_pct: float  # of the size of the error
    worst_error_pct: float  # signed


@dataclass(frozen=True, kw_only=True)
class RangedFigure(Facts):
    """A figure and, where it is scaled, what it is by the errors that our own units have."""

    value: float
    low: float | None = None
    median: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class ConsmaxAtNode(Facts):
    """One of our ConSmax units at one node."""

    unit: str
    node_nm: float
    voltage_v: float
    area_um2: RangedFigure
    delay_ns: RangedFigure
    energy_pj: RangedFigure
    basis: str  # "estimated" or "measured"
    how: str  # method of scaling, or where it was measured


@dataclass(frozen=True, kw_only=True)
class PublishedConsmax(Facts):
    """A figure that the ConSmax paper prints."""

    label: str
    source: str
    node_nm: float
    clock_ghz: float
    area_um2: float
    power_mw: float

    @property
    def energy_pj(self) -> float:
        """Return power divided by clock, which the paper does not print."""
        return self.power_mw / self.clock_ghz


@dataclass(frozen=True, kw_only=True)
class ConsmaxScaling(Facts):
    """ConSmax at the nodes of its paper: as published, and ours."""

    citation: str
    caveat: str
    published: tuple[PublishedConsmax, ...]
    ours: tuple[ConsmaxAtNode, ...]
    measured_at_ns: float  # clock period that the scaled energies were measured at


@dataclass(frozen=True, kw_only=True)
class ScalingFacts(Facts):
    """Everything that the report shows of scaling between nodes."""

    base: str  # the kit scaled from
    kits: dict[str, KitConditions]
    dates: tuple[str, ...]
    recipes: tuple[str, ...]
    rows: tuple[UnitRow, ...]
    errors: tuple[PairError, ...]
    bars: dict[str, ErrorBar]  # by quantity: of any other node, scaling down
    consmax: ConsmaxScaling
    sources: tuple[str, ...]

    @property
    def others(self) -> list[str]:
        """Return the kits that are scaled to."""
        return [name for name in self.kits if name != self.base]


def scaling_facts() -> ScalingFacts:
    """Return all of it, from checked-in tables alone."""
    table = measured_table()
    return ScalingFacts(
        base=BASE,
        kits={
            row.pdk: KitConditions(
                name=row.pdk,
                node_nm=row.node_nm,
                corner=row.corner,
                voltage_v=row.voltage_v,
                clock_ns=row.clock_ns,
                tools=dict(row.tools),
            )
            for row in table
        },
        dates=tuple(sorted({row.date for row in table})),
        recipes=tuple(sorted({row.recipe for row in table})),
        rows=_rows(),
        errors=_errors(),
        bars=_bars(),
        consmax=_consmax(),
        sources=tuple(sources()),
    )


def _others() -> list[str]:
    """Return the kits that are scaled to."""
    return [name for name in dict.fromkeys(row.pdk for row in measured_table()) if name != BASE]


def _rows() -> tuple[UnitRow, ...]:
    kits: dict[str, dict[str, dict[str, PredictedFigure]]] = {}
    for one in (one for pdk in _others() for one in predictions(BASE, pdk)):
        if one.quantity in SHOWN:
            own = kits.setdefault(one.unit, {}).setdefault(one.pdk, {})
            own[one.quantity] = PredictedFigure.of(one)
    return tuple(
        UnitRow(
            unit=row.unit,
            source=row.source,
            operation=row.operation,
            kits=kits.get(row.unit, {}),
        )
        for row in measured_table()
        if row.pdk == BASE
    )


def _errors() -> tuple[PairError, ...]:
    """Return how predictions err, for each kit and quantity."""
    found = []
    for pdk in _others():
        for quantity in SHOWN:
            own = [one for one in predictions(BASE, pdk) if one.quantity == quantity]
            found.append(
                PairError(
                    pdk=pdk,
                    quantity=quantity,
                    bar=spread([one.ratio for one in own], [(BASE, pdk)]),
                    median_error_pct=median(abs(one.error_pct) for one in own),
                    worst_error_pct=max((one.error_pct for one in own), key=abs),
                )
            )
    return tuple(found)


def _bars() -> dict[str, ErrorBar]:
    """Return the error bar of a node that is no kit, scaling down, by quantity."""
    found = {}
    for quantity in SHOWN:
        bar = error_bar(quantity, technology(BASE), technology(_SCALED_TO[0]))
        if bar is not None:
            found[quantity] = bar
    return found


def _consmax() -> ConsmaxScaling:
    """Return the paper's figures, and ours: scaled to its nodes, and measured at 130 nm."""
    published = tomllib.loads(Path(__file__).with_name("consmax_published.toml").read_text())
    rows = {(row.unit, row.pdk): row for row in measured_table()}
    ours = []
    for name in _SCALED_TO:
        for unit in _CONSMAX:
            row = rows[unit, BASE]
            given = {
                "area_um2": row.area_um2,
                "delay_ns": row.path_ns,
                "energy_pj": row.energy_pj,
            }
            found = scale_figures(technology(BASE), technology(name), given)
            figures = {key: _ranged(figure) for key, figure in found.figures.items()}
            method = found.figures["area_um2"].method
            ours.append(_at_node(unit, found.target, figures, "estimated", method))
    for unit in _CONSMAX:
        row = rows[unit, _MEASURED_IN]
        figures = {
            "area_um2": RangedFigure(value=row.area_um2),
            "delay_ns": RangedFigure(value=row.path_ns),
            "energy_pj": RangedFigure(value=row.energy_pj),
        }
        ours.append(_at_node(unit, row, figures, "measured", f"{row.pdk}, {row.corner}"))
    return ConsmaxScaling(
        citation=published["citation"],
        caveat=published["caveat"],
        published=tuple(PublishedConsmax.from_json(figure) for figure in published["figure"]),
        ours=tuple(ours),
        measured_at_ns=rows[_CONSMAX[0], BASE].clock_ns,
    )


def _at_node(
    unit: str,
    place: Technology | MeasuredUnit,
    figures: Mapping[str, RangedFigure],
    basis: str,
    how: str,
) -> ConsmaxAtNode:
    return ConsmaxAtNode(
        unit=unit,
        node_nm=place.node_nm,
        voltage_v=place.voltage_v,
        **figures,
        basis=basis,
        how=how,
    )


def _ranged(figure: ScaledFigure) -> RangedFigure:
    bar = figure.by_our_units
    if bar is None:
        return RangedFigure(value=figure.value)
    return RangedFigure(value=figure.value, low=bar.low, median=bar.median, high=bar.high)
