"""How far the power engine may be off from OpenSTA, and how far it is."""

from dataclasses import dataclass

from consilico.reports.page.section import Check, Judged
from consilico.reports.power.facts import PowerFacts
from consilico.sim.silicon.power.accuracy import AccuracyCase

__all__ = ["JudgedCase", "judge_power"]


@dataclass(frozen=True, kw_only=True)
class JudgedCase:
    """One netlist, and whether every part of its power is within its limit."""

    case: AccuracyCase
    met: bool


def judge_power(facts: PowerFacts) -> Judged:
    """Compare every netlist's error with the limit of each part of the power.

    Returns:
        Rows: a :class:`JudgedCase` per netlist.
    """
    limits = facts.accuracy.limits_pct
    rows = [
        JudgedCase(
            case=case,
            met=all(abs(case.error_pct[part]) <= limit for part, limit in limits.items()),
        )
        for case in facts.accuracy.cases
    ]
    worst = max((abs(row.case.error_pct["total"]) for row in rows), default=0.0)
    check = Check(
        what=f"power against OpenSTA, total of {len(rows)} netlists",
        limit=f"at most {limits['total']:g} %",
        measured=f"{worst:.2f} %",
        met=all(row.met for row in rows) if rows else None,
    )
    return Judged(checks=[check], rows=rows)
