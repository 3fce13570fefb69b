"""Peak memory of a training step at full size, without its memory: fake tensors, real program.

``python -m consilico.sim.memory.execution.fake_step --model llama-7b --method q-galore`` runs our
own optimisers on a LLaMA whose tensors have shapes and no data, follows every allocation and prints
a line of JSON.

The tensors are fake CPU tensors, also where a GPU is meant: in a build of torch without CUDA,
autograd ends the process at the first fake CUDA tensor. What operations return is the same on both;
fused attention keeps its logarithms of sums on both. Not seen is what kernels allocate inside, such
as the copy and the workspace of a singular value decomposition or the 64-bit copy of a 32-bit
index, nor what an allocator rounds up.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from consilico.golden.training.moments import quantize_blockwise
from consilico.sim.base.errors import UserError
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.execution.llama import ATTENTION, CHECKPOINTING
from consilico.sim.memory.execution.memory_tracker import Allocation, MemoryTracker
from consilico.sim.memory.execution.training_step import DTYPES, METHODS, Setup, Training
from consilico.sim.memory.presets import find_model

__all__ = ["Group", "TrackedStep", "main", "track", "track_fake", "tracked_step"]

_LARGEST = 16  # groups of equal tensors to name


@dataclass(frozen=True, kw_only=True)
class Group:
    """Equal tensors that lived at a peak."""

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
    phases: dict[str, int]  # the peak of each phase
    categories: dict[str, int]  # what the peak is made of
    largest: tuple[Group, ...]  # the same by equal tensors, without weights, largest first
    peak_first_bytes: int  # of the first step, which creates the states
    peak_renewal_bytes: int | None  # of a later step that renews every subspace; None: has none
    renewal_phase: str | None
    renewal_largest: tuple[Group, ...]  # as largest, of the step that renews
    seconds: float  # that the tracking took


def tracked_step(
    arch: Architecture,
    *,
    method: str,
    dtype: str = "bfloat16",
    batch: int = 1,
    sequence: int = 256,
    rank: int = 1024,
    group: int = 256,
    checkpointing: str = "none",
    attention: str = "fused",
    per_layer: bool = False,
    steps: int = 2,
) -> TrackedStep:
    """Track steps of a method, on fake tensors.

    Args:
        arch: Shape of the model, LLaMA-like.
        method: One of :data:`METHODS`; the other arguments are as in :class:`Setup`.
        dtype: Of weights and activations.
        batch: Sequences.
        sequence: Tokens of each.
        rank: Of projected gradients or adapters.
        group: Elements of a group of INT8 weights and INT4 projections.
        checkpointing: As in :class:`consilico.sim.memory.execution.llama.Llama`.
        attention: As in :class:`consilico.sim.memory.execution.llama.Llama`.
        per_layer: Update inside the backward pass.
        steps: Without renewal, the first included; the last of them is reported.

    Raises:
        ValueError: If an argument is out of its range, or the model is not LLaMA-like.
    """
    setup = Setup(
        method=method,
        dtype=dtype,
        batch=batch,
        sequence=sequence,
        rank=rank,
        group=group,
        checkpointing=checkpointing,
        attention=attention,
        per_layer=per_layer,
    )
    return track_fake(arch, setup, steps)


def track_fake(arch: Architecture, setup: Setup, steps: int = 2, granule: int = 1) -> TrackedStep:
    """As :func:`track`, on fake tensors."""
    _fill_caches()
    # the code books are real; all else is made here
    with FakeTensorMode(allow_non_fake_inputs=True):
        return track(arch, setup, steps, granule)


def track(arch: Architecture, setup: Setup, steps: int = 2, granule: int = 1) -> TrackedStep:
    """Track steps on tensors of the mode that is active, real ones if there is none.

    Args:
        arch: Shape of the model.
        setup: How to train it.
        steps: As in :func:`tracked_step`.
        granule: As in :class:`MemoryTracker`.

    Raises:
        ValueError: If ``steps`` is below 2, or the model is not LLaMA-like.
    """
    if steps < 2:
        raise ValueError(f"steps must be at least 2, as the first creates the states, not {steps}")
    start = time.perf_counter()
    with MemoryTracker(granule) as tracker:
        training = Training(arch, setup, "cpu", tracker)
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


def _peak(training: Training, tracker: MemoryTracker) -> int:
    tracker.restart()
    training.step()
    return tracker.peak_bytes


def _largest(alive: Sequence[Allocation]) -> tuple[Group, ...]:
    groups: dict[tuple[str, str, str, str, tuple[int, ...]], list[int]] = {}
    for a in alive:
        if a.category != "weights":
            key = (a.category, a.phase, a.operation, a.dtype, a.shape)
            groups.setdefault(key, []).append(a.bytes)
    ordered = sorted(groups.items(), key=lambda item: -sum(item[1]))
    return tuple(
        Group(
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


def _fill_caches() -> None:
    """Let the code books of 8-bit states be made now, of real tensors.

    They are made once in a process: fake ones would stay, and break every later real run.
    """
    for signed in (False, True):
        quantize_blockwise(torch.ones(1), signed=signed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the module; returns the exit status."""
    parser = argparse.ArgumentParser(description="peak memory of a training step, tracked")
    parser.add_argument("--model", default="llama-7b", help="a built-in name or a config.json")
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16")
    parser.add_argument("--batch", type=int, default=1, help="sequences")
    parser.add_argument("--sequence", type=int, default=256, help="tokens of each")
    parser.add_argument("--rank", type=int, default=1024)
    parser.add_argument("--group", type=int, default=256, help="elements of a quantised group")
    parser.add_argument("--checkpointing", choices=CHECKPOINTING, default="none")
    parser.add_argument("--attention", choices=ATTENTION, default="fused")
    parser.add_argument("--per-layer", action="store_true", help="update inside the backward pass")
    parser.add_argument("--steps", type=int, default=2)
    options = vars(parser.parse_args(arguments))
    try:
        step = tracked_step(find_model(options.pop("model")), **options)
    except (UserError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(asdict(step)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
