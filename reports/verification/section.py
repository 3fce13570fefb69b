"""The report's section on verification: a row for each unit and simulator, and its judgement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consilico.reports.page.measure import SEED, scores_job, training_traffic_job, verify_job
from consilico.reports.page.section import (
    Card,
    Check,
    Chosen,
    Job,
    Judged,
    Request,
    Results,
    Section,
)
from consilico.sim.base.facts import Facts

__all__ = ["SECTION", "Coverage", "SimulatorRun", "UnitVerdict", "VerificationFacts"]

_LONGEST = 300  # letters of what is wrong, at the top of the page


@dataclass(frozen=True, kw_only=True)
class SimulatorRun(Facts):
    """What one simulator found about a unit."""

    simulator: str  # name and version
    checked: int  # results compared with the golden model
    mismatches: int
    checked_per_second: float  # all benches together, compilation excluded


@dataclass(frozen=True, kw_only=True)
class Coverage(Facts):
    """How often a coverage point was hit, at least, on the simulators."""

    point: str
    hits: int


@dataclass(frozen=True, kw_only=True)
class UnitVerdict(Facts):
    """What is known of one configuration of a unit; without ``runs`` it was not verified yet."""

    unit: str
    settings: tuple[str, ...]  # that differ from the default
    command: str
    runs: tuple[SimulatorRun, ...] = ()
    latency_cycles: int | None = None
    coverage: tuple[Coverage, ...] = ()
    uncovered: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    passed: bool | None = None  # None: not verified
    failure: str = ""  # why it could not be verified


@dataclass(frozen=True, kw_only=True)
class VerificationFacts(Facts):
    """All units of the report."""

    verdicts: tuple[UnitVerdict, ...]
    seed: int


def _verify_jobs(request: Request) -> list[tuple[Chosen, Job]]:
    return [(unit, verify_job(unit)) for unit in request.units]


def _jobs(request: Request, results: Results) -> Sequence[Job]:
    """List the verifications; what they draw their traffic from is collected before."""
    return [scores_job(), training_traffic_job(), *(job for _, job in _verify_jobs(request))]


def verification_facts(request: Request, results: Results) -> VerificationFacts:
    """Gather the verdicts that are there, and what is missing."""
    return VerificationFacts(
        verdicts=tuple(
            _verdict(unit, job, results.value(job), results.failure(job))
            for unit, job in _verify_jobs(request)
        ),
        seed=SEED,
    )


def _verdict(unit: Chosen, job: Job, found: Mapping[str, Any] | None, failure: str) -> UnitVerdict:
    if found is None:
        return UnitVerdict(
            unit=unit.name, settings=unit.settings, command=job.command, failure=failure
        )
    return UnitVerdict(
        unit=unit.name,
        settings=unit.settings,
        command=job.command,
        runs=tuple(
            SimulatorRun(
                simulator=f"{run['simulator']} {run['version']}",
                checked=run["checked"],
                mismatches=run["mismatches"],
                checked_per_second=run["checked_per_second"],
            )
            for run in found["runs"]
        ),
        latency_cycles=found["latency_cycles"]["declared"],
        coverage=tuple(Coverage(point=key, hits=n) for key, n in found["coverage"].items()),
        uncovered=tuple(found["uncovered"]),
        problems=tuple(found["problems"]),
        passed=found["passed"],
    )


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table: one unit on one simulator, or a unit that was not verified."""

    verdict: UnitVerdict
    first: bool  # of its unit
    run: SimulatorRun | None
    right: bool | None


def judge_verification(facts: VerificationFacts) -> Judged:
    """Judge every unit: it is right if it passed, results were compared, and none differed."""
    rows, checks = [], []
    for verdict in facts.verdicts:
        right = _right(verdict)
        words = (
            verdict.failure
            or "; ".join(verdict.problems[:3])
            or ("not measured" if right is None else "equal, every coverage point hit")
        )
        checks.append(
            Check(
                what=f"{verdict.unit} equals its golden model",
                limit="no mismatch, every coverage point hit",
                measured=words if len(words) <= _LONGEST else f"{words[:_LONGEST]} ...",
                met=False if verdict.failure else right,
                must=True,
            )
        )
        rows += [
            Row(
                verdict=verdict, first=index == 0, run=run,
                right=None if run is None else run.mismatches == 0 and run.checked > 0,
            )
            for index, run in enumerate(verdict.runs or (None,))
        ]  # fmt: skip
    return Judged(checks=checks, cards=[_card(facts)], rows=rows)


def _right(verdict: UnitVerdict) -> bool | None:
    if verdict.passed is None:
        return None
    return (
        verdict.passed
        and bool(verdict.runs)
        and all(run.mismatches == 0 and run.checked > 0 for run in verdict.runs)
    )


def _card(facts: VerificationFacts) -> Card:
    done = [verdict for verdict in facts.verdicts if verdict.passed is not None]
    wrong = [v.unit for v in facts.verdicts if v.failure or _right(v) is False]
    runs = [run for verdict in done for run in verdict.runs]
    simulators = " and ".join(sorted({run.simulator for run in runs})) or "no simulator yet"
    value = f"{len(done) - sum(_right(v) is False for v in done)} of {len(facts.verdicts)} verified"
    return Card(
        label="RTL against golden model",
        value="NOT verified: " + ", ".join(wrong) if wrong else value,
        note=f"{sum(run.checked for run in runs):,} results bit for bit, "
        f"{sum(run.mismatches for run in runs):,} mismatches, on {simulators}",
        good=False if wrong else True if len(done) == len(facts.verdicts) else None,
    )


SECTION = Section(
    name="verification",
    title="Verification",
    jobs=_jobs,
    facts=verification_facts,
    judge=judge_verification,
    template="verification/template.html.j2",
    always=True,
)
