"""Run one training step of the real Hugging Face model on fake tensors, and account for its memory.

No weights are read and no GPU is needed: the tensors have shapes and no data. The step is the
second one, when the optimizer's states are there. What the tracker cannot see is what kernels
allocate and free inside, and what the allocator rounds up.
"""

import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from consilico.sim.base.errors import UserError
from consilico.sim.memory.account import Account, LedgerLine
from consilico.sim.memory.execution.accepted import check_executable
from consilico.sim.memory.execution.fake_step import fill_caches
from consilico.sim.memory.execution.gpu_kernels import GpuKernels
from consilico.sim.memory.execution.hf_model import ADAPTED, quietly, real_masks
from consilico.sim.memory.execution.hf_step import HuggingFaceTraining
from consilico.sim.memory.execution.memory_tracker import UNLABELLED, Allocation, MemoryTracker
from consilico.sim.memory.ledger import StepPart
from consilico.sim.memory.training_run import TrainingRun

__all__ = ["execute"]


def execute(run: TrainingRun, config: Any) -> Account:
    """Execute a step of a run on fake tensors.

    Args:
        run: How the model is trained.
        config: Its configuration, of ``transformers``.

    Returns:
        The account; its names are those of the model's own modules and parameters.

    Raises:
        UserError: If the libraries do not run it so.
    """
    check_executable(run)
    fill_caches()
    tracker = MemoryTracker()
    fake = FakeTensorMode(allow_non_fake_inputs=True)  # the code books of 8-bit states are real
    masks = nullcontext() if run.attention == "masked" else real_masks()
    with quietly(), masks, fake, tracker:
        with _convertible(fake):
            training = HuggingFaceTraining(run, config, "cpu", tracker, GpuKernels)
        try:
            training.make_states()
            tracker.restart()
            training.step()
        except Exception as error:  # each model and library fails in its own way
            raise UserError(_failure(run, training.model, error)) from error
        return _account(run, training, tracker)


def _failure(run: TrainingRun, model: nn.Module, error: Exception) -> str:
    """Say in one line which part of a model fails in a step that its library does not do."""
    places = {id(module): _collapsed(name) for name, module in model.named_modules()}
    owners = [f.f_locals.get("self") for f, _ in traceback.walk_tb(error.__traceback__)]
    failing = next((o for o in reversed(owners) if id(o) in places), model)
    where = f" in {place}" if (place := places[id(failing)]) else ""
    libraries = f"transformers {transformers.__version__}"
    advice = ""
    if run.method in ADAPTED:
        libraries += f", peft {version('peft')}"
        if hasattr(failing, "lora_A"):
            advice = "; targets must leave that layer out, such as --targets attention"
    first = (str(error).strip().splitlines() or [""])[0]
    return (
        f"{run.model.name} does not run so with {run.method} by {libraries}:"
        f" {type(error).__name__}{where}: {first}{advice}"
    )


@contextmanager
def _convertible(fake: FakeTensorMode) -> Iterator[None]:
    """Let modules with fake parameters be converted to another type.

    Torch swaps such a parameter for a new one, and refuses to where somebody has a weak reference
    to it; the mode itself has one to each tensor that it made without its cache.
    """
    swap, memo = torch.utils.swap_tensors, fake.fake_tensor_converter.meta_converter.tensor_memo

    def forgetting(first: Tensor, second: Tensor) -> None:
        memo.clear()
        swap(first, second)  # type: ignore[no-untyped-call]

    torch.utils.swap_tensors = forgetting
    try:
        yield
    finally:
        torch.utils.swap_tensors = swap


def _account(run: TrainingRun, training: HuggingFaceTraining, tracker: MemoryTracker) -> Account:
    """Sort what the tracker saw of a step."""
    named = _Names(run, training)
    live = _grouped(tracker.at_peak(), named)
    gone = _greatest(tracker.history, named, {key[0] for key in live})
    lines = [
        LedgerLine(name=name, kind=kind, dtype=dtype, bytes=size, live=alive)
        for found, alive in ((live, True), (gone, False))
        for (name, kind), (size, dtype) in sorted(found.items(), key=lambda item: -item[1][0])
        if size
    ]
    operation, module = tracker.peak_source[0], _collapsed(tracker.peak_source[1])
    where = f" in {module}" if module else ""
    return Account(
        peak_bytes=tracker.peak_bytes,
        peak_at=f"{tracker.peak_phase}: {_spoken(operation)}{where}",
        persistent_bytes=tracker.current_bytes,
        lines=tuple(lines),
        parts=tuple(
            StepPart(part=phase, bytes=size, kinds=_by_kind(tracker.at_phase_peak(phase), named))
            for phase, size in tracker.phase_peaks.items()
        ),
        parameters=training.parameter_count,
        basis=(
            f"executed: transformers {transformers.__version__}, torch {torch.__version__},"
            f" attention {training.attention}"
        ),
    )


