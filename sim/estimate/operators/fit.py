"""Costs of operators fitted to a kit's calibration, and how far they are to be trusted.

A cost is a sum over the census: non-negative costs a bit of each kind of operator, the same for
all units, times a factor of the unit, which stands for what mapping saves across operators and for
what a census does not see. Costs minimize relative errors (Lawson and Hanson's non-negative least
squares); the logarithm of a unit's factor is the mean of its residuals, drawn towards 0 as if one
further configuration had none. Intervals come from leaving out configurations one by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from consilico.sim.base.facts import Facts
from consilico.sim.estimate.operators.features import Reals

__all__ = [
    "LEVEL",
    "METRICS",
    "Cost",
    "Sample",
    "fit_cost",
    "left_out",
    "predict",
    "reach",
    "unseen",
]

METRICS: Final = ("area_um2", "path_ns", "energy_pj", "leakage_w")
LEVEL: Final = 0.9  # of the intervals
_ROUNDS = 6  # of choosing paths and factors
_PRIOR = 1.0  # configurations without residual that a unit's factor starts from
_SPREAD_PRIOR = 3.0  # configurations of the average unit in a unit's own spread


@dataclass(frozen=True, eq=False)
class Sample:
    """One measurement and the features of what was measured."""

    unit: str  # empty for a primitive
    features: Reals  # (alternatives, features): the greatest counts
    measured: float
    name: str = ""  # what is left out together; empty: this one alone


@dataclass(frozen=True, kw_only=True)
class Cost(Facts):
    """The costs of operators for one metric, fitted to measurements, with their uncertainty."""

    names: tuple[str, ...]
    coefficients: tuple[float, ...]  # by feature
    factors: dict[str, float]  # by unit
    spreads: dict[str, float]  # by unit: of the logarithm of measured / predicted, left out
    spread: float  # of a unit that was not in the fit
    quantile: float  # of deviation / spread that the level asks for

    def to_json(self) -> dict[str, Any]:
        """Return the coefficients by feature, and all other numbers by name."""
        return {
            "coefficients": dict(zip(self.names, self.coefficients, strict=True)),
            "factors": self.factors,
            "spreads": self.spreads,
            "spread": self.spread,
            "quantile": self.quantile,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Cost":
        """Return the cost of what :meth:`to_json` returned."""
        return cls(
            names=tuple(data["coefficients"]),
            coefficients=tuple(data["coefficients"].values()),
            **{key: data[key] for key in ("factors", "spreads", "spread", "quantile")},
        )


def predict(features: Reals, cost: Cost, unit: str) -> tuple[Reals, Reals, Reals]:
    """Return predicted values with the ends of their intervals.

    Args:
        features: Shape ``(alternatives, configurations, features)``.
        cost: What to predict.
        unit: Name of the unit; one that was not in the fit has a factor of 1.

    Returns:
        Values, low and high ends, each of shape ``(configurations,)``.
    """
    value = (features @ np.array(cost.coefficients)).max(axis=0) * cost.factors.get(unit, 1.0)
    times = reach(cost, unit)
    return value, value / times, value * times


def reach(cost: Cost, unit: str) -> float:
    """Return the factor between a value and either end of its interval."""
    return float(np.exp(cost.quantile * cost.spreads.get(unit, cost.spread)))


def fit_cost(samples: Sequence[Sample], names: Sequence[str]) -> Cost:
    """Fit costs to measurements.

    Args:
        samples: Primitives and configurations.
        names: Of the features.
    """
    coefficients, factors = _fit(samples)
    missed = {
        unit: [residual for residuals in own.values() for residual in residuals]
        for unit, own in left_out(samples).items()
    }
    strangers = [value for own in unseen(samples).values() for value in own]
    spreads = {unit: _spread(unit, missed) for unit in missed}
    scaled = [
        abs(value) / _spread(unit, missed, place)
        for unit, own in missed.items()
        for place, value in enumerate(own)
    ]
    quantile = _conformal(scaled)
    return Cost(
        names=tuple(names),
        coefficients=tuple(map(float, coefficients)),
        factors={unit: float(factor) for unit, factor in factors.items()},
        spreads=spreads,
        spread=_conformal(np.abs(strangers)) / quantile,
        quantile=quantile,
    )


def left_out(samples: Sequence[Sample]) -> dict[str, dict[str, list[float]]]:
    """Return logarithms of measured / predicted, each by a fit without samples of the same name.

    Returns:
        By unit and name; samples without one are numbered.
    """
    start, _ = _fit(samples)
    found: dict[str, dict[str, list[float]]] = {}
    for place, sample in enumerate(samples):
        if sample.unit:
            rest = [
                other
                for other in samples
                if other is not sample and not (sample.name and other.name == sample.name)
            ]
            name = sample.name or str(place)
            residual = _residual(sample, *_fit(rest, start))
            found.setdefault(sample.unit, {}).setdefault(name, []).append(residual)
    return found


def unseen(samples: Sequence[Sample]) -> dict[str, list[float]]:
    """Return logarithms of measured / predicted by unit, each by a fit without that unit."""
    start, _ = _fit(samples)
    found = {}
    for unit in dict.fromkeys(sample.unit for sample in samples if sample.unit):
        fitted = _fit([sample for sample in samples if sample.unit != unit], start)
        found[unit] = [_residual(sample, *fitted) for sample in samples if sample.unit == unit]
    return found


def _conformal(deviations: Any) -> float:
    """Return the bound that a further deviation stays below with the probability :data:`LEVEL`.

    Source: split conformal prediction, Lei et al., J. Am. Stat. Assoc. 113 (2018), section 2.2.
    """
    count = len(deviations)
    place = min(1.0, np.ceil((count + 1) * LEVEL) / count)
    return float(np.quantile(deviations, place, method="inverted_cdf"))


def _spread(unit: str, residuals: dict[str, list[float]], without: int | None = None) -> float:
    """Return the root mean square of a unit's residuals, drawn towards that of all units.

    The residual at ``without`` is left out.
    """
    own = [value for place, value in enumerate(residuals[unit]) if place != without]
    average = float(np.mean(np.square(np.concatenate([*residuals.values()]))))
    weight = len(own) + _SPREAD_PRIOR
    return float(np.sqrt((np.sum(np.square(own)) + _SPREAD_PRIOR * average) / weight))


def _fit(samples: Sequence[Sample], start: Reals | None = None) -> tuple[Reals, dict[str, float]]:
    """Return coefficients by feature, and a factor for each unit."""
    from scipy.optimize import (
        nnls,  # takes as long to import as all else, and predicting needs none
    )

    measured = np.array([sample.measured for sample in samples])
    units = [sample.unit for sample in samples]
    coefficients = np.ones(samples[0].features.shape[1]) if start is None else start
    factors = dict.fromkeys(filter(None, units), 1.0)
    for _ in range(_ROUNDS):
        chosen = np.array(
            [sample.features[(sample.features @ coefficients).argmax()] for sample in samples]
        )
        scale = np.array([factors.get(unit, 1.0) for unit in units])
        scaled = chosen * (scale / measured)[:, None]
        norms = np.maximum(np.linalg.norm(scaled, axis=0), 1e-30)  # features differ by magnitudes
        coefficients = nnls(scaled / norms, np.ones(len(samples)))[0] / norms
        values = np.maximum(chosen @ coefficients, 1e-30)
        for unit in factors:
            own = [np.log(measured[i] / values[i]) for i, name in enumerate(units) if name == unit]
            factors[unit] = float(np.exp(np.sum(own) / (len(own) + _PRIOR)))
    return coefficients, factors


def _residual(sample: Sample, coefficients: Reals, factors: dict[str, float]) -> float:
    value = (sample.features @ coefficients).max() * factors.get(sample.unit, 1.0)
    return float(np.log(sample.measured / max(value, 1e-30)))
