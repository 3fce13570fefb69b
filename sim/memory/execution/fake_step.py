"""Peak memory of a training step at full size, without its memory: fake tensors, real program.

The project's own optimizers train a LLaMA whose tensors have shapes and no data, while a tracker
follows every allocation. ``python -m consilico.sim.memory.execution.fake_table`` is the command.

The tensors are fake CPU tensors, even where a GPU is meant: in a build of torch without CUDA,
autograd ends the process at the first fake CUDA tensor. Operations return the same tensors on
both, and fused attention keeps its log-sums on both. The tracker does not see what a kernel
allocates inside, such as the copy and the workspace of a singular value decomposition or the
64-bit copy of a 32-bit index, nor what an allocator rounds up.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from consilico.golden.training.moments import quantize_blockwise
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.execution.memory_tracker import Allocation, MemoryTracker
from consilico.sim.memory.execution.training_step import LlamaTraining, TrainingSetup

__all__ = ["EqualTensors", "TrackedStep", "fill_caches", "track", "track_fake"]

_LARGEST = 16  # groups of equal tensors that a result names


@dataclass(frozen=True, kw_only=True)
class EqualTensors:
    """Tensors of one kind, type and shape that lived at a peak."""

    category: str  # weights, gradients, states, projections, or rest
    phase: str  # in which they were made
    operation: str  # that made them
    dtype: str
    shape: tuple[int, ...]
    count: int
    bytes: int  # of all of them


@dataclass(frozen=True, kw_only=True)
class TrackedStep:
    """Bytes of a step after the first, which neither creates states nor renews a subspace."""

    peak_bytes: int
    peak_phase: str  # forward, loss, backward or update
    persistent_bytes: int  # after the step, gradients freed; the tokens are among them
    phases: dict[str, int]  # the peak of each phase, in bytes
    categories: dict[str, int]  # what the peak is made of, in bytes
    largest: tuple[EqualTensors, ...]  # the same by equal tensors, without weights, largest first
    peak_first_bytes: int  # of the first step, which creates the states
    peak_renewal_bytes: int | None  # of a later step that renews every subspace; None: has none
    renewal_phase: str | None
    renewal_largest: tuple[EqualTensors, ...]  # as ``largest``, of the step that renews
    seconds: float  # that the tracking took


def track_fake(
    arch: Architecture, setup: TrainingSetup, steps: int = 2, granule: int = 1
) -> TrackedStep:
    """Track steps on fake tensors, which take no memory; arguments are those of :func:`track`."""
    fill_caches()
    # the code books are real; all else is made here
    with FakeTensorMode(allow_non_fake_inputs=True):
        return track(arch, setup, steps, granule)


def track(
    arch: Architecture, setup: TrainingSetup, steps: int = 2, granule: int = 1
) -> TrackedStep:
    """Track steps on tensors of the mode that is active, real ones if there is none.

    Args:
        arch: Shape of the model, LLaMA-like.
        setup: How it is trained.
        steps: Number of steps without renewal, the first one included; the last is reported.
        granule: Bytes that the size of each storage is rounded up to, as in :class:`MemoryTracker`.

    Raises:
        ValueError: If ``steps`` is below 2, or the model is not LLaMA-like.
    """
    if steps < 2:
        raise ValueError(f"steps must be at least 2, as the first creates the states, not {steps}")
    start = time.perf_counter()
    with MemoryTracker(granule) as tracker:
        training = LlamaTraining(arch, setup, "cpu", tracker)
        first = _peak(training, tracker)
        for _ in range(steps - 1):
            _peak(training, tracker)
        peak, phase, phases = tracker.peak_bytes, tracker.peak_phase, tracker.phase_peaks
        persistent, alive = tracker.current_bytes, tracker.at_peak()
        renewal = _peak(training, tracker) if training.renew_next() else None
        renewal_phase = tracker.peak_phase if renewal is not None else None
        renewal_alive = tracker.at_peak() if renewal is not None else []
    categories: Counter[str] = Counter()
    for allocation in alive:
        categories[allocation.category] += allocation.bytes
    return TrackedStep(
        peak_bytes=peak,
        peak_phase=phase,
        persistent_bytes=persistent,
        phases=phases,
        categories=dict(categories),
        largest=_largest(alive),
        peak_first_bytes=first,
        peak_renewal_bytes=renewal,
        renewal_phase=renewal_phase,
        renewal_largest=_largest(renewal_alive),
        seconds=time.perf_counter() - start,
    )


def _peak(training: LlamaTraining, tracker: MemoryTracker) -> int:
    """Run one step and return the most bytes that lived during it."""
    tracker.restart()
    training.step()
    return tracker.peak_bytes


def _largest(alive: Sequence[Allocation]) -> tuple[EqualTensors, ...]:
    """Put equal allocations together and return the largest groups, weights left out."""
    groups: dict[tuple[str, str, str, str, tuple[int, ...]], list[int]] = {}
    for a in alive:
        if a.category != "weights":
            key = (a.category, a.phase, a.operation, a.dtype, a.shape)
            groups.setdefault(key, []).append(a.bytes)
    ordered = sorted(groups.items(), key=lambda item: -sum(item[1]))
    return tuple(
        EqualTensors(
            category=category,
            phase=phase,
            operation=operation,
            dtype=dtype,
            shape=shape,
            count=len(sizes),
            bytes=sum(sizes),
        )
        for (category, phase, operation, dtype, shape), sizes in ordered[:_LARGEST]
    )


def fill_caches() -> None:
    """Make the code books of 8-bit states now, of real tensors.

    They are made once per process: fake ones would stay and break every later real run.
    """
    for signed in (False, True):
        quantize_blockwise(torch.ones(1), signed=signed)
