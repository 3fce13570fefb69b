"""Judges the verification of each unit: whether it is right, and how much its verdict means."""

from dataclasses import dataclass

from consilico.reports.page.numbers import NOT_MEASURED
from consilico.reports.page.section import Card, Check, Judged
from consilico.reports.verification.facts import UnitVerdict, VerificationFacts
from consilico.sim.rtlsim.points import Exemption
from consilico.sim.rtlsim.proofs.prove import Proof

__all__ = ["VerificationRow", "judge_verification"]

_LONGEST = 300  # letters of what is wrong, at the top of the page


@dataclass(frozen=True, kw_only=True)
class VerificationRow:
    """A row of the table: one unit."""

    verdict: UnitVerdict
    right: bool | None  # None: not verified
    checked: int  # results compared, on all simulators
    mismatches: int
    points: int  # coverage points that had to be hit
    exempt: tuple[Exemption, ...]  # coverage points that need not be hit
    not_run: tuple[Exemption, ...]  # what was not replayed or counted
    noticed: bool | None  # whether no mutant survived; None: not measured
    kept: bool | None  # whether no promise is broken; None: not decided
    undecided: tuple[Proof, ...]  # promises that are neither proved nor broken


def judge_verification(facts: VerificationFacts) -> Judged:
    """Judge every unit: it is right if it passed, results were compared, and none differed."""
    rows = [_row(verdict) for verdict in facts.verdicts]
    checks = [check for row in rows for check in (_equality(row), *_promises(row))]
    return Judged(
        checks=[*checks, _mutation(rows)], cards=[_card(facts, rows), _strength(rows)], rows=rows
    )


def _row(verdict: UnitVerdict) -> VerificationRow:
    found, mutants, proofs = verdict.found, verdict.mutants, verdict.proofs
    exempt = found.exempt if found else ()
    own = {*verdict.points}
    points = tuple(each for each in exempt if each.point in own or each.point.startswith("stream/"))
    runs = found.runs if found else ()
    return VerificationRow(
        verdict=verdict,
        right=_right(verdict),
        checked=sum(run.checked for run in runs),
        mismatches=sum(run.mismatches for run in runs),
        points=len(found.coverage) if found else 0,
        exempt=points,
        not_run=tuple(each for each in exempt if each not in points),
        noticed=None if mutants is None else not mutants.survived,
        kept=None if proofs is None else proofs.passed,
        undecided=tuple(
            each for each in (proofs.proofs if proofs else ()) if each.verdict.startswith("not ")
        ),
    )


def _right(verdict: UnitVerdict) -> bool | None:
    found = verdict.found
    if found is None:
        return None
    return (
        found.passed
        and bool(found.runs)
        and all(run.mismatches == 0 and run.checked > 0 for run in found.runs)
    )


def _equality(row: VerificationRow) -> Check:
    verdict = row.verdict
    words = (
        verdict.failure
        or ("not measured" if verdict.found is None else "; ".join(verdict.found.problems[:3]))
        or "equal, every coverage point hit"
    )
    return Check(
        what=f"{verdict.unit} equals its golden model",
        limit="no mismatch, every coverage point hit",
        measured=words if len(words) <= _LONGEST else f"{words[:_LONGEST]} ...",
        met=False if verdict.failure else row.right,
        must=True,
    )


def _promises(row: VerificationRow) -> list[Check]:
    """Judge the proofs of a unit; those that were not asked for are no check that is open."""
    proofs = row.verdict.proofs
    if proofs is None:
        return []
    broken = [each.name for each in proofs.proofs if each.verdict == "failed"]
    return [
        Check(
            what=f"{row.verdict.unit} keeps the promises of its streams",
            limit="none is broken",
            measured=f"broken: {', '.join(broken)}"
            if broken
            else f"{proofs.proved} of {len(proofs.proofs)} proved, none broken",
            met=row.kept,
            must=True,
        )
    ]


def _mutation(rows: list[VerificationRow]) -> Check:
    scores = [row.verdict.mutants for row in rows if row.verdict.mutants]
    killed = sum(score.killed for score in scores)
    survived = sum(len(score.survived) for score in scores)
    return Check(
        what="verification notices every mutant that is not equivalent",
        limit="none survives",
        measured=f"{killed:,} killed, {survived:,} survived, of {len(scores)} of {len(rows)} units"
        if scores
        else "not measured",
        met=not survived if scores else None,
    )


def _card(facts: VerificationFacts, rows: list[VerificationRow]) -> Card:
    done = [row for row in rows if row.right is not None]
    wrong = [row.verdict.unit for row in rows if row.verdict.failure or row.right is False]
    runs = [run for row in rows if row.verdict.found for run in row.verdict.found.runs]
    names = sorted({f"{run.simulator} {run.version}" for run in runs})
    value = f"{sum(row.right is True for row in done)} of {len(rows)} verified"
    return Card(
        label="RTL against golden model",
        value="NOT verified: " + ", ".join(wrong) if wrong else value,
        note=f"{sum(run.checked for run in runs):,} results bit for bit, "
        f"{sum(run.mismatches for run in runs):,} mismatches, on "
        f"{' and '.join(names) or 'no simulator yet'}",
        good=False if wrong else True if len(done) == len(rows) else None,
    )


def _strength(rows: list[VerificationRow]) -> Card:
    """Say how much a verdict means: which single faults it notices, and what is proved."""
    scores = [row.verdict.mutants for row in rows if row.verdict.mutants]
    proofs = [row.verdict.proofs for row in rows if row.verdict.proofs]
    killed = sum(score.killed for score in scores)
    decided = killed + sum(len(score.survived) for score in scores)
    broken = any(row.kept is False for row in rows)
    proved = sum(each.proved for each in proofs)
    stated = sum(len(each.proofs) for each in proofs)
    return Card(
        label="Faults that verification notices",
        value=f"{killed:,} of {decided:,} mutants" if scores else NOT_MEASURED,
        note=f"mutants of {len(scores)} of {len(rows)} units; {proved} of {stated} properties of "
        f"{len(proofs)} units proved"
        if scores or proofs
        else "consilico report --full measures mutants, and what is proved",
        good=False if broken or killed < decided else True if scores else None,
    )
