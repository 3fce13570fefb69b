"""Facts about a chip in the report: one design from a score to a token, for two models.

Everything is an answer of ``consilico system``, or of the table that ``consilico accuracy`` fills.
"""

import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilico.sim.accelerator.accelerator import find_dram
from consilico.sim.accuracy.table import measured_accuracies
from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval, summed
from consilico.sim.memory.presets import find_model
from consilico.sim.system.answer import Rival, SystemAnswer
from consilico.sim.system.chip import Chip, weight_format
from consilico.sim.system.normalizers import P_FORMATS
from consilico.sim.system.simulate import system
from consilico.sim.workload.graph import Workload

__all__ = [
    "CONTEXT", "FormatCost", "GenzRow", "Growth", "Perplexity", "SystemFacts", "Walk",
    "genz_rows", "system_facts",
]  # fmt: skip

CONTEXT = 4096  # tokens of the walks
_MODELS = {"smollm2-135m": "SmolLM2-135M", "llama-7b": "LLaMA-7B"}
_PHASES = ("prefill", "decode")
_CONTEXTS = (256, 1024, 4096, 16384, 131072)
_NORMALIZER = "consmax/log2"


@dataclass(frozen=True, kw_only=True)
class Walk(Facts):
    """One workload on the design, from a score to a prompt or a token."""

    title: str
    answer: dict[str, Any]  # of ``consilico system --compare-normalisers``
    scores: float  # that attention normalizes, masked ones left out
    attention_j: dict[str, Interval]  # energy of attention by cause, leakage left out
    attention_s: float

    @property
    def score_pj(self) -> float:
        """Return the energy of attention per score: all that it takes until values are summed."""
        return 1e12 * summed(self.attention_j.values()).value / self.scores

    @property
    def normalizer_pj(self) -> float:
        """Return the energy of the normalizer per score, its buffers included."""
        own = self.attention_j["normaliser"] + self.attention_j["score buffer"]
        return 1e12 * own.value / self.scores

    @property
    def tiles_um2(self) -> float:
        """Return the area of all attention tiles, their buffers for scores included."""
        parts = ("score arrays", "value arrays", "requantizers", "normaliser", "score buffers")
        return sum(float(self.answer["area_um2"][part]["value"]) for part in parts)


@dataclass(frozen=True, kw_only=True)
class Growth(Facts):
    """Effects of other normalizers on the chip at one context."""

    title: str
    context: int
    own_um2: Interval  # of the normalizers of the design, with their buffers for scores
    rivals: tuple[Rival, ...]


@dataclass(frozen=True, kw_only=True)
class FormatCost(Facts):
    """Cost of a form of a normalized score to a workload, as ratios to the first of all forms."""

    title: str
    p_format: str
    latency: float
    energy: float
    area: float


@dataclass(frozen=True, kw_only=True)
class Perplexity(Facts):
    """Perplexity of a language model on a text, with a normalizer and a format of P."""

    model: str
    predicted: int  # tokens of all windows
    normaliser: str
    p_format: str  # as ``consilico accuracy`` names it
    text: str
    tokens: int  # of a window
    baseline: float
    change: float  # a share of the baseline
    date: str


@dataclass(frozen=True, kw_only=True)
class GenzRow(Facts):
    """Time of a token here and in GenZ, under its assumptions."""

    context: int
    own_ms: float
    genz_ms: float  # in GB of 10^9 bytes

    @property
    def difference(self) -> float:
        """Return how much longer it takes here, as a share."""
        return self.own_ms / self.genz_ms - 1


@dataclass(frozen=True, kw_only=True)
class SystemFacts(Facts):
    """One design: four workloads in full, others next to them, and what is known of answers."""

    walks: tuple[Walk, ...]
    growth: tuple[Growth, ...]
    formats: tuple[FormatCost, ...]
    perplexities: tuple[Perplexity, ...]
    genz: tuple[GenzRow, ...]
    genz_version: str


def system_facts() -> SystemFacts:
    """Return everything that the report shows of a chip; two seconds of work."""
    walks, growth = [], []
    formats: defaultdict[str, list[FormatCost]] = defaultdict(list)
    for name, words in _MODELS.items():
        for phase in _PHASES:
            title = f"{words}, {phase}"
            for context in _CONTEXTS:
                found = _answer(name, phase, context)
                if context == CONTEXT:
                    walks.append(_walk(title, found))
                growth.append(
                    Growth(
                        title=title, context=context, own_um2=found.normalizer_um2,
                        rivals=found.rivals,
                    )
                )  # fmt: skip
            forms = {form: _answer(name, phase, CONTEXT, form) for form in P_FORMATS}
            formats[title] = list(_format_costs(title, forms))
    return SystemFacts(
        walks=tuple(walks),
        growth=tuple(growth),
        formats=tuple(cost for costs in formats.values() for cost in costs),
        perplexities=tuple(_perplexities()),
        genz=genz_rows(),
        genz_version=_genz()["version"],
    )


def genz_rows() -> tuple[GenzRow, ...]:
    """Return how long a token takes here and in GenZ, by contexts, where DRAM decides."""
    genz = _genz()
    factor = genz["bytes_per_gb"] / 1e9
    return tuple(
        GenzRow(
            context=int(context),
            own_ms=1e3
            * _answer(genz["model"], "decode", int(context), tiles=genz["tiles"]).latency_s.value,
            genz_ms=published * factor,
        )
        for context, published in genz["milliseconds"].items()
    )


def _genz() -> dict[str, Any]:
    text = Path(__file__).with_name("published.toml").read_text()
    found: dict[str, Any] = tomllib.loads(text)["genz"]
    return found


def _answer(
    model: str, phase: str, context: int, p_format: str = "int7", tiles: int = 4
) -> SystemAnswer:
    """Return what a workload costs on the design, which is the command's default."""
    chip = Chip(dram=find_dram("hbm2"), weights=weight_format("int8"), tiles=tiles, gemv_lanes=512)
    workload = Workload(model=find_model(model), phase=phase, context=context)
    return system(workload, chip, _NORMALIZER, p_format, compare=True)


def _walk(title: str, found: SystemAnswer) -> Walk:
    own = [cost for cost in found.operators if cost.work.engine == "tiles"]
    causes = {cause: summed(cost.energy_j[cause] for cost in own) for cause in own[0].energy_j}
    return Walk(
        title=title,
        answer=found.to_json(),
        scores=float(sum(cost.work.operations["normalization"] for cost in own)),
        attention_j=causes,
        attention_s=sum(cost.time_s.value for cost in own),
    )


def _format_costs(title: str, answers: dict[str, SystemAnswer]) -> Iterator[FormatCost]:
    first = next(iter(answers.values()))
    for form, found in answers.items():
        yield FormatCost(
            title=title,
            p_format=form,
            latency=found.latency_s.value / first.latency_s.value,
            energy=found.total_j.value / first.total_j.value,
            area=found.total_um2.value / first.total_um2.value,
        )


def _perplexities() -> Iterator[Perplexity]:
    for row in measured_accuracies().rows:
        found = row.found
        yield Perplexity(
            model=found.model, predicted=found.predicted,
            normaliser=found.normaliser, p_format=found.p_format, text=found.text,
            tokens=found.tokens, baseline=found.baseline, change=found.change_pct / 100,
            date=row.date,
        )  # fmt: skip
