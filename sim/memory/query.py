"""The whole answer to one question: ledger, fit, advice and time, as plain data."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from consilico.sim.memory.activations import Activations
from consilico.sim.memory.advice import largest, suggestions
from consilico.sim.memory.entry import Entry
from consilico.sim.memory.gpus import Gpu, find_gpu, gpu_names, parse_memory, usual_context_bytes
from consilico.sim.memory.ledger import Ledger, ledger, slack_bytes
from consilico.sim.memory.measured import error_bar_pct
from consilico.sim.memory.plan import Plan
from consilico.sim.memory.run import Run
from consilico.sim.memory.step import stages
from consilico.sim.memory.timing import step_time

__all__ = ["Room", "answer", "by_kind", "room_of", "timeline"]


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a GPU offers, and what there is beside tensors."""

    name: str
    bytes: int  # all of its memory
    context_bytes: int  # CUDA context

    @classmethod
    def of(cls, gpu: Gpu) -> "Room":
        """That of a GPU of the catalogue."""
        return cls(name=gpu.name, bytes=gpu.memory_bytes, context_bytes=gpu.context_bytes)

    @property
    def usable_bytes(self) -> int:
        """Bytes left for tensors and the allocator's slack."""
        return self.bytes - self.context_bytes


def room_of(text: str) -> Room:
    """That of a GPU by name, or of an amount of memory, with the context of a usual driver.

    Raises:
        UserError: If it is neither.
    """
    if text.lower() in gpu_names():
        return Room.of(find_gpu(text))
    return Room(name=text, bytes=parse_memory(text), context_bytes=usual_context_bytes())


def answer(run: Run, room: Room | None = None, gpu: Gpu | None = None) -> dict[str, Any]:
    """Everything ``consilico memory`` says.

    Args:
        run: The run.
        room: The memory it is to fit, if that is asked.
        gpu: The GPU whose speed the time is estimated for, and changes are ordered by.

    Returns:
        JSON-able. ``live`` of an entry says whether it lives at the peak: those that do add up to
        ``peak_bytes``. ``outside`` is what a GPU holds beside tensors; ``fits`` and
        ``headroom_bytes`` take it into account.
    """
    found = ledger(run)
    slack = int(slack_bytes(found.plan, Activations(found.plan)))
    outside = [{"name": "allocator slack", "bytes": slack, "basis": "estimated"}]
    result: dict[str, Any] = {
        "model": run.model.name,
        "parameters": run.model.parameter_count,
        "method": run.found.title,
        "source": run.found.source,
        "note": run.found.note,
        "settings": _settings(run),
        "peak_bytes": found.peak_bytes,
        "peak_at": found.peak_at,
        "persistent_bytes": found.persistent_bytes,
        "ledger": [
            {
                "name": entry.name,
                "kind": entry.kind,
                "dtype": entry.dtype,
                "bytes": int(entry.bytes),
                "live": entry.live,
            }
            for entry in found.entries
        ],
        "error_bar_pct": round(error_bar_pct()["worst"], 1),
        "outside": outside,
        "notes": _notes(run, gpu),
    }
    if room is not None:
        outside.insert(
            0, {"name": "driver and CUDA context", "bytes": room.context_bytes, "basis": "assumed"}
        )
        space = room.usable_bytes
        fits = found.peak_bytes + slack <= space
        seconds = None if gpu is None else lambda r: _per_token(r, gpu)
        result |= {
            "gpu": room.name,
            "memory_bytes": room.bytes,
            "needed_bytes": found.peak_bytes + slack + room.context_bytes,
            "fits": fits,
            "headroom_bytes": space - slack - found.peak_bytes,
            "largest": {name: largest(run, name, space) for name in ("batch", "sequence")},
            "suggestions": [] if fits else [s.to_json() for s in suggestions(run, space, seconds)],
        }
    if gpu is not None:
        time = step_time(run, gpu)
        result["time"] = {
            "basis": "estimated: roofline",
            "step_s": time.total_s,
            "tokens_per_s": time.tokens_per_s,
            "parts_s": {
                item.name.removesuffix("_s"): getattr(time, item.name)
                for item in fields(time)
                if item.name.endswith("_s")
            },
        }
    return result


def _notes(run: Run, gpu: Gpu | None) -> list[str]:
    notes = [run.found.note] if run.found.note else []
    if run.sequence > run.model.context:
        notes.append(
            f"{run.sequence} tokens are more than the {run.model.context} that {run.model.name}"
            " was made for"
        )
    if gpu is not None and "no bfloat16" in gpu.note and run.dtype not in ("float16", "float32"):
        notes.append(f"{gpu.name} has no bfloat16: slower than estimated, if it runs")
    return notes


def _per_token(run: Run, gpu: Gpu) -> float:
    time = step_time(run, gpu)
    return time.total_s / time.tokens


def _settings(run: Run) -> dict[str, Any]:
    settings = {item.name: getattr(run, item.name) for item in fields(run) if item.name != "model"}
    return settings | {"rank": run.used_rank}


def by_kind(found: Ledger) -> dict[str, int]:
    """Bytes at the peak of each kind of tensor, activations together."""
    kinds: dict[str, int] = {}
    for entry in found.entries:
        if entry.live:
            kind = entry.kind.split(":")[0]
            kinds[kind] = kinds.get(kind, 0) + int(entry.bytes)
    return kinds


def timeline(run: Run) -> list[dict[str, Any]]:
    """The most that lives in each part of a step, by kind: each block forward, each backward."""
    plan = Plan(run)
    fixed = _kinds(plan.persistent)
    greatest: dict[str, tuple[int, dict[str, int]]] = {}
    for stage in stages(plan, every_block=True):
        part = stage.label.split(":")[0].removesuffix(", again forward")
        size = int(stage.bytes)
        if part not in greatest or greatest[part][0] < size:
            kinds = dict(fixed)
            for kind, more in _kinds(stage.entries()).items():
                kinds[kind] = kinds.get(kind, 0) + more
            greatest[part] = (size, kinds)
    return [{"part": part, "bytes": size, "kinds": k} for part, (size, k) in greatest.items()]


def _kinds(entries: Sequence[Entry]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for entry in entries:
        kind = entry.kind.split(":")[0]
        kinds[kind] = kinds.get(kind, 0) + int(entry.bytes)
    return kinds
