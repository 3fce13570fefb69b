"""The report's section on estimates: what is gathered for it."""

from consilico.reports.estimates.charts import estimate_charts
from consilico.reports.estimates.facts import EstimateFacts, estimate_facts
from consilico.reports.estimates.judgements import judge_estimates
from consilico.reports.page.section import ReportJob, Section

__all__ = ["SECTION"]

_JOB = ReportJob(
    work=estimate_facts,
    label="accuracy of the estimates in every calibrated kit",
    command="consilico estimate matmul/dot",
    cpu_s=15,
    early=True,
)

SECTION = Section(
    name="estimates",
    title="Estimates without synthesis",
    jobs=lambda request, results: [_JOB],
    facts=lambda request, results: results.facts(_JOB, EstimateFacts),
    judge=judge_estimates,
    charts=estimate_charts,
    template="estimates/template.html.j2",
)
