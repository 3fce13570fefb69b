"""The report's section on verification: a row for each unit and simulator, and its judgement."""

from collections.abc import Sequence
from dataclasses import dataclass

from consilico.reports.page.measure import SEED, verify_job
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
from consilico.reports.page.traffic import traffic_jobs
from consilico.sim.base.facts import Facts
from consilico.sim.rtlsim.verify import SimulatorRun, Verification

__all__ = ["SECTION", "UnitVerdict", "VerificationFacts", "VerificationRow"]

_LONGEST = 300  # letters of what is wrong, at the top of the page


@dataclass(frozen=True, kw_only=True)
class UnitVerdict(Facts):
    """What is known of one configuration of a unit."""

    unit: str
    settings: tuple[str, ...]  # that differ from the default
    command: str
    found: Verification | None = None  # None: not verified
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
    return [*traffic_jobs(request), *(job for _, job in _verify_jobs(request))]


def verification_facts(request: Request, results: Results) -> VerificationFacts:
    """Gather the verdicts that are there, and what is missing."""
    return VerificationFacts(
        verdicts=tuple(
            UnitVerdict(
                unit=unit.name,
                settings=unit.settings,
                command=job.command,
                found=results.facts(job, Verification),
                failure=results.failure(job),
            )
            for unit, job in _verify_jobs(request)
        ),
        seed=SEED,
    )


@dataclass(frozen=True, kw_only=True)
class VerificationRow:
    """A row of the table: one unit on one simulator, or a unit that was not verified."""

    verdict: UnitVerdict
    first: bool  # of its unit
    run: SimulatorRun | None
    right: bool | None  # of the unit as a whole and on this simulator; None: not verified


def judge_verification(facts: VerificationFacts) -> Judged:
    """Judge every unit: it is right if it passed, results were compared, and none differed."""
    rows, checks = [], []
    for verdict in facts.verdicts:
        right, found = _right(verdict), verdict.found
        words = (
            verdict.failure
            or ("not measured" if found is None else "; ".join(found.problems[:3]))
            or "equal, every coverage point hit"
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
            VerificationRow(
                verdict=verdict, first=index == 0, run=run,
                right=right and run is not None and run.mismatches == 0 and run.checked > 0,
            )
            for index, run in enumerate((found and found.runs) or (None,))
        ]  # fmt: skip
    return Judged(checks=checks, cards=[_card(facts)], rows=rows)


def _right(verdict: UnitVerdict) -> bool | None:
    found = verdict.found
    if found is None:
        return None
    return (
        found.passed
        and bool(found.runs)
        and all(run.mismatches == 0 and run.checked > 0 for run in found.runs)
    )


def _card(facts: VerificationFacts) -> Card:
    done = [verdict for verdict in facts.verdicts if verdict.found is not None]
    wrong = [v.unit for v in facts.verdicts if v.failure or _right(v) is False]
    runs = [run for verdict in done if verdict.found for run in verdict.found.runs]
    names = sorted({f"{run.simulator} {run.version}" for run in runs})
    value = f"{len(done) - sum(_right(v) is False for v in done)} of {len(facts.verdicts)} verified"
    return Card(
        label="RTL against golden model",
        value="NOT verified: " + ", ".join(wrong) if wrong else value,
        note=f"{sum(run.checked for run in runs):,} results bit for bit, "
        f"{sum(run.mismatches for run in runs):,} mismatches, on "
        f"{' and '.join(names) or 'no simulator yet'}",
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
