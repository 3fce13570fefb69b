"""The report's section on verification: a row for each unit, and its judgement."""

from collections.abc import Sequence

from consilico.reports.page.measure import verify_job
from consilico.reports.page.section import ReportJob, ReportResults, Request, Section
from consilico.reports.page.traffic import traffic_jobs
from consilico.reports.verification.facts import evidence_jobs, verification_facts
from consilico.reports.verification.judgements import judge_verification

__all__ = ["SECTION"]


def _jobs(request: Request, results: ReportResults) -> Sequence[ReportJob]:
    """List the verifications; what they draw their traffic from is collected before."""
    return [
        *traffic_jobs(request),
        *(verify_job(unit) for unit in request.units),
        *(job for unit in request.units for job in evidence_jobs(unit, results)),
    ]


SECTION = Section(
    name="verification",
    title="Verification",
    jobs=_jobs,
    facts=verification_facts,
    judge=judge_verification,
    template="verification/template.html.j2",
    always=True,
)
