"""Facts of training memory that no ledger counted: as ``memory_facts`` makes them, but few."""

from dataclasses import replace
from typing import Any

from consilico.reports.memory.facts import (
    EvidenceRow,
    FitsFacts,
    LargestBatches,
    MemoryFacts,
    MethodRow,
    OwnExecution,
    PeakBar,
    TargetGpu,
    ThroughputCost,
    TimeRow,
)
from consilico.sim.memory.evidence.fits import VerdictCounts
from consilico.sim.memory.evidence.peaks import ClassError
from consilico.sim.memory.evidence.refuted import RefutedPeak
from consilico.sim.memory.ledger import StepPart

__all__ = ["small_memory"]

_GB = 10**9
_KINDS = {"weights": 7 * _GB, "optimizer states": 4 * _GB, "activations": 2 * _GB}
_MEMORIES = {"8 GiB": 7 * _GB, "16 GiB": 16 * _GB}


def _row(kind: str, source: str, published: str, computed: float, **more: Any) -> EvidenceRow:
    row = EvidenceRow(
        kind=kind, source=source, model="llama-7b", label="AdamW", quantity="peak",
        published=published, computed=computed, unit="GB",
        error_pct=100 * (computed / float(published) - 1), exact=False, counted=True,
        straight=None, note="", convention="profiler",
    )  # fmt: skip
    return replace(row, **more)


def _evidence() -> tuple[EvidenceRow, ...]:
    printed = {"quantity": "weights+states", "exact": True}
    return (
        _row("arithmetic", "LOMO, Table 1", "12.55", 12.5513, straight=12.5513, **printed),
        _row("convention", "GaLore, Table 2", "0.36", 0.3677, straight=0.3, note="once", **printed),
        _row("convention", "GaLore, Table 4", "264", 265.2, straight=257.3, quantity="states"),
        _row("measured", "a repository", "15.08", 14.924, label="Q-GaLore as published"),
        _row("measured", "a paper", "1.79", 2.87, counted=False, note="when is not stated"),
        _row("tracked", "our own execution", "109.388", 109.3875),
    )


def _headline() -> dict[str, Any]:
    return {
        "model": "llama-7b", "parameters": 7 * _GB, "method": "Q-GaLore as published",
        "source": "its repository", "note": "a byte for each INT4 code",
        "settings": {
            "method": "q-galore", "batch": 1, "sequence": 256, "dtype": "bfloat16",
            "rank": 1024, "checkpointing": "none", "per_layer": True,
        },
        "peak_bytes": 13 * _GB, "peak_at": "backward, block 2 of 2: down, update",
        "persistent_bytes": 11 * _GB, "ledger": [], "error_bar_pct": 1.1,
        "class": "Q-GaLore",
        "error": {"class": "Q-GaLore", "runs": 2, "median_pct": 0.6, "worst_pct": 1.1},
        "outside": [
            {"name": "driver and CUDA context", "bytes": 1 * _GB, "low_bytes": 4 * _GB // 5,
             "high_bytes": 6 * _GB // 5, "basis": "assumed"},
            {"name": "allocator's fragmentation", "bytes": _GB // 2, "low_bytes": 0,
             "high_bytes": _GB, "basis": "estimated"},
        ],
        "gpu": "rtx4060ti-16gb", "memory_bytes": 17 * _GB,
        "needed_bytes": {"low": 14 * _GB, "value": 29 * _GB // 2, "high": 15 * _GB},
        "verdict": "fits", "fits": True, "headroom_bytes": 5 * _GB // 2, "remedies": [],
        "largest": {"batch": 3, "sequence": 700}, "suggestions": [],
        "time": {
            "basis": "estimated: roofline", "step_s": 3.14, "tokens_per_s": 81.5,
            "expected_s": {"value": 4.2, "low": 3.9, "high": 5.3}, "expected_basis": "9 runs",
        },
    }  # fmt: skip


def _error(name: str, runs: int, median_pct: float, low_pct: float) -> ClassError:
    return ClassError(
        run_class=name, runs=runs, median_pct=median_pct, worst_pct=-low_pct, low_pct=low_pct,
        high_pct=0.1,
    )  # fmt: skip


def small_memory() -> MemoryFacts:
    """Two methods, two memories, one comparison of most kinds; every target of errors is met."""
    batches = {("adamw", 512): (0, 6), ("adamw", 2048): (0, 1), ("qlora", 512): (9, 32)}
    batches["qlora", 2048] = (2, 8)
    return MemoryFacts(
        evidence=_evidence(),
        errors={
            "held out": _error("held out", 59, 1.2, -7.5),
            "seen": _error("seen", 23, 0.19, -6.2),
            "peer": _error("peer", 19, 0.15, -1.3),
            "tracked": _error("tracked", 39, 0.0005, -0.73),
        },
        classes=(_error("LoRA, Hugging Face, bfloat16, one GPU", 6, 0.4, -0.8),),
        within_6_pct=0.92,
        refuted=(
            RefutedPeak(
                source="a post", label="LISA", model="llama-2-70b", published=75, unit="GB",
                parts={"weights": 138.0, "states": 9.0},
            ),
        ),
        verdicts={
            "held out": VerdictCounts(
                ran_fits=17, ran_tight=7, ran_does_not_fit=0,
                died_fits=0, died_tight=4, died_does_not_fit=8,
            ),
        },
        tracked=OwnExecution(instrument="a tracker", torch="2.9", date="2026-01-02"),
        gpu=None,
        headline=_headline(),
        timeline=tuple(
            StepPart(part=part, bytes=sum(_KINDS.values()), kinds=dict(_KINDS))
            for part in ("forward, block 1 of 1", "loss", "backward, block 1 of 1")
        ),
        bars=tuple(
            PeakBar(label=label, kinds=dict(_KINDS), bytes=sum(_KINDS.values()))
            for label in ("AdamW", "QLoRA")
        ),
        card=TargetGpu(name="rtx4060ti-16gb", title="RTX 4060 Ti 16 GB", bytes=17 * _GB),
        fits=FitsFacts(
            model="llama-7b",
            memories=dict(_MEMORIES),
            rows=tuple(
                LargestBatches(
                    method=method, rank=16 if method == "qlora" else 0, sequence=sequence,
                    largest_batch=dict(zip(_MEMORIES, found, strict=True)),
                )
                for (method, sequence), found in batches.items()
            ),
        ),
        throughput_cost=ThroughputCost(
            published_pct=14.64, source="a paper", estimated_pct=12.0, setting="a run"
        ),
        times=(
            TimeRow(
                label="LoRA", model="llama-3.2-3b", gpu="a100-80gb", measured_tokens_per_s=7000,
                estimated_tokens_per_s=10000.0, stated=True, source="a README",
            ),
        ),
        methods=(
            MethodRow(name="adamw", title="AdamW", source="arXiv 1711.05101", note=""),
            MethodRow(name="qlora", title="QLoRA", source="arXiv 2305.14314", note="NF4"),
        ),
    )  # fmt: skip
