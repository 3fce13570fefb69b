"""Targets of comparisons: by how much ConSmax is to take less than each unit for rows."""

from dataclasses import dataclass

from consilico.reports.comparison.facts import ComparisonFacts
from consilico.reports.page.section import Check, Judged
from consilico.sim.base.interval import Interval
from consilico.sim.comparison.facts import CostRatio

__all__ = ["TARGETS", "RatioTarget", "TargetRow", "judge_comparison", "ratio_of"]


@dataclass(frozen=True, kw_only=True)
class RatioTarget:
    """A unit of ConSmax against one for rows, one lane, rows of 256 scores at 4 ns."""

    unit: str
    against: str
    buffer: str | None  # what rows wait in; None: neither of the two needs a buffer
    area: float  # at least so many times
    energy: float  # per score, at least so many times


TARGETS = (
    RatioTarget(unit="consmax/log2", against="softmax", buffer="latch", area=10, energy=4.5),
    RatioTarget(
        unit="consmax/log2", against="softermax+base2_scores", buffer="latch", area=9, energy=3
    ),
    RatioTarget(unit="consmax/base2", against="softermax", buffer="latch", area=25, energy=8),
    RatioTarget(unit="consmax/log2", against="ita", buffer="latch", area=8, energy=2.3),
    RatioTarget(unit="consmax/log2", against="online_softmax", buffer=None, area=1.5, energy=1.6),
    RatioTarget(unit="consmax/base2", against="online_softmax", buffer=None, area=4.5, energy=5),
)
"""Against the best of each; a published ratio that nobody can reproduce is none of them."""

_LANES, _ROW = 1, 256


@dataclass(frozen=True, kw_only=True)
class TargetRow:
    """A target, what was measured of it, and whether it is met; None: not measured."""

    target: RatioTarget
    ratio: CostRatio | None
    area_met: bool | None
    energy_met: bool | None


def ratio_of(facts: ComparisonFacts, target: RatioTarget) -> CostRatio | None:
    """Return what was measured of a target; None: nothing was."""
    for found in facts.comparisons:
        for ratio in found.ratios:
            place = (ratio.to, ratio.unit, ratio.buffer, ratio.lanes, ratio.row)
            if place == (target.unit, target.against, target.buffer, _LANES, _ROW):
                return ratio
    return None


def judge_comparison(facts: ComparisonFacts) -> Judged:
    """Compare what was measured with the targets.

    Returns:
        Rows: a :class:`TargetRow` per target.
    """
    checks: list[Check] = []
    rows: list[TargetRow] = []
    for target in TARGETS:
        ratio = ratio_of(facts, target)
        area = _check(target, "area", target.area, None if ratio is None else ratio.area)
        energy = _check(target, "energy", target.energy, None if ratio is None else ratio.energy)
        checks += [area, energy]
        rows.append(TargetRow(target=target, ratio=ratio, area_met=area.met, energy_met=energy.met))
    return Judged(checks=checks, rows=rows)


def _check(target: RatioTarget, quantity: str, limit: float, found: Interval | None) -> Check:
    buffer = "no buffer" if target.buffer is None else f"{target.buffer} buffer"
    return Check(
        what=f"{quantity} of {target.against} against {target.unit}, one lane, rows of {_ROW},"
        f" {buffer}",
        limit=f"at least {limit:g} times",
        measured="not measured" if found is None else f"{found.value:.2f} times",
        met=None if found is None else found.value >= limit,
    )
