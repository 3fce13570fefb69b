"""How far the power engine may be off from OpenSTA, and how far it is."""

from typing import Any

from consilico.reports.page.section import Check, Judged

__all__ = ["judge_power"]


def judge_power(facts: dict[str, Any]) -> Judged:
    """Compare every netlist's error with the limit of each part of the power.

    Args:
        facts: From :mod:`consilico.reports.power.section`.

    Returns:
        Rows: the cases, each with ``met``.
    """
    limits = facts["accuracy"]["limits_pct"]
    rows = [
        case | {"met": all(abs(case["error_pct"][part]) <= limit for part, limit in limits.items())}
        for case in facts["accuracy"]["cases"]
    ]
    worst = max((abs(case["error_pct"]["total"]) for case in rows), default=0.0)
    check = Check(
        what=f"power against OpenSTA, total of {len(rows)} netlists",
        limit=f"at most {limits['total']:g} %",
        measured=f"{worst:.2f} %",
        met=all(case["met"] for case in rows) if rows else None,
    )
    return Judged(checks=[check], rows=rows)
