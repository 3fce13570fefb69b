"""The ledger: every tensor of a training run, at every moment of a step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.memory.entries import Entry, Size, Stage, most, total
from consilico.sim.memory.step import stages
from consilico.sim.memory.tensor_plan import TensorPlan
from consilico.sim.memory.training_run import TrainingRun

__all__ = [
    "Ledger",
    "StepPart",
    "by_kind",
    "ledger",
    "peak_and_persistent",
    "peak_bytes",
    "timeline",
]


@dataclass(frozen=True)
class Ledger:
    """Every tensor that a run holds on one GPU, with its bytes and its lifetime."""

    run: TrainingRun
    stages: tuple[Stage, ...]
    plan: TensorPlan

    @cached_property
    def peak(self) -> Stage:
        """Return the moment at which most is held."""
        return max(self.stages, key=lambda stage: stage.bytes)

    @property
    def peak_bytes(self) -> int:
        """Return the most bytes of tensors at any moment of a step that finds its states made."""
        return int(self.peak.bytes)

    @property
    def peak_at(self) -> str:
        """Return the label of that moment."""
        return self.peak.label

    @property
    def persistent_bytes(self) -> int:
        """Return the bytes of tensors that live through the whole step."""
        return int(total(e.bytes for e in self.plan.persistent))

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Return the tensors that live at the peak, then the others with the most they take."""
        alive = [*self.plan.persistent, *self.peak.entries()]
        names = {entry.name for entry in alive}
        others: dict[str, Entry] = {}
        for stage in self.stages:
            for entry in stage.entries():
                known = others.get(entry.name)
                if entry.name not in names and (known is None or known.bytes < entry.bytes):
                    others[entry.name] = entry
        return (
            *(e for e in alive if e.bytes),
            *(e.gone() for e in others.values() if e.bytes),
        )

    def bytes_of(self, *kinds: str) -> int:
        """Return the bytes at the peak of the entries of these kinds."""
        return int(total(e.bytes for e in self.entries if e.live and e.kind in kinds))


def ledger(run: TrainingRun) -> Ledger:
    """Return the ledger of a run."""
    plan = TensorPlan(run)
    return Ledger(run, tuple(stages(plan)), plan)


def peak_and_persistent(run: TrainingRun, **arrays: Any) -> tuple[Size, Size]:
    """Return the peak of a run's tensors, and the bytes that live through the whole step.

    Args:
        run: As in :func:`peak_bytes`.
        arrays: As in :func:`peak_bytes`.
    """
    plan = TensorPlan(run, **arrays)
    return most(*(stage.bytes for stage in stages(plan))), plan.fixed


def peak_bytes(run: TrainingRun, **arrays: Any) -> Size:
    """Return the peaks of many runs at once.

    Args:
        run: What the runs have in common.
        arrays: ``batch``, ``sequence`` and ``rank`` as NumPy arrays of one shape; the result has
        it.
    """
    return peak_and_persistent(run, **arrays)[0]


def by_kind(found: Ledger) -> dict[str, int]:
    """Return the bytes at the peak of each kind of tensor, activations together."""
    return _by_kind(entry for entry in found.entries if entry.live)


@dataclass(frozen=True, kw_only=True)
class StepPart(Facts):
    """A part of a step, such as the forward pass of one block, at the moment that holds most."""

    part: str
    bytes: int
    kinds: Mapping[str, int]  # the same by kind of tensor; activations are one kind


def timeline(run: TrainingRun) -> list[StepPart]:
    """Return the parts of a step in their order: each block forward, the loss, each block back."""
    plan = TensorPlan(run)
    fixed = _by_kind(plan.persistent)
    greatest: dict[str, StepPart] = {}
    for stage in stages(plan, every_block=True):
        part = stage.label.split(":")[0].removesuffix(", again forward")
        size = int(stage.bytes)
        if part not in greatest or greatest[part].bytes < size:
            kinds = _added(fixed, _by_kind(stage.entries()))
            greatest[part] = StepPart(part=part, bytes=size, kinds=kinds)
    return list(greatest.values())


def _by_kind(entries: Iterable[Entry]) -> dict[str, int]:
    """Add up bytes by the kind of tensor, activations together."""
    kinds: dict[str, int] = {}
    for entry in entries:
        kind = entry.kind.split(":")[0]
        kinds[kind] = kinds.get(kind, 0) + int(entry.bytes)
    return kinds


def _added(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    """Add two sums by kind; the order is that of first appearance."""
    return {kind: first.get(kind, 0) + second.get(kind, 0) for kind in {**first, **second}}
