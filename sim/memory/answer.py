"""The whole answer to one question: ledger, fit, changes that would help, and time.

:func:`answer` is what ``consilico memory`` prints.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from consilico.sim.base.facts import Facts, plain
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.memory.account import Account, LedgerLine
from consilico.sim.memory.advice import Suggestion, suggestions
from consilico.sim.memory.architecture import Architecture, Mixture
from consilico.sim.memory.bases import BITSANDBYTES
from consilico.sim.memory.evidence.allocator import fragmentation
from consilico.sim.memory.evidence.peaks import ClassError, class_error, class_of
from consilico.sim.memory.gpus import Gpu, GpuMemory, workspaces
from consilico.sim.memory.ledger import StepPart, ledger, timeline
from consilico.sim.memory.margins import FITS, TIGHT, NeededBytes, NeededMemory
from consilico.sim.memory.step_time import REACHED, REACHED_BY, StepTime, step_time
from consilico.sim.memory.sweep import largest
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["Fit", "LedgerLine", "MemoryAnswer", "OutsideTensors", "TimeEstimate", "answer"]


@dataclass(frozen=True, kw_only=True)
class OutsideTensors(Facts):
    """Memory of the GPU that no tensor of the run has, with its spread on measured runs."""

    name: str
    bytes: int
    low_bytes: int
    high_bytes: int
    basis: str  # assumed, estimated, or PyTorch's default


@dataclass(frozen=True, kw_only=True)
class Fit(Facts):
    """Verdict on whether a run fits a GPU, and the changes that would make it fit."""

    gpu: str
    memory_bytes: int  # all memory of the GPU
    needed_bytes: NeededBytes  # the peak, with what is outside tensors
    verdict: str  # fits, tight or does not fit
    headroom_bytes: int  # what is likely to be left at the peak; negative if nothing is
    largest: Mapping[str, int]  # greatest ``batch`` and ``sequence`` that fit, all else as it is,
    # by the ledger; empty if it does not know the model
    remedies: tuple[str, ...]  # what to set where it is tight
    suggestions: tuple[Suggestion, ...]  # changes that make it fit, the cheapest first

    @property
    def fits(self) -> bool:
        """Tell whether the run fits beyond doubt: whether the verdict is ``fits``."""
        return self.verdict == FITS

    derived = ("fits",)


@dataclass(frozen=True, kw_only=True)
class TimeEstimate(Facts):
    """Estimated time of an optimizer step on a GPU."""

    basis: str
    step_s: float  # by the roofline, which no run reaches
    tokens_per_s: float
    parts_s: Mapping[str, float]  # seconds by what they are spent on
    expected_s: Interval  # with the part of the roofline that measured runs reach
    expected_basis: str  # the runs that it is taken from

    @classmethod
    def of(cls, time: StepTime) -> "TimeEstimate":
        """Return the estimate that a step time gives."""
        parts = [name for item in fields(time) if (name := item.name).endswith("_s")]
        return cls(
            basis="estimated: roofline",
            step_s=time.total_s,
            tokens_per_s=time.tokens_per_s,
            parts_s={name.removesuffix("_s"): getattr(time, name) for name in parts},
            expected_s=exactly(time.total_s) / REACHED,
            expected_basis=REACHED_BY,
        )


@dataclass(frozen=True, kw_only=True)
class MemoryAnswer:
    """Account of the memory that a training run takes on a GPU, and whether it fits.

    The lines of ``ledger`` that are ``live`` add up to ``peak_bytes``. ``outside`` is memory in
    addition to tensors; ``fit`` takes it into account, ``peak_bytes`` does not.
    """

    run: TrainingRun
    engine: str  # that the account of the step comes from: ledger or execute
    basis: str  # counted, or the libraries that were executed
    parameters: int
    parts: tuple[StepPart, ...] | None  # of an executed step, in their order; None: see timeline
    peak_bytes: int
    peak_at: str  # label of the moment
    persistent_bytes: int  # of tensors that live through the whole step
    ledger: tuple[LedgerLine, ...]
    run_class: str  # method, framework, precision and sharding
    outside: tuple[OutsideTensors, ...]
    notes: tuple[str, ...]
    fit: Fit | None  # None if no memory was given
    time: TimeEstimate | None  # None if no GPU was given

    @property
    def error(self) -> ClassError | None:
        """Return the ledger's error on measured runs of the run's class; None without any.

        It is counted when it is first asked for, as it takes longer than the ledger itself.
        """
        return class_error(self.run_class)

    def timeline(self) -> Sequence[StepPart]:
        """Return the parts of the step in their order, each at the moment that holds most."""
        return timeline(self.run) if self.parts is None else self.parts

    def to_json(self) -> dict[str, Any]:
        """Return plain data: the fields, those of ``fit`` among them, and the run's settings."""
        described = self.run.method_description
        result: dict[str, Any] = {
            "model": self.run.model.name,
            "parameters": self.parameters,
            "engine": self.engine,
            "basis": self.basis,
            "method": described.title,
            "source": described.source,
            "note": described.note,
            "settings": self.run.settings(),
            "recipe": plain(self.run.applied_recipe),
            "peak_bytes": self.peak_bytes,
            "peak_at": self.peak_at,
            "persistent_bytes": self.persistent_bytes,
            "ledger": plain(self.ledger),
            "class": self.run_class,
            "error": None if self.error is None else self.error.summary(),
            "error_bar_pct": None if self.error is None else round(self.error.worst_pct, 1),
            "outside": plain(self.outside),
            "notes": list(self.notes),
        }
        if self.fit is not None:
            result |= self.fit.to_json()
        if self.time is not None:
            result["time"] = self.time.to_json()
        return result


