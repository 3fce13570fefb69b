"""Limits of the power engine's distance from OpenSTA, that distance, and one unit's power."""

from collections.abc import Mapping
from dataclasses import dataclass

from consilico.reports.page.section import Check, Judged
from consilico.reports.power.facts import PowerFacts, UnitPower
from consilico.sim.silicon.power.accuracy import AccuracyCase
from consilico.sim.silicon.power.report import Power

__all__ = ["JudgedCase", "PowerJudgement", "PowerPart", "UnitPowerRows", "judge_power"]


@dataclass(frozen=True, kw_only=True)
class JudgedCase:
    """One netlist, and whether every part of its power is within its limit."""

    case: AccuracyCase
    opensta_mw: float
    ours_mw: float
    met: bool


@dataclass(frozen=True, kw_only=True)
class PowerPart:
    """Power of a class of cells or of a module."""

    name: str
    power_uw: tuple[float, ...]  # internal, switching, leakage, total
    share_pct: float  # of the unit's


@dataclass(frozen=True, kw_only=True)
class UnitPowerRows:
    """The power of one unit as its tables show it."""

    tables: dict[str, tuple[PowerPart, ...]]  # by what the parts are
    peak_uw: float
    peak_over_mean: float
    peak_start_ns: float


@dataclass(frozen=True, kw_only=True)
class PowerJudgement:
    """Judgements that the section's template shows."""

    cases: tuple[JudgedCase, ...]
    unit: UnitPowerRows | None  # None: not measured


def judge_power(facts: PowerFacts) -> Judged:
    """Compare every netlist's error with the limit of each part of the power.

    Returns:
        Rows: a :class:`PowerJudgement`.
    """
    limits = facts.accuracy.limits_pct
    rows = [
        JudgedCase(
            case=case,
            opensta_mw=1e3 * case.opensta_w["total"],
            ours_mw=1e3 * case.ours_w["total"],
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
    unit = None if facts.unit is None else _unit(facts.unit)
    return Judged(checks=[check], rows=PowerJudgement(cases=tuple(rows), unit=unit))


def _unit(unit: UnitPower) -> UnitPowerRows:
    peak, total_w = unit.profile.peak, unit.total.total_w
    return UnitPowerRows(
        tables={
            "class": _parts(unit.by_class, total_w),
            "module, what is in it included": _parts(unit.by_module, total_w),
        },
        peak_uw=1e6 * peak.power_w,
        peak_over_mean=peak.power_w / total_w,
        peak_start_ns=1e9 * peak.start_s,
    )


def _parts(parts: Mapping[str, Power], total_w: float) -> tuple[PowerPart, ...]:
    return tuple(
        PowerPart(
            name=name,
            power_uw=tuple(
                1e6 * watts
                for watts in (part.internal_w, part.switching_w, part.leakage_w, part.total_w)
            ),
            share_pct=100 * part.total_w / total_w,
        )
        for name, part in parts.items()
        if part.total_w
    )
