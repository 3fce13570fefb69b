"""A training step of a LLaMA by our own optimisers: one program, on real tensors or fake ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from consilico.golden.training.method import Method
from consilico.golden.training.qgalore import QGaLore
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.execution.llama import Llama
from consilico.sim.memory.execution.lora import add_lora
from consilico.sim.memory.execution.memory_tracker import MemoryTracker

__all__ = ["DTYPES", "METHODS", "TARGETS", "Setup", "Training"]

_LOW_RANK = ("galore", "galore-8bit", "q-galore")
_TORCH = ("adamw-torch-foreach", "adamw-torch-loop")
METHODS = ("adamw", *_TORCH, "lora", *_LOW_RANK)
"""Ours, but for AdamW of torch itself, with all parameters at once or one after the other."""

DTYPES = ("float32", "bfloat16")
TARGETS = ("query", "key", "value", "output", "gate", "up", "down")
"""Layers that get LoRA's adapters: all matrices of a block."""

_LEARNING_RATE = 1e-3  # no effect on memory


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A training step but for the model."""

    method: str  # one of METHODS
    dtype: str = "bfloat16"  # of weights and activations, one of DTYPES
    batch: int = 1  # sequences
    sequence: int = 256  # tokens of each
    rank: int = 1024  # of projected gradients, or of LoRA's adapters
    group: int = 256  # elements of a group of INT8 weights and INT4 projections
    checkpointing: str = "none"  # as in Llama
    attention: str = "fused"  # as in Llama
    per_layer: bool = False  # update and free each gradient inside the backward pass

    def __post_init__(self) -> None:
        for name, accepted in (("method", METHODS), ("dtype", DTYPES)):
            if getattr(self, name) not in accepted:
                raise ValueError(f"{name} must be one of {accepted}, not {getattr(self, name)!r}")
        for name in ("batch", "sequence", "rank"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)!r}")
        if self.method == "q-galore" and self.dtype != "float32":
            raise ValueError(f"dtype must be float32 with INT8 weights, not {self.dtype!r}")
        if self.per_layer and self.method in _TORCH:
            raise ValueError(f"per_layer must be false with {self.method}: it has no such update")


class Training:
    """A model and its optimiser, which do one step after the other on random tokens."""

    def __init__(
        self, arch: Architecture, setup: Setup, device: str, tracker: MemoryTracker | None = None
    ) -> None:
        """Make both.

        Args:
            arch: Shape of the model.
            setup: How to train it.
            device: Where, such as ``cpu``.
            tracker: Is told the phases, and which tensors are weights, gradients and states.
        """
        self._tracker = tracker
        self.model = Llama(
            arch,
            dtype=getattr(torch, setup.dtype),
            attention=setup.attention,
            checkpointing=setup.checkpointing,
            device=device,
        )
        self.tokens = torch.randint(arch.vocab, (setup.batch, setup.sequence), device=device)
        lora = setup.method == "lora"
        trained = add_lora(self.model, setup.rank, TARGETS) if lora else self.model
        self.optimiser = _optimiser(trained, setup)
        self.model.head.register_forward_pre_hook(lambda *_: self._enter("loss"))
        if setup.per_layer:
            # hooks run in the order of their registration: the update stands between ours
            _hook(trained, self._before_update)
            self.optimiser.fuse()
            _hook(trained, lambda _: self._enter("backward"))
        self._per_layer = setup.per_layer
        if tracker is not None:
            tracker.label([*self.model.parameters(), *self.model.buffers()], "weights")

    def step(self) -> None:
        """One step; afterwards no gradient is left."""
        self._enter("forward")
        output = self.model(self.tokens, self.tokens)
        self._enter("backward")
        output.loss.backward()
        del output  # until here it keeps the logits
        if not self._per_layer:
            if self._tracker is not None:
                gradients = (p.grad for p in self.model.parameters())
                self._tracker.label((g for g in gradients if g is not None), "gradients")
            self._enter("update")
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
        if self._tracker is not None:
            for category, tensor in _states(self.optimiser):
                self._tracker.label([tensor], category)

    def renew_next(self) -> bool:
        """Let the next step renew every subspace; whether there is any."""
        subspaces = [s["subspace"] for s in self.optimiser.state.values() if "subspace" in s]
        for subspace in subspaces:
            subspace.gap = 1
        return bool(subspaces)

    def _enter(self, phase: str) -> None:
        if self._tracker is not None:
            self._tracker.phase = phase

    def _before_update(self, parameter: Tensor) -> None:
        if self._tracker is not None and parameter.grad is not None:
            self._tracker.label([parameter.grad], "gradients")
        self._enter("update")


def _hook(model: nn.Module, hook: Callable[[Tensor], None]) -> None:
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]


def _optimiser(trained: nn.Module, setup: Setup) -> Any:
    if setup.method in _TORCH:
        foreach = setup.method == "adamw-torch-foreach"
        return torch.optim.AdamW(trained.parameters(), lr=_LEARNING_RATE, foreach=foreach)
    low, full_q = setup.method in _LOW_RANK, setup.method == "q-galore"
    method = Method(
        states=8 if setup.method in ("galore-8bit", "q-galore") else 32,
        rank=setup.rank if low else 0,
        projection=4 if full_q else 32,
        lazy=full_q,
        weights=8 if full_q else 32,
        group=setup.group,
    )
    keep = () if setup.method == "lora" else ("head",)
    return QGaLore(trained, method, lr=_LEARNING_RATE, keep=keep)


def _states(optimiser: Any) -> Iterator[tuple[str, Tensor]]:
    """Tensors of the optimiser's state with their category."""
    for state in optimiser.state.values():
        for name, value in state.items():
            category = "projections" if name == "subspace" else "states"
            yield from ((category, tensor) for tensor in _tensors(value))


def _tensors(value: Any) -> Iterator[Tensor]:
    """Tensors that an object holds, directly or in objects of the golden models."""
    if isinstance(value, Tensor):
        yield value
    elif hasattr(value, "__dict__"):
        for inner in vars(value).values():
            yield from _tensors(inner)
