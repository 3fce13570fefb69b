"""The report's section on power: accuracy of the engine, and one unit in detail."""

from typing import Any

from consilico.reports.page.measure import scores_job
from consilico.reports.page.section import Job, Request, Results, Section
from consilico.reports.power.charts import power_charts
from consilico.reports.power.facts import unit_power
from consilico.reports.power.judgements import judge_power
from consilico.sim.silicon.power.accuracy import accuracy_table

__all__ = ["SECTION"]

_JOB = Job(
    work=unit_power, label="power of consmax/split by module and over time",
    command="consilico report --full", cpu_s=60, quick=False, unit="consmax/split",
)  # fmt: skip


def power_facts(request: Request, results: Results) -> dict[str, Any]:
    """Gather the accuracy of the engine, and the unit's power; None until it is measured."""
    traffic = results.value(scores_job())
    return {
        "accuracy": accuracy_table().to_json(),
        "unit": results.value(_JOB),
        "synthetic": bool(traffic and traffic["synthetic"]),
    }


SECTION = Section(
    name="power",
    title="Power",
    jobs=lambda request, results: [scores_job(), _JOB],
    facts=power_facts,
    judge=judge_power,
    charts=lambda facts: power_charts(facts) if facts["unit"] else [],
    template="power/template.html.j2",
)
