"""Check whether each netlist is right: its results, and the proof that it equals its RTL."""

from dataclasses import dataclass

from consilico.reports.implementation.facts import ImplementationFacts, Implemented, UnitSweep
from consilico.reports.page.conditions import conditions
from consilico.reports.page.section import Card, Check, Judged
from consilico.sim.silicon.implementation import rung_words
from consilico.sim.silicon.sweep import FastestClock, ParetoNetlist
from consilico.sim.silicon.synthesis.yosys_compare import VersionRatio, YosysComparison

__all__ = [
    "CurveRow",
    "ImplementationJudgement",
    "JudgedNetlist",
    "JudgedYosys",
    "RatioRow",
    "judge_implementation",
]


@dataclass(frozen=True, kw_only=True)
class JudgedNetlist:
    """An implementation with what is derived from it and judged of it."""

    it: Implemented
    measured: bool
    right: bool | None  # every result of the netlist compared, and none differs
    kept_pct: float | None = None  # area with module boundaries kept, relative to the flat one
    purpose_pct: tuple[float, ...] = ()
    proof: str = ""  # PROVED, DIFFERENT or not proved


@dataclass(frozen=True, kw_only=True)
class CurveRow:
    """The two ends of a unit's curve of area against clock."""

    it: UnitSweep
    smallest: ParetoNetlist
    fastest: FastestClock
    fastest_mhz: float
    more_area_pct: float  # of the fastest, relative to the smallest
    netlists: int  # that no other one beats


@dataclass(frozen=True, kw_only=True)
class RatioRow:
    """Factor by which the newer Yosys takes more than the older one, with one recipe."""

    it: VersionRatio
    area_pct: float
    path_pct: float
    cpu_pct: float


@dataclass(frozen=True, kw_only=True)
class JudgedYosys:
    """Two versions of Yosys in this flow."""

    it: YosysComparison
    ratios: tuple[RatioRow, ...]
    clocks: str  # that were mapped for, in words


@dataclass(frozen=True, kw_only=True)
class ImplementationJudgement:
    """Judgements that the section's template shows."""

    known: tuple[JudgedNetlist, ...]  # measured or failed
    rungs: str  # what the figures hold for
    unknown: tuple[JudgedNetlist, ...]  # not measured yet
    curves: tuple[CurveRow, ...]
    yosys: JudgedYosys | None


_PROOF_WORDS = {"equivalent": "PROVED", "different": "DIFFERENT"}


def judge_implementation(facts: ImplementationFacts) -> Judged:
    """Judge every netlist; one that is wrong fails the report.

    Returns:
        Rows: an :class:`ImplementationJudgement`.
    """
    rows = [_row(it) for it in facts.rows]
    checks = [
        Check(
            what=f"netlist of {row.it.unit} in {row.it.kit}",
            limit="no mismatch with the golden model",
            measured=row.it.failure
            or f"{row.it.results_compared:,} results compared, {row.it.mismatches:,} mismatches",
            met=row.right,
            must=True,
        )
        for row in rows
        if row.measured or row.it.failure
    ]
    return Judged(
        checks=checks,
        cards=[_card(row) for row in rows if row.measured] if facts.chosen else (),
        rows=ImplementationJudgement(
            known=tuple(row for row in rows if row.right is not None),
            unknown=tuple(row for row in rows if row.right is None),
            rungs=rung_words(*(row.it.rung for row in rows if row.measured)),
            curves=tuple(row for curve in facts.curves for row in _curve(curve)),
            yosys=None if facts.yosys is None else _yosys(facts.yosys),
        ),
    )


def _row(it: Implemented) -> JudgedNetlist:
    if it.area_um2 is None:
        return JudgedNetlist(it=it, measured=False, right=False if it.failure else None)
    whole = it.modules_kept_um2
    return JudgedNetlist(
        it=it,
        measured=True,
        right=it.mismatches == 0 and it.results_compared > 0 and it.proof != "different",
        kept_pct=100 * (whole / it.area_um2 - 1),
        purpose_pct=tuple(100 * area / whole for area in it.purpose_um2.values()),
        proof=_PROOF_WORDS.get(it.proof, "not proved"),
    )


def _card(row: JudgedNetlist) -> Card:
    it = row.it
    settings = f" ({', '.join(it.settings)})" if it.settings else ""
    return Card(
        label=f"{it.unit}{settings}",
        value=f"{it.area_um2:,.0f} µm², {it.path_ns:.3f} ns",
        note=f"{it.energy_per_operation_pj:.3g} pJ per {it.operation}. "
        + conditions(it, it.clock_ns, f"{it.source} traffic")
        + f"; {rung_words(it.rung)}",
        good=row.right and it.meets_clock,
    )


def _curve(curve: UnitSweep) -> list[CurveRow]:
    """Return the row of a sweep; none where the fastest clock was not searched for."""
    fastest, smallest = curve.found.fastest, curve.found.pareto[-1]
    if fastest is None:
        return []
    return [
        CurveRow(
            it=curve,
            smallest=smallest,
            fastest=fastest,
            fastest_mhz=1e3 / fastest.clock_ns,
            more_area_pct=100 * (fastest.area_um2 / smallest.area_um2 - 1),
            netlists=len(curve.found.pareto),
        )
    ]


def _yosys(found: YosysComparison) -> JudgedYosys:
    clocks = sorted({row.clock_ns for row in found.rows})
    return JudgedYosys(
        it=found,
        ratios=tuple(
            RatioRow(
                it=ratio,
                area_pct=100 * (ratio.area_um2 - 1),
                path_pct=100 * (ratio.path_ns - 1),
                cpu_pct=100 * (ratio.cpu_s - 1),
            )
            for ratio in found.ratios
        ),
        clocks=" or ".join(f"{clock:g}" for clock in clocks) + " ns, by the recipe",
    )
