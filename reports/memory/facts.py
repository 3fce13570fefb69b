"""Facts about the memory ledger in the report: evidence, and answers to common questions."""

from dataclasses import dataclass, replace
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.memory.answer import answer
from consilico.sim.memory.evidence.fits import VerdictCounts, judged_fits, verdict_counts
from consilico.sim.memory.evidence.measurements import (
    gpu_table,
    measured_times,
    tracked_runs,
    tracked_table,
)
from consilico.sim.memory.evidence.peaks import (
    ClassError,
    MeasuredPeak,
    class_errors,
    error_of,
    measured_runs,
)
from consilico.sim.memory.evidence.published import published_figures
from consilico.sim.memory.evidence.refuted import RefutedPeak, refuted_peaks
from consilico.sim.memory.gpus import GpuMemory, find_gpu, gpu_memory
from consilico.sim.memory.ledger import StepPart, by_kind, ledger, timeline
from consilico.sim.memory.methods import METHODS
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.step_time import step_time
from consilico.sim.memory.sweep import sweep
from consilico.sim.memory.training_run import TrainingRun

__all__ = [
    "EvidenceRow",
    "FitsFacts",
    "GpuCheck",
    "LargestBatches",
    "MemoryFacts",
    "MethodRow",
    "OwnExecution",
    "PeakBar",
    "TargetGpu",
    "ThroughputCost",
    "TimeRow",
    "memory_facts",
]

_CARD = "rtx4060ti-16gb"
_BATCHES = 64  # largest batch that is tried
_MEMORIES = ("8 GiB", "12 GiB", "16 GiB", "24 GiB", "48 GiB", "80 GiB")
_COMPARED: tuple[tuple[str, str, dict[str, Any]], ...] = (  # of the bars: label, method, fields
    ("AdamW", "adamw", {}),
    ("8-bit AdamW", "adamw-8bit", {}),
    ("GaLore", "galore", {}),
    ("8-bit GaLore", "galore-8bit", {}),
    ("APOLLO-Mini", "apollo-mini", {}),
    ("LOMO", "lomo", {}),
    ("Q-GaLore as published", "q-galore", {"published": True}),
    ("Q-GaLore", "q-galore", {}),
    ("QLoRA", "qlora", {}),
)


@dataclass(frozen=True, kw_only=True)
class EvidenceRow(Facts):
    """One figure of others, or of our own execution, next to what the ledger says."""

    kind: str  # "arithmetic", "convention", "measured" or "tracked"
    source: str
    model: str
    label: str
    quantity: str
    published: str  # digits as printed
    computed: float  # in the same unit
    unit: str  # as printed
    error_pct: float
    exact: bool  # the printed digits come out
    counted: bool  # among the errors: all its settings are stated
    straight: float | None  # the straight count, where a convention differs from it
    note: str
    convention: str  # a paper's rule, or the instrument


@dataclass(frozen=True, kw_only=True)
class OwnExecution(Facts):
    """Programs and machine with which our own steps were tracked."""

    instrument: str
    torch: str  # version
    date: str


@dataclass(frozen=True, kw_only=True)
class GpuCheck(Facts):
    """Machine on which the ledger was measured with a GPU."""

    device: str
    date: str
    torch: str  # version
    note: str
    runs: int


@dataclass(frozen=True, kw_only=True)
class PeakBar(Facts):
    """Tensors that live at the peak of one method's step, in bytes by kind."""

    label: str
    kinds: dict[str, int]
    bytes: int


@dataclass(frozen=True, kw_only=True)
class TargetGpu(Facts):
    """The GPU of the headline's run."""

    name: str
    title: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class LargestBatches(Facts):
    """The largest batch of a method that fits each memory, at one sequence length."""

    method: str
    rank: int  # 0: none
    sequence: int  # tokens
    largest_batch: dict[str, int]  # by memory; 0 where nothing fits


@dataclass(frozen=True, kw_only=True)
class FitsFacts(Facts):
    """The largest batches on GPUs of several sizes."""

    model: str
    memories: dict[str, int]  # usable bytes by name
    rows: tuple[LargestBatches, ...]


