"""Whether what was gathered is right: results bit for bit, errors within their bounds."""

from typing import Any

__all__ = ["ERROR_LIMITS", "verdict"]

ERROR_LIMITS = {  # greatest relative error, greatest error in bf16 ulp (None: not bounded)
    "consmax/log2": (0.006, 1.0),
    "consmax/split": (0.0093, None),
}


def verdict(facts: dict[str, Any]) -> dict[str, Any]:
    """Judge the facts that :func:`consilico.reports.summary.summary` gathers.

    A target of area, path or energy that is missed is counted, and is no failure: the figures
    are right all the same.

    Returns:
        ``verified``: no run found a mismatch and no coverage point was left out; ``certified``:
        no error beyond its bound; ``netlists_right``: nor did a gate-level run find a mismatch;
        ``passed``: all three. Beside them what was counted on the way.

    Raises:
        KeyError: If a fact is missing.
    """
    runs = [run for result in facts["verification"] for run in result["runs"]]
    mismatches = sum(run["mismatches"] for run in runs)
    uncovered = sorted({point for result in facts["verification"] for point in result["uncovered"]})
    verified = (
        bool(runs)
        and all(run["checked"] > 0 for run in runs)
        and mismatches == 0
        and all(result["passed"] for result in facts["verification"])
    )
    certificates = {entry["architecture"]: entry for entry in facts["certificates"]}
    certified = all(
        _within(certificates[name], error, ulp) for name, (error, ulp) in ERROR_LIMITS.items()
    )
    gates = [entry["result"]["gate_level"] for entry in facts["implementations"]]
    netlists_right = bool(gates) and all(
        gate["checked"] > 0 and gate["mismatches"] == 0 for gate in gates
    )
    met = [row["met"] for row in (*facts["targets"], *facts["datapath_targets"])]
    return {
        "passed": verified and certified and netlists_right,
        "verified": verified,
        "certified": certified,
        "netlists_right": netlists_right,
        "checked": sum(run["checked"] for run in runs),
        "mismatches": mismatches,
        "uncovered": uncovered,
        "problems": [
            f"{result['unit']}: {problem}"
            for result in facts["verification"]
            for problem in result["problems"]
        ],
        "simulators": sorted({f"{run['simulator']} {run['version']}" for run in runs}),
        "configurations": len(facts["verification"]),
        "gate_level_checked": sum(gate["checked"] for gate in gates),
        "targets": len(met),
        "targets_met": met.count(True),
        "targets_missed": met.count(False),
    }


def _within(certificate: dict[str, Any], error: float, ulp: float | None) -> bool:
    return bool(
        certificate["exhaustive"]
        and certificate["max_relative_error"] <= error
        and (ulp is None or certificate["max_ulp"] <= ulp)
    )
