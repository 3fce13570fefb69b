"""Costs for Verilog that is not ours: fitted to operators alone and to ordinary designs.

The units' own costs would not do. Their Verilog is close to gates, much of which mapping saves;
ordinary Verilog leaves adders, multiplexers and comparisons whole. The designs of
:mod:`sim.estimate.operators.plain` share a factor, and each is predicted by a fit without it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from consilico.hw.census import Census
from consilico.sim.estimate.operators.fit import METRICS, Cost, Sample, fit_cost, left_out
from consilico.sim.estimate.operators.plain import PLAIN, read
from consilico.sim.estimate.operators.rtl import rtl_census
from consilico.sim.estimate.operators.rtl_path import longest_steps, step_delays
from consilico.sim.estimate.operators.rtl_reader import Design
from consilico.sim.estimate.operators.tables import feature_names, metric_features, samples

__all__ = ["design_census", "fit_plain", "same_rate"]

_OPERAND = "data"  # what makes everything toggle
_PASSES = 2  # the longest path depends on delays, which are fitted to it


def design_census(design: Design, path: Cost) -> Census:
    """Operators of a design, all of which see the same data, and its longest path.

    Args:
        design: From :func:`consilico.sim.estimate.operators.rtl_reader.read_design`.
        path: Delays of operators.
    """
    census = Census()
    for kind, bits in rtl_census(design).items():
        census.add(kind, bits, (_OPERAND,))
    census.path(*longest_steps(design, step_delays(path)))
    return census


def same_rate(toggle_rate: float) -> dict[str, dict[str, float]]:
    """Statistics of data all of whose bits toggle at one rate."""
    return {_OPERAND: {"toggle_rate": toggle_rate, "sign_correlation": 1 - 2 * toggle_rate}}


def fit_plain(rows: Sequence[dict[str, Any]], path: Cost) -> dict[str, Any]:
    """Fit to a kit's measured primitives and designs.

    Args:
        rows: Of the kit's table.
        path: Delays to choose the designs' longest paths by at first: those of the units.

    Returns:
        ``costs`` by metric, and ``left_out``: by metric and design, what a fit without the design
        predicts, divided by what was measured (of energy the mean of its runs).
    """
    operators = [row for row in rows if "primitive" in row]
    designs = [row for row in rows if "design" in row]
    found = {metric: samples(operators, metric) for metric in METRICS}
    for _ in range(_PASSES):
        censuses = {row["design"]: design_census(read(row["design"]), path) for row in designs}
        both = {
            metric: [*found[metric], *_samples(designs, censuses, metric)] for metric in METRICS
        }
        path = fit_cost(both["path_ns"], feature_names("path_ns"))
    costs = {metric: fit_cost(both[metric], feature_names(metric)) for metric in METRICS}
    return {
        "costs": {metric: cost.to_json() for metric, cost in costs.items()},
        "left_out": {
            metric: {
                name: float(np.exp(-np.mean(residuals)))
                for name, residuals in left_out(both[metric])[PLAIN].items()
            }
            for metric in METRICS
        },
    }


def _samples(
    rows: Sequence[dict[str, Any]], censuses: dict[str, Census], metric: str
) -> list[Sample]:
    found = []
    for row in rows:
        name, census = row["design"], censuses[row["design"]]
        if metric != "energy_pj":
            features = metric_features(census, metric, {}, 1)[:, 0]
            found.append(Sample(PLAIN, features, row[metric], name))
            continue
        for run in row["runs"]:
            operands = same_rate((1 - run["correlation"]) / 2)  # uniform where not kept
            features = metric_features(census, metric, operands, 1)[:, 0]
            found.append(Sample(PLAIN, features, run["energy_pj"], name))
    return found
