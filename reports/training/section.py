"""The report's section on low-bit training: losses of small trainings, cost of random bits."""

from collections.abc import Sequence

from consilico.reports.page.measure import implement_job, kit_facts
from consilico.reports.page.section import Chosen, ReportJob, ReportResults, Request, Section
from consilico.reports.training.charts import random_bits
from consilico.reports.training.facts import TrainingLosses, training_facts
from consilico.reports.training.judgements import judge_training
from consilico.reports.training.rounding_cost import (
    CLOCK_NS,
    RANDOM_BITS,
    UNIT,
    TrainingFacts,
    rounding_cost,
)
from consilico.sim.base.results import cache_dir, digest
from consilico.sim.silicon.implementation import Implementation

__all__ = ["SECTION"]

_KIT = "nangate45"


def _losses() -> ReportJob:
    """Return the job that reads the losses of the runs that the cache holds now."""
    held = digest(sorted(path.name for path in cache_dir("training").iterdir()))
    return ReportJob(
        work=training_facts, arguments=(held,), label="losses of the trainings done so far",
        command="make bench", cpu_s=8,
    )  # fmt: skip


def _rounding() -> list[ReportJob]:
    return [
        implement_job(
            Chosen(name=UNIT, settings=(f"random_bits={bits}",)), _KIT, CLOCK_NS, "normal",
            quick=False,
        )
        for bits in RANDOM_BITS
    ]  # fmt: skip


def _jobs(request: Request, results: ReportResults) -> Sequence[ReportJob]:
    return [_losses(), *_rounding()]


def section_facts(request: Request, results: ReportResults) -> TrainingFacts | None:
    """Gather losses and costs; None until the losses are read."""
    losses = results.facts(_losses(), TrainingLosses)
    if losses is None:
        return None
    return TrainingFacts(
        training=losses,
        rounding_cost=rounding_cost(results.all_facts(_rounding(), Implementation)),
        kit=kit_facts(_KIT),
    )


SECTION = Section(
    name="training",
    title="Low-bit training",
    jobs=_jobs,
    facts=section_facts,
    judge=judge_training,
    charts=lambda facts: [random_bits(facts.rounding_cost, facts.training.rounding, facts.kit)],
    template="training/template.html.j2",
)
