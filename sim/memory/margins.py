"""Memory that a run needs of a GPU, as an interval, and the verdict that follows.

Needed are the peak of the tensors with the workspaces of the matrix library, the context of driver
and CUDA, and what PyTorch's allocator holds in addition. Each has a spread, taken from measured
runs: that of the peak from runs of the same class (:mod:`consilico.sim.memory.evidence.peaks`),
that of the context from reports (``gpus.toml``), that of the allocator from what runs reserved
(:mod:`consilico.sim.memory.evidence.allocator`). The three have nothing to do with each other, so
their distances from the likely value add up as squares.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval
from consilico.sim.memory.entries import Size
from consilico.sim.memory.evidence.allocator import fragmentation
from consilico.sim.memory.evidence.peaks import class_of, peak_spread
from consilico.sim.memory.gpus import GpuMemory, workspaces
from consilico.sim.memory.ledger import peak_and_persistent
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["DOES_NOT_FIT", "FITS", "TIGHT", "NeededBytes", "NeededMemory", "needed_memory"]

FITS, TIGHT, DOES_NOT_FIT = "fits", "tight", "does not fit"


@dataclass(frozen=True, kw_only=True)
class NeededBytes(Facts):
    """Bytes that a run needs, and the bounds between which it may need them."""

    low: int
    value: int
    high: int

    def verdict(self, memory_bytes: int) -> str:
        """Return whether the run fits a memory: tight where its size lies between the bounds."""
        if memory_bytes < self.low:
            return DOES_NOT_FIT
        return FITS if self.high <= memory_bytes else TIGHT


@dataclass(frozen=True)
class NeededMemory:
    """Needed bytes of one run, or of many: then each size is an array."""

    peak: Size  # of the tensors, by the ledger, and of workspaces
    persistent: Size  # of those that live through the whole step
    spread: Interval  # of real peaks relative to the ledger's
    context: Interval  # bytes
    fragmentation: Interval  # relative to what comes and goes in a step

    @classmethod
    def of(
        cls, run: TrainingRun, memory: GpuMemory, peak: Size, persistent: Size
    ) -> "NeededMemory":
        """Return what runs of the class of ``run`` need, from the sizes that the ledger gives."""
        spread = peak_spread(class_of(run))
        forward_only = run.method_description.forward_only
        more = workspaces(memory.workspace_bytes, forward_only=forward_only)
        return cls(peak + more, persistent + more, spread, memory.context, fragmentation())

    @property
    def value(self) -> Size:
        """Return what is needed as far as one can tell."""
        return self.peak + self.context.value + self.allocator

    @property
    def low(self) -> Size:
        """Return the least that has to be counted with."""
        parts = (
            (1 - self.spread.low) * self.peak,
            self.context.value - self.context.low,
            (self.fragmentation.value - self.fragmentation.low) * self.passing,
        )
        return self.value - _together(parts)

    @property
    def high(self) -> Size:
        """Return what about nine of ten runs do not exceed."""
        more = self.fragmentation.high - self.fragmentation.value
        return self.value + _together((*self._above, more * self.passing))

    @property
    def unfragmented(self) -> Size:
        """Return the same bound for an allocator that loses nothing: with expandable segments."""
        return self.peak + self.context.value + _together(self._above)

    @property
    def _above(self) -> tuple[Size, Size]:
        """Return how far peak and context may lie above what is likely."""
        return (self.spread.high - 1) * self.peak, self.context.high - self.context.value

    @property
    def passing(self) -> Size:
        """Return the bytes of tensors at the peak that come and go in a step."""
        return self.peak - self.persistent

    @property
    def allocator(self) -> Size:
        """Return what the allocator is likely to hold in addition to the tensors."""
        return self.fragmentation.value * self.passing

    def verdicts(self, memory_bytes: int) -> Any:
        """Return the verdict of every run, an array of text, where the sizes are arrays."""
        tight = np.where(self.high <= memory_bytes, FITS, TIGHT)
        return np.where(self.low > memory_bytes, DOES_NOT_FIT, tight)

    def in_bytes(self) -> NeededBytes:
        """Return whole bytes, of a single run."""
        return NeededBytes(low=int(self.low), value=int(self.value), high=int(self.high))


def _together(distances: Iterable[Size]) -> Size:
    """Return the distance that independent distances add up to."""
    return sum(distance**2 for distance in distances) ** 0.5


def needed_memory(run: TrainingRun, memory: GpuMemory, **arrays: Any) -> NeededMemory:
    """Return what a run needs of a GPU's memory, or what many runs need.

    Args:
        run: The run, or what the runs have in common.
        memory: The memory of the GPU.
        arrays: As in :func:`consilico.sim.memory.ledger.peak_bytes`.
    """
    return NeededMemory.of(run, memory, *peak_and_persistent(run, **arrays))
