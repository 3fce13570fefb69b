"""The report's section on comparisons: what is gathered for it."""

from consilico.reports.comparison.charts import comparison_charts
from consilico.reports.comparison.facts import ComparisonFacts, comparison_facts
from consilico.reports.comparison.judgements import judge_comparison
from consilico.reports.page.section import ReportJob, Section

__all__ = ["SECTION"]

_JOB = ReportJob(
    work=comparison_facts,
    label="measured comparisons",
    command="consilico compare consmax/log2 softermax ita online_softmax softmax",
    cpu_s=30,
    early=True,
)

SECTION = Section(
    name="comparison",
    title="ConSmax next to softmax for rows",
    jobs=lambda request, results: [_JOB],
    facts=lambda request, results: results.facts(_JOB, ComparisonFacts),
    judge=judge_comparison,
    charts=comparison_charts,
    template="comparison/template.html.j2",
)
