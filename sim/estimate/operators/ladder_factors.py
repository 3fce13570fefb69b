"""From mapped cells to the layout: factors fitted to the configurations that were laid out.

Costs of operators are fitted to hundreds of mapped netlists; laying out as many would take hours.
So a sample of them is laid out (:mod:`.ladder_measure`), and what a layout adds is fitted to it as
a factor: of the energy, which wires, the clock's tree and most of all glitches add to, a sum of a
few features of the design as it is estimated at cells, with costs that are not negative; of all
else a constant. Each unit has a factor of its own on top.
:func:`~consilico.sim.estimate.operators.fit.fit_cost` fits them as it does costs of operators, with
an interval from leaving designs out, and a wider one for units that were not laid out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from consilico.hw.census import Census
from consilico.sim.base.results import digest
from consilico.sim.estimate.operators.features import ENERGY_FEATURES, Reals
from consilico.sim.estimate.operators.fit import Cost, Sample, fit_cost, predict, reach, unseen
from consilico.sim.estimate.operators.ladder_table import KitLadder, MeasuredLadder
from consilico.sim.estimate.operators.tables import LayoutCosts, fitted_census, metric_features

__all__ = [
    "FACTORED",
    "carry_to_layout",
    "factor_features",
    "factor_samples",
    "factors_digest",
    "fit_layout",
]

# quantity on the layout: what it is a factor of at cells
FACTORED: Final = {
    "area_um2": "area_um2",
    "core_um2": "area_um2",
    "path_ns": "path_ns",
    "energy_pj": "energy_pj",
    "leakage_w": "leakage_w",
}
_CARRIES = "share of the energy in sums, products and comparisons"
_XOR = "share of the energy in XOR"
_SIZE = "share of the energy in logic, times the logarithm of the size"
_NAMES: Final = {  # features of each factor: those that predict units best that are left out
    "area_um2": ("one",),
    "core_um2": ("one",),
    "path_ns": ("one",),
    "energy_pj": ("one", _CARRIES, _XOR, _SIZE),
    "leakage_w": ("one",),
}
_CLOCKED = ("flop", "latch", "clocked flop", "clocked latch", "clock_gate")
_ARITHMETIC = ("add", "increment", "multiply", "less")


def factor_features(
    census: Census, operands: Any, count: int, costs: Mapping[str, Cost]
) -> dict[str, Reals]:
    """Return what the factors of a batch are sums of.

    Args:
        census: Of the batch.
        operands: ``toggle_rate`` and ``sign_correlation`` by field of the input payload.
        count: Configurations in the batch.
        costs: Of operators, by metric, in the kit.

    Returns:
        By quantity of :data:`FACTORED`: shape ``(1, count, features)``.
    """
    spent = metric_features(census, "energy_pj", operands, count)[0]
    spent = spent * costs["energy_pj"].coefficients
    whole = np.maximum(spent.sum(axis=1), 1e-30)

    def share(*kinds: str) -> Reals:
        columns = [ENERGY_FEATURES.index(kind) for kind in kinds]
        found: Reals = spent[:, columns].sum(axis=1) / whole
        return found

    area_um2 = dict(zip(costs["area_um2"].names, costs["area_um2"].coefficients, strict=True))
    bits = metric_features(census, "area_um2", operands, count)[0]
    flops = bits @ costs["area_um2"].coefficients / area_um2["flop"]  # that take as much area
    known = {
        "one": np.ones(count),
        _CARRIES: share(*_ARITHMETIC),
        _XOR: share("xor"),
        _SIZE: (1 - share(*_CLOCKED)) * np.log2(1 + flops),
    }
    return {
        quantity: np.stack([known[name] for name in names], axis=-1)[np.newaxis]
        for quantity, names in _NAMES.items()
    }


def factor_samples(
    rows: Sequence[MeasuredLadder], quantity: str, costs: Mapping[str, Cost]
) -> list[Sample]:
    """Return the samples of one quantity of :data:`FACTORED`: layouts, relative to their cells.

    Raises:
        UserError: If a unit has no census.
    """
    found = []
    for row in rows:
        census = fitted_census(row.unit, row.config)
        features = factor_features(census, row.operands, 1, costs)[quantity][:, 0]
        found.append(Sample(row.unit, features, row.factor(quantity)))
    return found


def fit_layout(table: KitLadder, costs: Mapping[str, Cost]) -> LayoutCosts:
    """Fit factors to a kit's laid-out designs, but for those that judge.

    Args:
        table: What was laid out.
        costs: Of operators, by metric, as they were fitted to mapped cells.
    """
    rows = _rows(table, costs)
    samples = {quantity: factor_samples(rows, quantity, costs) for quantity in FACTORED}
    return LayoutCosts(
        fitted_sha256=factors_digest(table, costs),
        date=max(row.date for row in rows),
        designs=len(rows),
        units=tuple(dict.fromkeys(row.unit for row in rows)),
        largest_um2=max(row.at_cells.area_um2 for row in rows),
        costs={quantity: fit_cost(own, _NAMES[quantity]) for quantity, own in samples.items()},
        unseen={
            quantity: {
                unit: float(np.exp(-np.mean(residuals))) for unit, residuals in unseen(own).items()
            }
            for quantity, own in samples.items()
        },
    )


def factors_digest(table: KitLadder, costs: Mapping[str, Cost]) -> str:
    """Return a digest of what factors are fitted to: layouts, and features by costs of cells."""
    parts = [
        [quantity, sample.unit, np.round(sample.features, 6).tolist(), sample.measured]
        for quantity in FACTORED
        for sample in factor_samples(_rows(table, costs), quantity, costs)
    ]
    return digest(*parts)


def _rows(table: KitLadder, costs: Mapping[str, Cost]) -> list[MeasuredLadder]:
    """Return the designs to fit to, of units whose cells the kit is calibrated for."""
    return [row for row in table.fitted if row.unit in costs["area_um2"].factors]


def carry_to_layout(
    cells: Mapping[str, tuple[Reals, Reals, Reals]],
    costs: Mapping[str, Cost],
    features: Mapping[str, Reals],
    layout: LayoutCosts,
    unit: str,
) -> dict[str, tuple[Reals, Reals, Reals]]:
    """Return quantities on the layout, with the ends of their intervals.

    An end is as far from its value as the errors at cells and of the factor make it together, as
    independent ones: the squares of their logarithms add up.

    Args:
        cells: Values at cells with their ends, by metric, each of shape ``(configurations,)``.
        costs: Of operators, that these were predicted by.
        features: From :func:`factor_features`.
        layout: The kit's factors.
        unit: Name of the unit; one that was not in a fit has the widest interval.

    Returns:
        By quantity of :data:`FACTORED`: values, low and high ends.
    """
    found = {}
    for quantity, base in FACTORED.items():
        cost = layout.costs[quantity]
        value = cells[base][0] * predict(features[quantity], cost, unit)[0]
        both = np.hypot(np.log(reach(costs[base], unit)), np.log(reach(cost, unit)))
        found[quantity] = (value, value / np.exp(both), value * np.exp(both))
    return found
