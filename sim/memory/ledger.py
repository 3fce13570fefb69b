"""The ledger: every tensor of a training run, at every moment of a step."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from consilico.sim.memory.activations import Activations
from consilico.sim.memory.entry import Entry
from consilico.sim.memory.plan import Plan
from consilico.sim.memory.run import Run
from consilico.sim.memory.sizes import Size, most, total
from consilico.sim.memory.stage import Stage
from consilico.sim.memory.step import stages

__all__ = ["Ledger", "footprint", "ledger", "peak_bytes", "slack_bytes"]

_ROUNDING = 1 << 19
_LARGE = 1 << 20  # bytes above which a tensor comes from the allocator's large blocks


@dataclass(frozen=True)
class Ledger:
    """What a run holds on one GPU."""

    run: Run
    stages: tuple[Stage, ...]
    plan: Plan

    @cached_property
    def peak(self) -> Stage:
        """The stage that holds most."""
        return max(self.stages, key=lambda stage: stage.bytes)

    @property
    def peak_bytes(self) -> int:
        """Most bytes of tensors at any moment of a step, states being there already."""
        return int(self.peak.bytes)

    @property
    def peak_at(self) -> str:
        """When that is."""
        return self.peak.label

    @property
    def persistent_bytes(self) -> int:
        """What lives all the time."""
        return int(total(e.bytes for e in self.plan.persistent))

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All tensors that live at the peak, then those that do not, with the most they take."""
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
        """Bytes at the peak of the entries of these kinds."""
        return int(total(e.bytes for e in self.entries if e.live and e.kind in kinds))


def ledger(run: Run) -> Ledger:
    """The ledger of a run."""
    plan = Plan(run)
    return Ledger(run, tuple(stages(plan)), plan)


def slack_bytes(plan: Plan, act: Activations) -> Size:
    """What PyTorch's allocator is expected to lose by rounding: an estimate.

    It leaves up to 1 MiB on a block before it splits it: half of that for each large tensor.
    """
    kept = (
        [size for _, size in act.keeps.values()]
        if act.recomputes
        else [saved.bytes for saved in act.block.saved]
    )
    if plan.method.forward_only:
        kept = []
    count = total((size > _LARGE) * plan.arch.layers for size in kept)
    for entry in plan.persistent:
        count = count + (entry.bytes > _LARGE * entry.tensors) * entry.tensors
    return count * _ROUNDING


def footprint(run: Run, **arrays: Any) -> Size:
    """Bytes that a run needs for its tensors: the peak, and the allocator's slack.

    Args:
        run: As in :func:`peak_bytes`.
        arrays: As in :func:`peak_bytes`.
    """
    plan = Plan(run, **arrays)
    act = Activations(plan)
    return most(*(stage.bytes for stage in stages(plan, act))) + slack_bytes(plan, act)


def peak_bytes(run: Run, **arrays: Any) -> Size:
    """Peak of many runs at once.

    Args:
        run: What they have in common.
        arrays: ``batch``, ``sequence`` and ``rank`` as numpy arrays of one shape.
    """
    plan = Plan(run, **arrays)
    return most(*(stage.bytes for stage in stages(plan)))
