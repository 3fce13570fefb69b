"""The report's section on published claims: what is gathered for it."""

from consilico.reports.claims.charts import claim_charts
from consilico.reports.claims.facts import ClaimFacts, claim_facts
from consilico.reports.claims.judgements import judge_claims
from consilico.reports.page.section import ReportJob, Section

__all__ = ["SECTION"]

_JOB = ReportJob(
    work=claim_facts,
    label="published claims",
    command="consilico claims",
    cpu_s=6,
    early=True,
)

SECTION = Section(
    name="claims",
    title="Published claims",
    jobs=lambda request, results: [_JOB],
    facts=lambda request, results: results.facts(_JOB, ClaimFacts),
    judge=judge_claims,
    charts=claim_charts,
    template="claims/template.html.j2",
)