@dataclass(frozen=True)
class _Names:
    """Says under which name and kind a storage is listed."""

    run: TrainingRun
    training: HuggingFaceTraining

    def of(self, a: Allocation) -> tuple[str, str]:
        """Return name and kind of a storage."""
        if a.category == _INPUTS:
            return a.name, f"activations: {_INPUTS}"
        if a.category != UNLABELLED:
            return _collapsed(a.name), a.category
        module = _collapsed(a.module)
        if a.phase.startswith("update") or a.phase.endswith("update"):
            return f"update: {_spoken(a.operation)}", "transients"
        of_weight = a.shape in self.training.shapes
        if self.run.autocast and of_weight and a.operation == _CONVERSION and not a.backward:
            return f"{module}: autocast copy of weight", "transients"
        if not a.backward:
            return module or "loss", f"activations: {_place(module)}"
        if self.run.accumulation > 1 and a.shape in self.training.trained_shapes:
            return f"{module}: gradient just made", "gradients"
        return f"{module or 'backward'}, backward", "activations: gradients of results"


_CONVERSION = "aten._to_copy.default"
_INPUTS = "inputs"
_WRAPPING = re.compile(r"^base_model(\.model)?(\.|$)")  # by peft
_NUMBER = re.compile(r"\.\d+(?=[.:]|$)")


def _collapsed(name: str) -> str:
    """Return a name of a module or parameter with one for all blocks, and without peft's wrapping.

    >>> _collapsed("base_model.model.model.layers.3.mlp.up_proj.lora_A.default.weight")
    'model.layers.*.mlp.up_proj.lora_A.weight'
    """
    name = _WRAPPING.sub("", name).replace(".default", "").replace(".base_layer", "")
    return _NUMBER.sub(".*", name)


def _place(module: str) -> str:
    """Return the part of the model that a module belongs to: of a block its own part."""
    _, star, inside = module.rpartition(".*.")
    if star:
        return inside.partition(".")[0]
    return "block" if module.endswith(".*") else module.rpartition(".")[2] or "loss"


def _spoken(operation: str) -> str:
    """Return an operation's name without its library and overload.

    >>> _spoken("aten._foreach_sqrt.default")
    'foreach_sqrt'
    """
    parts = operation.split(".")
    return (parts[1] if len(parts) > 1 else operation).strip("_")


def _grouped(
    allocations: Iterable[Allocation], named: _Names
) -> dict[tuple[str, str], tuple[int, str]]:
    """Add up storages by name and kind; the type is empty where it differs among them."""
    found: dict[tuple[str, str], tuple[int, str]] = {}
    for a in allocations:
        key = named.of(a)
        size, dtype = found.get(key, (0, a.dtype))
        found[key] = (size + a.bytes, dtype if dtype == a.dtype else "")
    return found


def _greatest(
    history: Iterable[Allocation], named: _Names, without: set[str]
) -> dict[tuple[str, str], tuple[int, str]]:
    """Return the most that storages of each name ever take, but for some names."""
    changes: dict[tuple[str, str], list[tuple[int, int]]] = {}
    types: dict[tuple[str, str], set[str]] = {}
    for a in history:
        key = named.of(a)
        if key[0] not in without:
            changes.setdefault(key, []).append((a.born, a.bytes))
            types.setdefault(key, set()).add(a.dtype)
            if a.died is not None:
                changes[key].append((a.died, -a.bytes))
    found = {}
    for key, steps in changes.items():
        most = current = 0
        for _, change in sorted(steps):  # of one moment what is freed comes first
            current += change
            most = max(most, current)
        found[key] = (most, types[key].pop() if len(types[key]) == 1 else "")
    return found


def _by_kind(allocations: Iterable[Allocation], named: _Names) -> Mapping[str, int]:
    """Add up storages by kind, activations together."""
    kinds: dict[str, int] = {}
    for a in allocations:
        kind = named.of(a)[1].partition(":")[0]
        kinds[kind] = kinds.get(kind, 0) + a.bytes
    return kinds
