"""Many runs at once: every batch, sequence and rank of a method in one pass, by arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from consilico.sim.base.errors import UserError
from consilico.sim.memory.ledger import footprint, peak_bytes
from consilico.sim.memory.methods import find_method
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["MemorySweep", "largest", "sweep"]


@dataclass(frozen=True)
class MemorySweep:
    """Peaks of one method over batches, sequences and ranks."""

    run: TrainingRun
    batches: tuple[int, ...]
    sequences: tuple[int, ...]
    ranks: tuple[int, ...]
    peaks: np.ndarray[Any, np.dtype[np.float64]]  # bytes, [rank, sequence, batch]
    needed: np.ndarray[Any, np.dtype[np.float64]]  # the same with the allocator's slack

    def largest_batch(self, space: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the greatest of the batches that fit in ``space`` bytes, 0 where none does.

        Returns:
            Shape ``[rank, sequence]``.
        """
        fits = self.needed <= space
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
        base: What all runs have in common; its method, batch, sequence and rank do not matter.
        methods: Names of methods.
        batches: Sequences in a micro-batch.
        sequences: Tokens of a sequence.
        ranks: Ranks; 0 is a method's usual one. Methods without a rank take only the first.

    Raises:
        UserError: If a method is unknown or a number is not accepted.
    """
    for name, values in (("batch", batches), ("sequence", sequences), ("rank", ranks)):
        if not values:
            raise UserError(f"{name} must have at least one value")
        for value in values:
            changed: dict[str, Any] = {"method": "galore", name: value}
            replace(base, **changed)  # refuses what it does not accept
    found = []
    for method in dict.fromkeys(methods):
        run = replace(base, method=method, rank=0)
        used = list(ranks) if find_method(method).rank else [0]
        used = [rank or run.used_rank for rank in used]
        axes = [np.asarray(axis, dtype=np.float64) for axis in (used, sequences, batches)]
        rank, sequence, batch = np.meshgrid(*axes, indexing="ij")  # as floats: no overflow
        arrays = {"batch": batch, "sequence": sequence, "rank": rank}
        peaks, needed = (
            np.broadcast_to(size(run, **arrays), batch.shape) for size in (peak_bytes, footprint)
        )
        found.append(MemorySweep(run, tuple(batches), tuple(sequences), tuple(used), peaks, needed))
    return found


def largest(run: TrainingRun, field: str, space: int) -> int:
    """Return the greatest batch or sequence that fits, all else being as it is; 0 if none does.

    Args:
        run: The run.
        field: ``batch`` or ``sequence``.
        space: Bytes there are for tensors and the allocator's slack.
    """
    low, high = 0, 1 << 20
    if field == "sequence" and run.model.positions:
        high = run.model.context
    while high - low > 1:  # a whole grid at a time, by arrays
        grid = np.unique(np.geomspace(low + 1, high, 64).round())  # floats: no overflow
        fits = np.broadcast_to(footprint(run, **{field: grid}) <= space, grid.shape)
        if not fits[0]:
            return low
        last = int(np.flatnonzero(fits)[-1])
        if last + 1 == len(grid):
            return int(grid[last])
        low, high = int(grid[last]), int(grid[last + 1])
    return low