@dataclass(frozen=True, kw_only=True)
class TimeRow(Facts):
    """A measured throughput of others next to the roofline's."""

    label: str
    model: str
    gpu: str
    measured_tokens_per_s: float
    estimated_tokens_per_s: float
    stated: bool  # whether all settings are known
    source: str

    @property
    def ratio(self) -> float:
        """Return measured divided by estimated."""
        return self.measured_tokens_per_s / self.estimated_tokens_per_s


@dataclass(frozen=True, kw_only=True)
class ThroughputCost(Facts):
    """Loss of throughput of Q-GaLore relative to 8-bit GaLore, subspaces aside."""

    published_pct: float
    source: str
    estimated_pct: float
    setting: str  # of the estimate


@dataclass(frozen=True, kw_only=True)
class MethodRow(Facts):
    """A method of training, as it is counted."""

    name: str
    title: str
    source: str
    note: str


@dataclass(frozen=True, kw_only=True)
class MemoryFacts(Facts):
    """Everything that the report shows of training memory."""

    evidence: tuple[EvidenceRow, ...]
    errors: dict[str, ClassError]  # of peaks "held out", "seen", of a "peer" and "tracked"
    classes: tuple[ClassError, ...]  # of all measured runs, by method, framework, precision
    within_6_pct: float  # part of the held-out peaks whose error is no larger
    refuted: tuple[RefutedPeak, ...]
    verdicts: dict[str, VerdictCounts]  # on runs "held out" and on those "fitted"
    tracked: OwnExecution
    gpu: GpuCheck | None  # None: not measured on one
    headline: dict[str, Any]  # answer of ``consilico memory``: Q-GaLore's run on its 16 GB card
    timeline: tuple[StepPart, ...]  # of the headline's run
    bars: tuple[PeakBar, ...]  # of several methods
    card: TargetGpu
    fits: FitsFacts
    times: tuple[TimeRow, ...]
    throughput_cost: ThroughputCost
    methods: tuple[MethodRow, ...]


def memory_facts() -> MemoryFacts:
    """Return evidence, and answers to common questions; about a second of work."""
    model = find_model("llama-7b")
    base = TrainingRun(model=model, sequence=256, per_layer=True)
    card = find_gpu(_CARD)
    headline = replace(base, method="q-galore", rank=1024, published=True)
    bars = []
    for label, method, more in _COMPARED:
        changes: dict[str, Any] = {"method": method, **more}
        found = ledger(replace(base, **changes))
        bars.append(PeakBar(label=label, kinds=by_kind(found), bytes=int(found.peak_bytes)))
    tracked, gpu = tracked_table(), gpu_table()
    return MemoryFacts(
        evidence=_evidence(),
        errors=_errors(),
        classes=class_errors(),
        within_6_pct=_within_6_pct(),
        refuted=refuted_peaks(),
        verdicts={
            name: verdict_counts(row for row in judged_fits() if row.held_out == held_out)
            for name, held_out in (("held out", True), ("fitted", False))
        },
        tracked=OwnExecution(instrument=tracked.instrument, torch=tracked.torch, date=tracked.date),
        gpu=None
        if gpu is None
        else GpuCheck(
            device=gpu.device, date=gpu.date, torch=gpu.torch, note=gpu.note, runs=len(gpu.rows)
        ),
        headline=answer(headline, GpuMemory.of(card), card).to_json(),
        timeline=tuple(timeline(headline)),
        bars=tuple(bars),
        card=TargetGpu(name=card.name, title=card.title, bytes=card.memory_bytes),
        fits=_fits(base),
        times=tuple(
            TimeRow(
                label=row.label,
                model=row.run.model.name,
                gpu=row.gpu,
                measured_tokens_per_s=row.measured,
                estimated_tokens_per_s=row.estimated,
                stated=row.stated,
                source=row.source,
            )
            for row in measured_times()
        ),
        throughput_cost=_throughput_cost(base),
        methods=tuple(
            MethodRow(name=m.name, title=m.title, source=m.source, note=m.note)
            for m in METHODS.values()
            if not m.forward_only
        ),
    )


