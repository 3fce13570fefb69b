"""Read a kit's calibration: the table of measurements, and the costs fitted to it."""

import json
from collections.abc import Iterator, Mapping, Sequence
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
from consilico.sim.units.catalogue import find_unit
from consilico.sim.units.unit import Unit

if TYPE_CHECKING:
    from consilico.golden.config import Config
    from consilico.sim.estimate.operators.fit import Cost, Sample

__all__ = [
    "FOLDER",
    "KitCosts",
    "OperandTraffic",
    "calibrated_kits",
    "groups",
    "read_calibration",
    "read_rows",
]

FOLDER = Path(__file__).parent / "calibration"


@dataclass(frozen=True, kw_only=True)
class OperandTraffic(Facts):
    """What the traffic of one source is like at the input of a unit."""

    operations: float  # that a beat has, divided by those that the unit states for one
    operands: dict[str, dict[str, float]]  # toggle_rate and sign_correlation by operand


@dataclass(frozen=True, eq=False)
class KitCosts:
    """The costs of operators fitted in one kit, and what they hold for."""

    pdk: str
    corner: str
    voltage_v: float
    clock_ns: float  # that netlists were mapped for: slow enough to be mapped for area
    date: str
    level: float  # of the intervals
    tools: dict[str, str]
    costs: dict[str, "Cost"]  # by metric, of units
    plain: dict[str, "Cost"]  # by metric, of Verilog that is not ours
    left_out: dict[str, dict[str, float]]  # of ordinary designs: predicted / measured, by metric
    traffic: dict[str, dict[str, OperandTraffic]]  # by unit and source
    largest_um2: dict[str, float]  # by unit: the largest area that was fitted to


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
    data = json.loads((FOLDER / f"{pdk}.costs.json").read_text())
    plain = data.pop("plain")
    data.pop("fitted_sha256", None)  # for `make calibration-check`
    traffic = {
        unit: {source: OperandTraffic.from_json(item) for source, item in sources.items()}
        for unit, sources in data.pop("traffic").items()
    }
    return KitCosts(
        traffic=traffic,
        costs=_costs(data.pop("costs")),
        plain=_costs(plain["costs"]),
        left_out=plain["left_out"],
        **data,
    )


def _costs(data: dict[str, Any]) -> dict[str, "Cost"]:
    from consilico.sim.estimate.operators.fit import Cost

    return {metric: Cost.from_json(cost) for metric, cost in data.items()}


def read_rows(pdk: str) -> dict[str, Any]:
    """Return the table of what was measured in a kit."""
    table: dict[str, Any] = json.loads((FOLDER / f"{pdk}.json").read_text())
    return table


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


def samples(rows: Sequence[Mapping[str, Any]], metric: str) -> list["Sample"]:
    """Return the samples of one metric: primitives and configurations with their features."""
    from consilico.sim.estimate.operators.fit import Sample
    from consilico.sim.estimate.operators.primitives import PRIMITIVES, primitive_census
    from consilico.sim.estimate.operators.primitives import primitive_operands as operands_of

    primitives = {item.name: item for item in PRIMITIVES}
    found = []
    for row in rows:
        if "unit" in row:
            unit = find_unit(row["unit"])
            if unit.census is None:
                raise UserError(f"{unit.name} has no census, which calibrating takes")
            census = unit.census(Batch([unit.config(**row["config"])]))
            measured = row["energy_beat_pj" if metric == "energy_pj" else metric]
            made = metric_features(census, metric, row["operands"], 1)[:, 0]
            found.append(Sample(row["unit"], made, measured))
            continue
        primitive = primitives[row["primitive"]]
        census = primitive_census(primitive)
        if metric == "energy_pj":
            for run in row["runs"]:
                operands = operands_of(primitive, run["correlation"])
                made = metric_features(census, metric, operands, 1)[:, 0]
                found.append(Sample("", made, run["energy_pj"]))
        elif metric != "path_ns" or primitive.kind != "clock_gate":
            found.append(Sample("", metric_features(census, metric, {}, 1)[:, 0], row[metric]))
    return found


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
