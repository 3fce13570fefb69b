"""The traffic that sections share: a language model's attention scores, operands of a training."""

from dataclasses import dataclass
from typing import Any

from consilico.reports.page.section import ReportJob, ReportResults, Request
from consilico.sim.base.facts import Facts
from consilico.sim.traffic.score_traffic import score_traffic
from consilico.sim.traffic.training_operands import training_traffic
from consilico.sim.units.catalogue import find_unit

__all__ = [
    "AttentionScores",
    "TrainingOperands",
    "TypicalHead",
    "attention_scores",
    "scores_job",
    "traffic_jobs",
    "training_operands",
    "training_traffic_job",
]


@dataclass(frozen=True, kw_only=True)
class TypicalHead(Facts):
    """The head whose scale is the median of all heads of the model."""

    name: str  # its layer and number
    scale: float  # natural units per code
    log_c: float  # natural logarithm of ConSmax's constant C


@dataclass(frozen=True, kw_only=True)
class AttentionScores(Facts):
    """Facts about the attention scores that drive units."""

    source: str  # in one phrase
    synthetic: bool  # not from a language model
    scores: int
    masked: int
    layers: int
    heads: int
    histogram: tuple[int, ...]  # of the unmasked codes, -128 first
    score_histogram: tuple[int, ...]  # of the unmasked scores before quantization
    score_edges: tuple[float, ...]  # edges of its bins, natural units
    provenance: dict[str, Any]  # model, text, sampling and tool versions, as JSON
    middle_head: TypicalHead

    @property
    def words(self) -> str:
        """Return how captions name the scores."""
        return "synthetic scores" if self.synthetic else "real scores"


@dataclass(frozen=True, kw_only=True)
class TrainingOperands(Facts):
    """Facts about the operands of a small training that drive training units."""

    source: str  # in one phrase
    synthetic: bool  # the text that was learned is drawn
    provenance: dict[str, Any]  # run, text, seed and tool versions, as JSON


def scores_job() -> ReportJob:
    """Return the job that collects a language model's attention scores; verification needs them."""
    return ReportJob(
        work=_scores,
        label="attention scores of a language model",
        command="consilico report",
        cpu_s=35,
        early=True,
    )


def training_traffic_job() -> ReportJob:
    """Return the job that collects operands of a small training; training units need them."""
    return ReportJob(
        work=_training_traffic,
        label="operands of a small training",
        command="consilico report",
        cpu_s=15,
        early=True,
    )


def traffic_jobs(request: Request) -> list[ReportJob]:
    """Return the jobs that collect the traffic of a language model and of a training.

    There are none if no unit of the request has such a source of traffic.
    """
    if any("model" in find_unit(unit.name).sources for unit in request.units):
        return [scores_job(), training_traffic_job()]
    return []


def attention_scores(results: ReportResults) -> AttentionScores | None:
    """Return what is known of the scores; None until they are collected."""
    return results.facts(scores_job(), AttentionScores)


def training_operands(results: ReportResults) -> TrainingOperands | None:
    """Return what is known of the operands of a training; None until they are collected."""
    return results.facts(training_traffic_job(), TrainingOperands)


def _scores() -> AttentionScores:
    traffic = score_traffic()
    head = sorted(traffic.heads, key=lambda constants: constants.scale)[len(traffic.heads) // 2]
    return AttentionScores(
        source=traffic.source,
        synthetic=traffic.synthetic,
        **traffic.counts,
        histogram=tuple(traffic.histogram.tolist()),
        score_histogram=tuple(traffic.score_histogram.tolist()),
        score_edges=tuple(traffic.score_edges.tolist()),
        provenance=traffic.provenance,
        middle_head=TypicalHead(
            name=f"layer {head.layer}, head {head.head}", scale=head.scale, log_c=head.log_c
        ),
    )


def _training_traffic() -> TrainingOperands:
    traffic = training_traffic()
    return TrainingOperands(
        source=traffic.source, synthetic=traffic.synthetic, provenance=traffic.provenance
    )
