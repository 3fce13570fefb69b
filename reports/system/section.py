"""The report's section on a whole model on a chip: what is gathered for it."""

from consilico.reports.page.section import ReportJob, Section
from consilico.reports.system.charts import system_charts
from consilico.reports.system.facts import SystemFacts, system_facts
from consilico.reports.system.judgements import judge_system

__all__ = ["SECTION"]

_JOB = ReportJob(
    work=system_facts,
    label="a prompt and a token of two models on a chip",
    command="consilico system --model llama-7b --compare-normalisers",
    cpu_s=10,
    early=True,
)

SECTION = Section(
    name="system",
    title="A model on a chip: from a score to a token",
    jobs=lambda request, results: [_JOB],
    facts=lambda request, results: results.facts(_JOB, SystemFacts),
    judge=judge_system,
    charts=system_charts,
    template="system/template.html.j2",
)