def _evidence() -> tuple[EvidenceRow, ...]:
    rows = [
        EvidenceRow(
            kind=row.kind, source=f"{row.paper}, {row.table}", model=row.model, label=row.label,
            quantity=row.quantity, published=row.printed, computed=row.computed, unit=row.unit,
            error_pct=row.residual_pct, exact=row.exact, counted=True, straight=row.straight,
            note=row.note, convention=row.convention,
        )
        for row in published_figures()
    ]  # fmt: skip
    rows += [
        EvidenceRow(
            kind="measured", source=run.source, model=run.run.model.name, label=run.label,
            quantity=run.quantity, published=f"{run.published:g}", computed=run.computed,
            unit=run.unit, error_pct=run.error_pct, exact=False, counted=run.stated, straight=None,
            note=run.note, convention=run.instrument,
        )
        for run in measured_runs()
    ]  # fmt: skip
    rows += [
        EvidenceRow(
            kind="tracked", source="our own execution", model=t.run.model.name,
            label=_words(t.run), quantity="peak", published=f"{t.tracked_bytes / 1e9:.3f}",
            computed=t.computed_bytes / 1e9, unit="GB", error_pct=t.error_pct, exact=False,
            counted=True, straight=None, note=t.computed_at, convention="FakeTensorMode",
        )
        for t in tracked_runs()
    ]  # fmt: skip
    return tuple(rows)


def _words(run: TrainingRun) -> str:
    parts = [run.method_description.title, run.dtype, f"batch {run.batch} x {run.sequence}"]
    if run.checkpointing != "none":
        parts.append(f"{run.checkpointing} checkpointing")
    if run.attention != "fused":
        parts.append(f"{run.attention} attention")
    parts.append("per-layer update" if run.per_layer else f"update at once ({run.kernel})")
    return ", ".join(parts)


def _stated(*, seen: bool) -> list[MeasuredPeak]:
    """Return the measured peaks whose settings are all stated: those seen, or those held out."""
    every = (row for row in measured_runs() if row.stated and row.quantity == "peak")
    return [row for row in every if row.seen == seen]


def _errors() -> dict[str, ClassError]:
    peer = [row for row in measured_runs() if row.source.startswith("vramcalc")]
    tracked = [row.error_pct for row in tracked_runs()]
    return {
        "held out": error_of("held out", [row.error_pct for row in _stated(seen=False)]),
        "seen": error_of("seen", [row.error_pct for row in _stated(seen=True)]),
        "peer": error_of("peer", [row.error_pct for row in peer]),
        "tracked": error_of("tracked", tracked),
    }


def _within_6_pct() -> float:
    """Return the part of the held-out peaks whose error is at most 6 %."""
    errors = [abs(row.error_pct) for row in _stated(seen=False)]
    return sum(error <= 6 for error in errors) / len(errors)


def _throughput_cost(base: TrainingRun) -> ThroughputCost:
    """Return Q-GaLore's throughput against GaLore's, between two subspaces."""
    card = find_gpu("a6000-48gb")
    run = replace(base, batch=16, checkpointing="full")
    galore, ours = (
        step_time(replace(run, method=method, rank=1024, published=published), card)
        for method, published in (("galore-8bit", False), ("q-galore", True))
    )
    lost = 1 - (galore.total_s - galore.subspace_s) / (ours.total_s - ours.subspace_s)
    return ThroughputCost(
        published_pct=14.64,
        source="arXiv 2407.08296, section 4.3; batch and GPU not stated",
        estimated_pct=100 * lost,
        setting=f"{run.model.name}, batch 16 x 256, full checkpointing, {card.title}",
    )


def _fits(base: TrainingRun) -> FitsFacts:
    """Return the largest batches on GPUs of several sizes, full checkpointing."""
    methods = [name for name, method in METHODS.items() if not method.forward_only]
    found = sweep(replace(base, checkpointing="full"), methods, range(1, _BATCHES + 1), (512, 2048))
    rooms = {name: gpu_memory(name) for name in _MEMORIES}
    rows = []
    for item in found:
        largest = {name: item.largest_batch(room) for name, room in rooms.items()}
        rows += [
            LargestBatches(
                method=item.run.method,
                rank=int(item.ranks[0]),
                sequence=sequence,
                largest_batch={name: int(sizes[0, s]) for name, sizes in largest.items()},
            )
            for s, sequence in enumerate(item.sequences)
        ]
    usable = {name: room.usable_bytes for name, room in rooms.items()}
    return FitsFacts(model=base.model.name, memories=usable, rows=tuple(rows))
