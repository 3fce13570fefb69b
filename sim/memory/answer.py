"""The whole answer to one question: ledger, fit, changes that would help, and time.

:func:`answer` is what ``consilico memory`` prints.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from consilico.sim.base.facts import Facts, plain
from consilico.sim.memory.activations import Activations
from consilico.sim.memory.advice import Suggestion, suggestions
from consilico.sim.memory.architecture import Mixture
from consilico.sim.memory.evidence.measurements import ledger_error
from consilico.sim.memory.gpus import Gpu, GpuMemory
from consilico.sim.memory.ledger import ledger, slack_bytes
from consilico.sim.memory.step_time import StepTime, step_time
from consilico.sim.memory.sweep import largest
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["Fit", "LedgerLine", "MemoryAnswer", "OutsideTensors", "TimeEstimate", "answer"]


@dataclass(frozen=True, kw_only=True)
class LedgerLine(Facts):
    """Tensors of one name in the ledger."""

    name: str
    kind: str  # weights, gradients, ...; activations say which
    dtype: str  # empty where it is mixed
    bytes: int
    live: bool  # at the peak; of others ``bytes`` is the most they ever take


@dataclass(frozen=True, kw_only=True)
class OutsideTensors(Facts):
    """Memory of the GPU that no tensor of the run has."""

    name: str
    bytes: int
    basis: str  # assumed or estimated


@dataclass(frozen=True, kw_only=True)
class Fit(Facts):
    """Verdict on whether a run fits a GPU, and the changes that would make it fit."""

    gpu: str
    memory_bytes: int  # all memory of the GPU
    needed_bytes: int  # the peak, with what is outside tensors
    fits: bool
    headroom_bytes: int  # what is left at the peak; negative if the run does not fit
    largest: Mapping[str, int]  # greatest ``batch`` and ``sequence`` that fit, all else as it is
    suggestions: tuple[Suggestion, ...]  # changes that make it fit, the cheapest first


@dataclass(frozen=True, kw_only=True)
class TimeEstimate(Facts):
    """Estimated time of an optimizer step on a GPU."""

    basis: str
    step_s: float
    tokens_per_s: float
    parts_s: Mapping[str, float]  # seconds by what they are spent on

    @classmethod
    def of(cls, time: StepTime) -> "TimeEstimate":
        """Return the estimate that a step time gives."""
        parts = [name for item in fields(time) if (name := item.name).endswith("_s")]
        return cls(
            basis="estimated: roofline",
            step_s=time.total_s,
            tokens_per_s=time.tokens_per_s,
            parts_s={name.removesuffix("_s"): getattr(time, name) for name in parts},
        )


@dataclass(frozen=True, kw_only=True)
class MemoryAnswer:
    """Account of the memory that a training run takes on a GPU, and whether it fits.

    The lines of ``ledger`` that are ``live`` add up to ``peak_bytes``. ``outside`` is memory in
    addition to tensors; ``fit`` takes it into account, ``peak_bytes`` does not.
    """

    run: TrainingRun
    peak_bytes: int
    peak_at: str  # label of the moment
    persistent_bytes: int  # of tensors that live through the whole step
    ledger: tuple[LedgerLine, ...]
    error_bar_pct: float  # worst error of the ledger on measured runs
    outside: tuple[OutsideTensors, ...]
    notes: tuple[str, ...]
    fit: Fit | None  # None if no memory was given
    time: TimeEstimate | None  # None if no GPU was given

    def to_json(self) -> dict[str, Any]:
        """Return plain data: the fields, those of ``fit`` among them, and the run's settings."""
        described = self.run.method_description
        result: dict[str, Any] = {
            "model": self.run.model.name,
            "parameters": self.run.model.parameter_count,
            "method": described.title,
            "source": described.source,
            "note": described.note,
            "settings": self.run.settings(),
            "recipe": plain(self.run.applied_recipe),
            "peak_bytes": self.peak_bytes,
            "peak_at": self.peak_at,
            "persistent_bytes": self.persistent_bytes,
            "ledger": plain(self.ledger),
            "error_bar_pct": self.error_bar_pct,
            "outside": plain(self.outside),
            "notes": list(self.notes),
        }
        if self.fit is not None:
            result |= self.fit.to_json()
        if self.time is not None:
            result["time"] = self.time.to_json()
        return result


def answer(
    run: TrainingRun, memory: GpuMemory | None = None, gpu: Gpu | None = None
) -> MemoryAnswer:
    """Answer everything that ``consilico memory`` prints.

    Args:
        run: The training run.
        memory: The memory that it is to fit; None if that is not asked.
        gpu: The GPU whose speed gives the time, and orders the suggestions; None if unknown.
    """
    found = ledger(run)
    slack = int(slack_bytes(found.plan, Activations(found.plan)))
    outside = [OutsideTensors(name="allocator slack", bytes=slack, basis="estimated")]
    if memory is not None:
        context = OutsideTensors(
            name="driver and CUDA context", bytes=memory.context_bytes, basis="assumed"
        )
        outside.insert(0, context)
    return MemoryAnswer(
        run=run,
        peak_bytes=found.peak_bytes,
        peak_at=found.peak_at,
        persistent_bytes=found.persistent_bytes,
        ledger=tuple(
            LedgerLine(name=e.name, kind=e.kind, dtype=e.dtype, bytes=int(e.bytes), live=e.live)
            for e in found.entries
        ),
        error_bar_pct=round(ledger_error().worst, 1),
        outside=tuple(outside),
        notes=tuple(_notes(run, gpu)),
        fit=None if memory is None else _fit(run, found.peak_bytes + slack, memory, gpu),
        time=None if gpu is None else TimeEstimate.of(step_time(run, gpu)),
    )


def _fit(run: TrainingRun, size: int, memory: GpuMemory, gpu: Gpu | None) -> Fit:
    """Compare ``size`` bytes of tensors and slack with what a GPU leaves for them."""
    space = memory.usable_bytes
    fits = size <= space
    return Fit(
        gpu=memory.name,
        memory_bytes=memory.bytes,
        needed_bytes=size + memory.context_bytes,
        fits=fits,
        headroom_bytes=space - size,
        largest={name: largest(run, name, space) for name in ("batch", "sequence")},
        suggestions=() if fits else tuple(suggestions(run, space, _seconds_per_token(gpu))),
    )


def _notes(run: TrainingRun, gpu: Gpu | None) -> list[str]:
    """Return what a reader of the answer should know about its limits."""
    notes = [note] if (note := run.method_description.note) else []
    notes.extend(run.model.notes)
    if run.model.quantization and not run.used_base:
        notes.append(
            f"{run.model.name} is configured for weights in {run.model.quantization}"
            " (quantization_config), which is not counted: a weight has the type that method and"
            " dtype say"
        )
    if run.method_description.adapters and any(isinstance(b.mlp, Mixture) for b in run.model.kinds):
        notes.append("experts get no adapters: in transformers 5 they are no layers but one tensor")
    if run.sequence > run.model.context:
        notes.append(
            f"{run.sequence} tokens are more than the {run.model.context} that {run.model.name}"
            " was made for"
        )
    if gpu is not None and "no bfloat16" in gpu.note and run.dtype not in ("float16", "float32"):
        notes.append(f"{gpu.name} has no bfloat16: slower than estimated, if it runs")
    return notes


def _seconds_per_token(gpu: Gpu | None) -> Callable[[TrainingRun], float] | None:
    """Return a function that estimates a run's time per token, or None without a GPU."""
    if gpu is None:
        return None

    def seconds(run: TrainingRun) -> float:
        time = step_time(run, gpu)
        return time.total_s / time.tokens

    return seconds
