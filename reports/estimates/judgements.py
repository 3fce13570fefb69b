"""Check whether the estimates are as right as they are said to be, in every calibrated kit.

The limits belong to the calibration (:mod:`consilico.sim.estimate.operators.judge`), which states
them with each accuracy; here they become checks of the page.
"""

from consilico.reports.estimates.facts import EstimateFacts, KitAccuracy
from consilico.reports.page.section import Check, Judged
from consilico.sim.estimate.operators.judge import AccuracyLimits, EstimateErrors

__all__ = ["judge_estimates"]

_METRIC_WORDS = {
    "area_um2": "area",
    "path_ns": "longest path",
    "energy_per_operation_pj": "energy per operation",
    "leakage_w": "leakage",
}


def judge_estimates(facts: EstimateFacts) -> Judged:
    """List a check for each kit, rung and quantity that has a limit.

    Returns:
        Rows: by kit, whether each of its limits is met.
    """
    rungs = {pdk: _rungs(kit) for pdk, kit in facts.kits.items()}
    checks = [
        Check(
            what=f"estimates in {pdk}, {rung}: {_METRIC_WORDS[metric]}",
            limit=_words(row.limits),
            measured=f"median {row.median:.1%}, 95 % within {row.p95:.1%}",
            met=row.met,
        )
        for pdk, accuracies in rungs.items()
        for rung, metrics in accuracies.items()
        for metric, row in metrics.items()
        if row.limits.median or row.limits.p95
    ]
    met = {
        pdk: all(row.met for metrics in accuracies.values() for row in metrics.values())
        for pdk, accuracies in rungs.items()
    }
    return Judged(checks=checks, rows=met)


def _rungs(kit: KitAccuracy) -> dict[str, dict[str, EstimateErrors]]:
    """Return by rung, the last one first, how right a kit's estimates are."""
    found = {"mapped cells": kit.accuracy}
    return found if kit.layout is None else {"layout": kit.layout.accuracy} | found


def _words(limits: AccuracyLimits) -> str:
    """Return the limits of the errors in words."""
    parts = []
    if limits.median:
        parts.append(f"median at most {limits.median:.0%}")
    if limits.p95:
        parts.append(f"95 % within {limits.p95:.0%}")
    return ", ".join(parts)
