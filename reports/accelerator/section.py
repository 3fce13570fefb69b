"""The report's section on training hardware: what is gathered for it."""

from consilico.reports.accelerator.charts import training_hw_charts
from consilico.reports.accelerator.facts import TrainingHwFacts, training_hw_facts
from consilico.reports.page.section import ReportJob, Section

__all__ = ["SECTION"]

_JOB = ReportJob(
    work=training_hw_facts,
    label="cost of a training step on an accelerator",
    command="consilico training-hw --model llama-7b",
    cpu_s=10,
    early=True,
)

SECTION = Section(
    name="accelerator",
    title="Training hardware",
    jobs=lambda request, results: [_JOB],
    facts=lambda request, results: results.facts(_JOB, TrainingHwFacts),
    charts=training_hw_charts,
    template="accelerator/template.html.j2",
)
