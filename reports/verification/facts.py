"""Facts about the verification of each unit: its verdict, mutants and proofs."""

from collections.abc import Sequence
from dataclasses import dataclass

from consilico.reports.page.measure import (
    SEED,
    Verified,
    mutate_job,
    prove_job,
    stored_proofs,
    stored_score,
    verify_job,
)
from consilico.reports.page.section import Chosen, ReportJob, ReportResults, Request
from consilico.sim.base.facts import Facts
from consilico.sim.rtlsim.mutation.score import MutationScore
from consilico.sim.rtlsim.proofs.prove import Proofs
from consilico.sim.rtlsim.verify import Verification
from consilico.sim.units.catalogue import find_unit

__all__ = ["Measured", "UnitVerdict", "VerificationFacts", "evidence_jobs", "verification_facts"]


@dataclass(frozen=True, kw_only=True)
class Measured(Facts):
    """Note on what the first page does not measure: whether it was measured, and how to."""

    command: str
    failure: str = ""  # why it could not be measured


@dataclass(frozen=True, kw_only=True)
class UnitVerdict(Facts):
    """State of knowledge about one configuration of a unit."""

    unit: str
    settings: tuple[str, ...]  # that differ from the default
    command: str
    points: tuple[str, ...]  # the unit's own coverage points
    found: Verification | None = None  # None: not verified
    failure: str = ""  # why it could not be verified
    mutants: MutationScore | None = None  # None: not measured for this Verilog
    mutants_by: Measured
    proofs: Proofs | None = None  # None: not decided for this Verilog
    proofs_by: Measured


@dataclass(frozen=True, kw_only=True)
class VerificationFacts(Facts):
    """All units of the report."""

    verdicts: tuple[UnitVerdict, ...]
    seed: int


def evidence_jobs(unit: Chosen, results: ReportResults) -> Sequence[ReportJob]:
    """List the jobs for mutants and proofs of a unit that its commands have not answered yet."""
    verified = results.facts(verify_job(unit), Verified)
    jobs = []
    if stored_score(verified) is None:
        jobs.append(mutate_job(unit))
    if stored_proofs(verified) is None:
        jobs.append(prove_job(unit))
    return jobs


def verification_facts(request: Request, results: ReportResults) -> VerificationFacts:
    """Gather the verdicts that are there, and what is missing."""
    return VerificationFacts(
        verdicts=tuple(_verdict(unit, results) for unit in request.units), seed=SEED
    )


def _verdict(chosen: Chosen, results: ReportResults) -> UnitVerdict:
    verify, mutate, prove = verify_job(chosen), mutate_job(chosen), prove_job(chosen)
    verified = results.facts(verify, Verified)
    unit = find_unit(chosen.name)
    return UnitVerdict(
        unit=chosen.name,
        settings=chosen.settings,
        command=verify.command,
        points=(*unit.coverage, *unit.exhaustive_coverage),
        found=None if verified is None else verified.verification,
        failure=results.failure(verify),
        mutants=results.facts(mutate, MutationScore) or stored_score(verified),
        mutants_by=Measured(command=mutate.command, failure=results.failure(mutate)),
        proofs=results.facts(prove, Proofs) or stored_proofs(verified),
        proofs_by=Measured(command=prove.command, failure=results.failure(prove)),
    )
