"""The report's section on its input: the scores of a language model that drive units."""

from dataclasses import dataclass

from consilico.reports.input.charts import score_chart
from consilico.reports.page.section import Judged, ReportResults, Request, Section
from consilico.reports.page.traffic import (
    AttentionScores,
    TrainingOperands,
    attention_scores,
    traffic_jobs,
    training_operands,
)
from consilico.sim.base.facts import Facts

__all__ = ["SECTION", "InputFacts"]


@dataclass(frozen=True, kw_only=True)
class InputFacts(Facts):
    """Origin of traffic, as the jobs that collect it tell."""

    scores: AttentionScores
    training: TrainingOperands | None  # None: not collected yet


def input_facts(request: Request, results: ReportResults) -> InputFacts | None:
    """Gather what is known of the traffic; None until the scores are collected."""
    scores = attention_scores(results)
    return (
        None if scores is None else InputFacts(scores=scores, training=training_operands(results))
    )


def judge_input(facts: InputFacts) -> Judged:
    """Warn where input is synthetic: the figures are then no language model's."""
    warnings = []
    if facts.scores.synthetic:
        warnings.append(
            f"The scores are SYNTHETIC, not from a language model: {facts.scores.source}."
        )
    if facts.training and facts.training.synthetic:
        warnings.append(f"Operands of training are SYNTHETIC: {facts.training.source}.")
    return Judged(warnings=warnings)


SECTION = Section(
    name="input",
    title="Input",
    jobs=lambda request, results: traffic_jobs(request),
    facts=input_facts,
    judge=judge_input,
    charts=lambda facts: [score_chart(facts.scores)],
    template="input/template.html.j2",
    always=True,
)
