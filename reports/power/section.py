"""The report's section on power: accuracy of the engine, and one unit in detail."""

from consilico.reports.page.section import ReportJob, ReportResults, Request, Section
from consilico.reports.page.traffic import attention_scores, scores_job
from consilico.reports.power.charts import power_charts
from consilico.reports.power.facts import PowerFacts, UnitPower, unit_power
from consilico.reports.power.judgements import judge_power
from consilico.sim.silicon.power.accuracy import accuracy_table

__all__ = ["SECTION"]

_JOB = ReportJob(
    work=unit_power, label="power of consmax/split by module and over time",
    command="consilico report --full", cpu_s=60, quick=False, unit="consmax/split",
)  # fmt: skip


def power_facts(request: Request, results: ReportResults) -> PowerFacts:
    """Gather the accuracy of the engine, and the unit's power where it is measured."""
    scores = attention_scores(results)
    return PowerFacts(
        accuracy=accuracy_table(),
        unit=results.facts(_JOB, UnitPower),
        synthetic=scores is not None and scores.synthetic,
    )


SECTION = Section(
    name="power",
    title="Power",
    jobs=lambda request, results: [scores_job(), _JOB],
    facts=power_facts,
    judge=judge_power,
    charts=power_charts,
    template="power/template.html.j2",
)
