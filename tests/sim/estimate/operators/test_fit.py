"""The fit, on data whose costs are known."""

import numpy as np
import pytest

from consilico.sim.estimate.operators.fit import LEVEL, Cost, Sample, fit_cost, predict

NAMES = ("a", "b", "c")
COSTS = np.array([2.0, 0.5, 0.0])
FACTORS = np.exp(np.linspace(-0.3, 0.3, 8))  # of units, 1 in the mean of logarithms


def drawn(noise: float, each: int = 6) -> list[Sample]:
    """Primitives of one feature each, and configurations of units that cost a factor more."""
    rng = np.random.default_rng(3)
    found = [
        Sample("", size * np.eye(3)[[place]], float(size * max(COSTS[place], 1e-9)))
        for place in (0, 1)
        for size in (4.0, 8.0, 16.0)
    ]
    for unit in range(len(FACTORS)):
        for _ in range(each):
            features = rng.uniform(1, 100, (1, 3))
            factor = FACTORS[unit]
            value = float((features @ COSTS)[0]) * factor * np.exp(rng.normal(0, noise))
            found.append(Sample(f"unit{unit}", features, value))
    return found


def test_known_costs_and_factors_are_found() -> None:
    cost = fit_cost(drawn(0.0), NAMES)
    assert cost.coefficients == pytest.approx(COSTS, rel=0.1, abs=0.02)
    ratio = cost.factors["unit7"] / cost.factors["unit0"]
    assert ratio == pytest.approx(FACTORS[7] / FACTORS[0], rel=0.12)  # drawn towards 1 a little


def test_costs_are_never_negative() -> None:
    samples = [Sample("", np.array([[1.0, size]]), 1.0 / size) for size in (1.0, 2.0, 4.0)]
    assert min(fit_cost([*samples, *_unit(samples)], ("x", "y")).coefficients) >= 0


def _unit(samples: list[Sample]) -> list[Sample]:
    return [Sample("unit", sample.features, sample.measured) for sample in samples]


def test_intervals_cover_what_was_not_fitted_as_often_as_they_say() -> None:
    samples = drawn(0.1, each=16)
    rng = np.random.default_rng(5)
    kept = {place for place in range(6, len(samples)) if rng.random() < 0.5}
    cost = fit_cost([item for place, item in enumerate(samples) if place not in kept], NAMES)
    inside = []
    for place in kept:
        item = samples[place]
        _, low, high = predict(item.features[:, np.newaxis], cost, item.unit)
        inside.append(low[0] <= item.measured <= high[0])
    assert LEVEL - 0.08 <= np.mean(inside) <= 1.0


def test_noise_widens_intervals_and_strangers_have_the_widest() -> None:
    quiet, loud = fit_cost(drawn(0.02), NAMES), fit_cost(drawn(0.2), NAMES)
    assert max(quiet.spreads.values()) < min(loud.spreads.values())
    assert quiet.spread > max(quiet.spreads.values())


def test_the_longest_of_several_paths_counts() -> None:
    cost = Cost(
        names=NAMES, coefficients=(1.0, 2.0, 0.0), factors={}, spreads={}, spread=0.1, quantile=1.0
    )
    paths = np.array([[[3.0, 0.0, 0.0]], [[0.0, 2.0, 0.0]]])
    value, low, high = predict(paths, cost, "new")
    assert value == pytest.approx([4.0])
    assert low < value < high


def test_costs_survive_json() -> None:
    cost = fit_cost(drawn(0.05), NAMES)
    assert Cost.from_json(cost.to_json()) == cost