def answer(
    run: TrainingRun,
    memory: GpuMemory | None = None,
    gpu: Gpu | None = None,
    executed: Account | None = None,
) -> MemoryAnswer:
    """Answer everything that ``consilico memory`` prints.

    Args:
        run: The training run.
        memory: The memory that it is to fit; None if that is not asked.
        gpu: The GPU whose speed gives the time, and orders the suggestions; None if unknown.
        executed: Account of a step that was executed; None to ask the ledger. What else would fit,
            and the time, is the ledger's to say even then, where it knows the model.
    """
    known = isinstance(run.model, Architecture)
    found = _counted(run) if executed is None else executed
    run_class = class_of(run)
    return MemoryAnswer(
        run=run,
        engine="ledger" if executed is None else "execute",
        basis=found.basis,
        parameters=found.parameters,
        parts=None if executed is None else found.parts,
        peak_bytes=found.peak_bytes,
        peak_at=found.peak_at,
        persistent_bytes=found.persistent_bytes,
        ledger=found.lines,
        run_class=run_class,
        outside=_outside(run, found, memory),
        notes=tuple(_notes(run, gpu)),
        fit=None if memory is None else _fit(run, memory, gpu, found),
        time=None if gpu is None or not known else TimeEstimate.of(step_time(run, gpu)),
    )


def _counted(run: TrainingRun) -> Account:
    """Return the ledger's account of a run, but for the parts of its step."""
    found = ledger(run)
    return Account(
        basis="counted",
        parameters=run.architecture.parameter_count,
        peak_bytes=found.peak_bytes,
        peak_at=found.peak_at,
        persistent_bytes=found.persistent_bytes,
        lines=tuple(
            LedgerLine(name=e.name, kind=e.kind, dtype=e.dtype, bytes=int(e.bytes), live=e.live)
            for e in found.entries
        ),
        parts=(),
    )


def _outside(
    run: TrainingRun, found: Account, memory: GpuMemory | None
) -> tuple[OutsideTensors, ...]:
    """Return what a GPU holds in addition to the run's tensors."""
    passing = found.peak_bytes - found.persistent_bytes
    parts = [("allocator's fragmentation", fragmentation() * passing, "estimated")]
    if memory is not None:
        forward_only = run.method_description.forward_only
        size = exactly(workspaces(memory.workspace_bytes, forward_only=forward_only))
        parts = [
            ("driver and CUDA context", memory.context, "assumed"),
            ("workspaces of the matrix library", size, "PyTorch's default"),
            *parts,
        ]
    return tuple(
        OutsideTensors(
            name=name, bytes=int(size.value), low_bytes=int(size.low), high_bytes=int(size.high),
            basis=basis,
        )
        for name, size, basis in parts
    )  # fmt: skip


