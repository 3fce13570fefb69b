"""The report's section on scaling between nodes: what is gathered for it."""

from consilico.reports.page.section import ReportJob, Section
from consilico.reports.scaling.charts import scaling_charts
from consilico.reports.scaling.facts import ScalingFacts, scaling_facts

__all__ = ["SECTION"]

_JOB = ReportJob(
    work=scaling_facts,
    label="scaling between nodes",
    command="consilico scale --from nangate45 --to 22nm --area-um2 1000",
    cpu_s=3,
    early=True,
)

SECTION = Section(
    name="scaling",
    title="Scaling between nodes",
    jobs=lambda request, results: [_JOB],
    facts=lambda request, results: results.facts(_JOB, ScalingFacts),
    charts=scaling_charts,
    template="scaling/template.html.j2",
)
