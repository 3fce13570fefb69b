"""What the report shows of the memory ledger: evidence, and answers to common questions."""

from dataclasses import replace
from typing import Any

from consilico.sim.memory.answer import answer
from consilico.sim.memory.evidence.measurements import (
    gpu_table,
    ledger_error,
    measured_runs,
    measured_times,
    tracked_runs,
    tracked_table,
)
from consilico.sim.memory.evidence.published import published_figures
from consilico.sim.memory.gpus import GpuMemory, find_gpu, gpu_memory
from consilico.sim.memory.ledger import by_kind, ledger, timeline
from consilico.sim.memory.methods import METHODS
from consilico.sim.memory.presets import find_model
from consilico.sim.memory.step_time import step_time
from consilico.sim.memory.sweep import sweep
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["memory_facts"]

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


def memory_facts() -> dict[str, Any]:
    """JSON-able; about a second of work.

    Returns:
        ``evidence`` (rows of four kinds: arithmetic, convention, measured, tracked), ``errors``
        (median and worst of each kind), ``headline`` (Q-GaLore's run on its 16 GB card),
        ``timeline`` of it, ``bars`` of methods, ``fits`` (largest batches), ``times`` and
        ``methods``.
    """
    model = find_model("llama-7b")
    base = TrainingRun(model=model, sequence=256, per_layer=True)
    card = find_gpu(_CARD)
    headline = replace(base, method="q-galore", rank=1024, published=True)
    bars = []
    for label, method, more in _COMPARED:
        changes: dict[str, Any] = {"method": method, **more}
        found = ledger(replace(base, **changes))
        bars.append({"label": label, "kinds": by_kind(found), "bytes": found.peak_bytes})
    return {
        "evidence": _evidence(),
        "errors": _errors(),
        "tracked": {k: v for k, v in tracked_table().to_json().items() if k != "runs"},
        "gpu": None if (gpu := gpu_table()) is None else gpu.to_json(),
        "headline": answer(headline, GpuMemory.of(card), card).to_json(),
        "timeline": [part.to_json() for part in timeline(headline)],
        "bars": bars,
        "card": {"name": card.name, "title": card.title, "bytes": card.memory_bytes},
        "fits": _fits(base),
        "times": [
            {
                "label": row.label, "model": row.run.model.name, "gpu": row.gpu,
                "measured": row.measured, "estimated": row.estimated, "stated": row.stated,
                "source": row.source,
            }
            for row in measured_times()
        ],
        "throughput_cost": _throughput_cost(base),
        "methods": [
            {"name": m.name, "title": m.title, "source": m.source, "note": m.note}
            for m in METHODS.values()
            if not m.forward_only
        ],
    }  # fmt: skip


def _evidence() -> list[dict[str, Any]]:
    rows = [
        {
            "kind": row.kind, "source": f"{row.paper}, {row.table}", "model": row.model,
            "label": row.label, "quantity": row.quantity, "published": row.printed,
            "computed": row.computed, "unit": row.unit, "error_pct": row.residual_pct,
            "exact": row.exact, "counted": True, "honest": row.straight, "note": row.note,
            "convention": row.convention,
        }
        for row in published_figures()
    ]  # fmt: skip
    rows += [
        {
            "kind": "measured", "source": run.source, "model": run.run.model.name,
            "label": run.label, "quantity": run.quantity, "published": f"{run.published:g}",
            "computed": run.computed, "unit": run.unit, "error_pct": run.error_pct,
            "exact": False, "counted": run.stated, "honest": None, "note": run.note,
            "convention": run.instrument,
        }
        for run in measured_runs()
    ]  # fmt: skip
    rows += [
        {
            "kind": "tracked", "source": "our own execution", "model": t.run.model.name,
            "label": _words(t.run), "quantity": "peak",
            "published": f"{t.tracked_bytes / 1e9:.3f}", "computed": t.computed_bytes / 1e9,
            "unit": "GB", "error_pct": t.error_pct, "exact": False, "counted": True,
            "honest": None, "note": t.computed_at, "convention": "FakeTensorMode",
        }
        for t in tracked_runs()
    ]  # fmt: skip
    return rows


def _words(run: TrainingRun) -> str:
    parts = [run.method_description.title, run.dtype, f"batch {run.batch} x {run.sequence}"]
    if run.checkpointing != "none":
        parts.append(f"{run.checkpointing} checkpointing")
    if run.attention != "fused":
        parts.append(f"{run.attention} attention")
    parts.append("per-layer update" if run.per_layer else f"update at once ({run.kernel})")
    return ", ".join(parts)


def _errors() -> dict[str, Any]:
    tracked = sorted(abs(row.error_pct) for row in tracked_runs())
    peer = sorted(abs(r.error_pct) for r in measured_runs() if r.source.startswith("vramcalc"))
    return {
        "measured": ledger_error().to_json(),
        "peer": {"median": peer[len(peer) // 2], "worst": peer[-1], "runs": len(peer)},
        "tracked": {
            "median": tracked[len(tracked) // 2], "worst": tracked[-1], "runs": len(tracked),
        },
    }  # fmt: skip


def _throughput_cost(base: TrainingRun) -> dict[str, Any]:
    """Q-GaLore's throughput against GaLore's, published and estimated, between two subspaces."""
    card = find_gpu("a6000-48gb")
    run = replace(base, batch=16, checkpointing="full", rank=1024)
    galore, ours = (
        step_time(replace(run, method=method, published=published), card)
        for method, published in (("galore-8bit", False), ("q-galore", True))
    )
    lost = 1 - (galore.total_s - galore.subspace_s) / (ours.total_s - ours.subspace_s)
    return {
        "published_pct": 14.64, "source": "arXiv 2407.08296, section 4.3; batch and GPU not stated",
        "estimated_pct": 100 * lost,
        "setting": f"{run.model.name}, batch 16 x 256, full checkpointing, {card.title}",
    }  # fmt: skip


def _fits(base: TrainingRun) -> dict[str, Any]:
    """Largest batch on GPUs of several sizes, full checkpointing."""
    methods = [name for name, method in METHODS.items() if not method.forward_only]
    found = sweep(replace(base, checkpointing="full"), methods, range(1, _BATCHES + 1), (512, 2048))
    rooms = {name: gpu_memory(name).usable_bytes for name in _MEMORIES}
    rows = []
    for item in found:
        largest = {name: item.largest_batch(room) for name, room in rooms.items()}
        rows += [
            {
                "method": item.run.method, "rank": item.ranks[0], "sequence": sequence,
                "largest_batch": {name: int(sizes[0, s]) for name, sizes in largest.items()},
            }
            for s, sequence in enumerate(item.sequences)
        ]  # fmt: skip
    return {"model": base.model.name, "memories": rooms, "batches_tried": _BATCHES, "rows": rows}