def _fit(run: TrainingRun, memory: GpuMemory, gpu: Gpu | None, account: Account) -> Fit:
    """Compare what a run needs with what a GPU has."""
    needed = NeededMemory.of(run, memory, account.peak_bytes, account.persistent_bytes)
    size = needed.in_bytes()
    verdict = size.verdict(memory.bytes)
    known = isinstance(run.model, Architecture)
    found = {name: largest(run, name, memory) for name in ("batch", "sequence") if known}
    remedies = []
    if verdict == TIGHT:
        if needed.unfragmented <= memory.bytes:
            remedies.append("PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True")
        if found.get("batch"):
            remedies.append(f"--batch {found['batch']}")
    return Fit(
        gpu=memory.name,
        memory_bytes=memory.bytes,
        needed_bytes=size,
        verdict=verdict,
        headroom_bytes=memory.bytes - size.value,
        largest=found,
        remedies=tuple(remedies),
        suggestions=()
        if verdict == FITS or not known
        else tuple(suggestions(run, memory, _seconds_per_token(gpu))),
    )


def _notes(run: TrainingRun, gpu: Gpu | None) -> list[str]:
    """Return what a reader of the answer should know about its limits."""
    notes = [note] if (note := run.method_description.note) else []
    model = run.model
    if isinstance(model, Architecture):
        notes.extend(_model_notes(run, model))
    else:
        notes.append(
            f"the ledger does not know the family of {model.name}: no time, no largest batch, no"
            " changes"
        )
    if run.sequence > run.model.context:
        notes.append(
            f"{run.sequence} tokens are more than the {run.model.context} that {run.model.name}"
            " was made for"
        )
    if gpu is not None and "no bfloat16" in gpu.note and run.dtype not in ("float16", "float32"):
        notes.append(f"{gpu.name} has no bfloat16: slower than estimated, if it runs")
    return notes


def _model_notes(run: TrainingRun, model: Architecture) -> Iterator[str]:
    """Yield what a reader should know about a run of this model."""
    yield from model.notes
    if model.quantization and not run.used_base:
        yield (
            f"{model.name} is configured for weights in {model.quantization}"
            " (quantization_config), which is not counted: a weight has the type that method and"
            " dtype say"
        )
    stacks = {p.name for p in model.parameters() if p.role == "expert"}
    if stacks & run.adapted:
        yield (
            "experts with adapters (targets all) take their weights once more in each block: peft"
            " multiplies the adapters out"
        )
    mixtures = [block.mlp for block in model.kinds if isinstance(block.mlp, Mixture)]
    if "router" in run.adapted and any(part.router_results for part in mixtures):
        yield (
            f"peft 0.21 fails on an adapter of the routers of {model.name} (targets all):"
            " --targets attention runs"
        )
    if stacks and run.used_base in BITSANDBYTES:
        kept = "float32, to which peft converts them" if run.kbit_prepared else run.weight_dtype
        yield (
            f"experts stay in {kept}: transformers 5 puts no stacks of experts into bitsandbytes'"
            " layers"
        )
    yield from (
        f"{words} stands on its source code alone: no execution and no measured run has checked it"
        for words, asked in _UNCHECKED.items()
        if asked(run)
    )


_UNCHECKED: Mapping[str, Callable[[TrainingRun], bool]] = {
    "base int8": lambda run: run.used_base == "int8",
    "base awq4": lambda run: run.used_base == "awq4",
    "loss cut": lambda run: run.loss == "cut",
    "loss fused": lambda run: run.loss == "fused",
    "paged": lambda run: run.paged,
}
"""Settings that neither an execution nor a run of others has checked."""


def _seconds_per_token(gpu: Gpu | None) -> Callable[[TrainingRun], float] | None:
    """Return a function that estimates a run's time per token, or None without a GPU."""
    if gpu is None:
        return None

    def seconds(run: TrainingRun) -> float:
        time = step_time(run, gpu)
        return time.total_s / time.tokens

    return seconds
