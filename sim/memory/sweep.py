"""Many runs at once: every batch, sequence and rank of a method in one pass, by arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.memory.gpus import GpuMemory
from consilico.sim.memory.idle_settings import idle_settings
from consilico.sim.memory.ledger import peak_and_persistent
from consilico.sim.memory.margins import NeededMemory, needed_memory
from consilico.sim.memory.methods import find_method
from consilico.sim.memory.settings import Settings
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["MOST_CONFIGURATIONS", "MemorySweep", "largest", "sweep"]

MOST_CONFIGURATIONS = 1 << 20
"""Configurations of one sweep: as many take about a minute."""

Sizes = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class MemorySweep:
    """Peaks of one method over batches, sequences and ranks."""

    run: TrainingRun
    batches: tuple[int, ...]
    sequences: tuple[int, ...]
    ranks: tuple[int, ...]
    peaks: Sizes  # bytes, [rank, sequence, batch]
    persistent: Sizes  # bytes that live through the whole step, likewise

    def needed(self, memory: GpuMemory) -> NeededMemory:
        """Return what every run needs of a GPU's memory."""
        return NeededMemory.of(self.run, memory, self.peaks, self.persistent)

    def largest_batch(self, memory: GpuMemory) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the greatest of the batches that fit a memory, 0 where none does.

        Returns:
            Shape ``[rank, sequence]``.
        """
        fits = self.needed(memory).high <= memory.bytes
        sizes = np.asarray(self.batches)
        largest: np.ndarray[Any, np.dtype[np.int64]] = np.where(fits, sizes, 0).max(axis=2)
        return largest

    @property
    def count(self) -> int:
        """Return the number of configurations."""
        return int(self.peaks.size)


def sweep(
    base: TrainingRun,
    methods: Sequence[str],
    batches: Sequence[int],
    sequences: Sequence[int],
    ranks: Sequence[int] = (0,),
) -> list[MemorySweep]:
    """Return the peaks of all combinations, one sweep for each method.

    Args:
        base: What all runs have in common, where it does anything for a method; its own method,
            batch, sequence and rank do not matter.
        methods: Names of methods.
        batches: Sequences in a micro-batch.
        sequences: Tokens of a sequence.
        ranks: Ranks; 0 is a method's usual one. Methods without a rank take only the first.

    Raises:
        UserError: If a method is unknown, a number is not accepted, or there are more than
            :data:`MOST_CONFIGURATIONS`.
    """
    names = list(dict.fromkeys(methods))
    count = sum(
        len(batches) * len(sequences) * (len(ranks) if find_method(name).rank else 1)
        for name in names
    )
    if count > MOST_CONFIGURATIONS:
        raise UserError(
            f"a sweep must have at most {MOST_CONFIGURATIONS:,} configurations, not {count:,}"
            f" ({len(names)} methods, {len(batches):,} batches, {len(sequences):,} sequences,"
            f" {len(ranks):,} ranks); a range takes a step, such as 1..64..8"
        )
    for name, values in (("batch", batches), ("sequence", sequences), ("rank", ranks)):
        if not values:
            raise UserError(f"{name} must have at least one value")
        for value in values:
            changed: dict[str, Any] = {"method": "galore", name: value}
            replace(base, **changed)  # refuses what it does not accept
    found = []
    for method in names:
        idle = idle_settings(find_method(method), base.kernel)
        changes: dict[str, Any] = {
            name: Settings.__dataclass_fields__[name].default for name in idle
        }
        run = replace(base, **{**changes, "method": method, "rank": 0})
        used = list(ranks) if find_method(method).rank else [0]
        used = [rank or run.used_rank for rank in used]
        axes = [np.asarray(axis, dtype=np.float64) for axis in (used, sequences, batches)]
        rank, sequence, batch = np.meshgrid(*axes, indexing="ij")  # as floats: no overflow
        arrays = {"batch": batch, "sequence": sequence, "rank": rank}
        peaks, persistent = (
            np.broadcast_to(size, batch.shape) for size in peak_and_persistent(run, **arrays)
        )
        axes_used = (tuple(batches), tuple(sequences), tuple(used))
        found.append(MemorySweep(run, *axes_used, peaks, persistent))
    return found


def largest(run: TrainingRun, field: str, memory: GpuMemory) -> int:
    """Return the greatest batch or sequence that fits, all else being as it is; 0 if none does.

    Args:
        run: The run.
        field: ``batch`` or ``sequence``.
        memory: The memory that it is to fit.
    """
    low, high = 0, 1 << 20
    if field == "sequence" and run.model.positions:
        high = run.model.context
    while high - low > 1:  # a whole grid at a time, by arrays
        grid = np.unique(np.geomspace(low + 1, high, 64).round())  # floats: no overflow
        needed = needed_memory(run, memory, **{field: grid})
        fits = np.broadcast_to(needed.high <= memory.bytes, grid.shape)
        if not fits[0]:
            return low
        last = int(np.flatnonzero(fits)[-1])
        if last + 1 == len(grid):
            return int(grid[last])
        low, high = int(grid[last]), int(grid[last + 1])
    return low
