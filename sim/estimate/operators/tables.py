"""Read the costs fitted to a kit's measurements; features of what was measured."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from consilico.hw.census import Batch, Census
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.estimate.operators import features as feature
from consilico.sim.estimate.operators.features import Reals
from consilico.sim.estimate.operators.fit import Cost, Sample
from consilico.sim.estimate.operators.measurements import (
    FOLDER,
    MeasuredConfig,
    MeasuredDesign,
)
from consilico.sim.units.catalogue import find_unit
from consilico.sim.units.unit import Unit

if TYPE_CHECKING:
    from consilico.golden.config import Config

__all__ = [
    "KitCosts",
    "LayoutCosts",
    "OperandTraffic",
    "OrdinaryCosts",
    "calibrated_kits",
    "config_samples",
    "costs_path",
    "design_samples",
    "fitted_census",
    "groups",
    "layout_path",
    "read_calibration",
    "read_layout",
]


@dataclass(frozen=True, kw_only=True)
class OperandTraffic(Facts):
    """Traffic of one source at the input of a unit."""

    operations: float  # that a beat has, divided by those that the unit states for one
    operands: dict[str, dict[str, float]]  # toggle_rate and sign_correlation by operand


@dataclass(frozen=True, kw_only=True)
class OrdinaryCosts(Facts):
    """Costs of Verilog that is not ours, and how right they are."""

    costs: dict[str, Cost]  # by metric
    left_out: dict[str, dict[str, float]]
    """By metric and design: what a fit without the design predicts, divided by what was measured
    (for energy the geometric mean over its runs)."""


@dataclass(frozen=True, kw_only=True)
class LayoutCosts(Facts):
    """Factors from mapped cells to the layout, and how right they are."""

    fitted_sha256: str  # of what they were fitted to
    date: str  # of the newest layout
    designs: int  # that factors are fitted to
    units: tuple[str, ...]  # that these designs are of
    largest_um2: float  # area of the mapped cells of the largest of them
    costs: dict[str, Cost]  # by metric: of factors, as sums of a design's features
    unseen: dict[str, dict[str, float]]
    """By metric and unit: the factor by a fit without the unit, divided by what was measured
    (geometric mean over the unit's designs)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KitCosts(Facts):
    """The costs of operators fitted in one kit, and what they hold for."""

    fitted_sha256: str  # of what they were fitted to
    pdk: str
    corner: str
    voltage_v: float
    clock_ns: float  # that netlists were mapped for: slow enough to be mapped for area
    date: str
    tools: dict[str, str]
    level: float  # of the intervals
    costs: dict[str, Cost]  # by metric, of units
    plain: OrdinaryCosts
    traffic: dict[str, dict[str, OperandTraffic]]  # by unit and source
    largest_um2: dict[str, float]  # by unit: the largest area that was fitted to


def costs_path(pdk: str) -> Path:
    """Return where the costs of a kit lie."""
    return FOLDER / f"{pdk}.costs.json"


def calibrated_kits() -> list[str]:
    """Return the names of the kits that are calibrated."""
    return sorted(path.name.removesuffix(".costs.json") for path in FOLDER.glob("*.costs.json"))


@lru_cache
def read_calibration(pdk: str) -> KitCosts:
    """Return the costs fitted for a kit.

    Raises:
        UserError: If the kit is not calibrated; the message lists those that are.
    """
    if pdk not in calibrated_kits():
        known = ", ".join(calibrated_kits())
        raise UserError(f"process kit {pdk!r} is not calibrated for estimates; there are: {known}")
    return KitCosts.from_json(json.loads(costs_path(pdk).read_text()))


def layout_path(pdk: str) -> Path:
    """Return where the factors to the layout of a kit lie."""
    return FOLDER / f"{pdk}.factors.json"


@lru_cache
def read_layout(pdk: str) -> LayoutCosts | None:
    """Return the factors to the layout of a kit, or None where nothing was laid out in it."""
    path = layout_path(pdk)
    return LayoutCosts.from_json(json.loads(path.read_text())) if path.exists() else None


def groups(unit: Unit, configs: Sequence["Config"]) -> Iterator[tuple[Batch, list[int]]]:
    """Yield configurations in batches whose texts are equal, with their places.

    Those of a unit without formulas come one by one.
    """
    if unit.census is None:
        yield from ((Batch([config]), [place]) for place, config in enumerate(configs))
        return
    texts = [field.name for field in fields(unit.config) if isinstance(field.default, str)]
    places: dict[tuple[str, ...], list[int]] = {}
    for place, config in enumerate(configs):
        places.setdefault(tuple(getattr(config, name) for name in texts), []).append(place)
    for own in places.values():
        yield Batch([configs[place] for place in own]), own


def config_samples(rows: Iterable[MeasuredConfig], metric: str) -> list[Sample]:
    """Return the samples of one metric: configurations of units with their features.

    Raises:
        UserError: If a unit has no census.
    """
    found = []
    for row in rows:
        census = fitted_census(row.unit, row.config)
        measured = getattr(row, "energy_beat_pj" if metric == "energy_pj" else metric)
        features = metric_features(census, metric, row.operands, 1)[:, 0]
        found.append(Sample(row.unit, features, measured))
    return found


def fitted_census(name: str, config: Mapping[str, Any]) -> Census:
    """Return the operators of a configuration that costs or factors are fitted to.

    Args:
        name: Of the unit.
        config: Values of its fields by name.

    Raises:
        UserError: If the unit has no census.
    """
    unit = find_unit(name)
    if unit.census is None:
        raise UserError(f"{unit.name} has no census, which calibrating takes")
    return unit.census(Batch([unit.config(**config)]))


def design_samples(
    row: MeasuredDesign,
    census: Census,
    metric: str,
    operands: Callable[[float], feature.Operands],
    unit: str = "",
) -> list[Sample]:
    """Return the samples of one metric of a primitive or an ordinary design: one, or one per run.

    Args:
        row: What was measured.
        census: The design's operators.
        metric: One of :data:`consilico.sim.estimate.operators.fit.METRICS`.
        operands: Returns the statistics of operands for the correlation of a run.
        unit: Name of what shares a factor with it; none has none.
    """

    def features(seen: feature.Operands) -> Reals:
        return metric_features(census, metric, seen, 1)[:, 0]

    name = row.name if unit else ""  # that of a primitive is not left out of a fit
    if metric == "energy_pj":
        return [
            Sample(unit, features(operands(run.correlation)), run.energy_pj, name)
            for run in row.runs
        ]
    return [Sample(unit, features({}), getattr(row, metric), name)]


def metric_features(census: Census, metric: str, operands: Any, count: int) -> Reals:
    """Return features of a census for one metric, shape ``(alternatives, count, features)``."""
    if metric == "path_ns":
        return feature.path_features(census, count)
    if metric == "energy_pj":
        return feature.energy_features(census, operands, count)[np.newaxis]
    return feature.area_features(census, count)[np.newaxis]


def feature_names(metric: str) -> tuple[str, ...]:
    """Return the names of a metric's features."""
    return {
        "path_ns": feature.PATH_FEATURES,
        "energy_pj": feature.ENERGY_FEATURES,
    }.get(metric, feature.AREA_FEATURES)
