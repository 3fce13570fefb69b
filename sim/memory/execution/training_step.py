"""A training step of a LLaMA by our own optimizers: one program, on real or fake tensors."""

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from consilico.golden.config import Config, choice, integer
from consilico.golden.training.int8_linear import quantize_linears
from consilico.golden.training.method import Method
from consilico.golden.training.parameter_groups import parameter_groups
from consilico.golden.training.qgalore import QGaLore
from consilico.sim.memory.architecture import Architecture
from consilico.sim.memory.execution.llama import ATTENTION, CHECKPOINTING, Llama
from consilico.sim.memory.execution.memory_tracker import MemoryTracker, tensors_in

__all__ = [
    "DTYPES",
    "EXECUTED_METHODS",
    "TARGETS",
    "LlamaTraining",
    "LoraLinear",
    "TrainingSetup",
    "add_lora",
]

_LOW_RANK = ("galore", "galore-8bit", "q-galore")
_TORCH = ("adamw-torch-foreach", "adamw-torch-loop")
EXECUTED_METHODS = ("adamw", *_TORCH, "lora", *_LOW_RANK)
"""Our own methods, and AdamW of torch with all parameters at once or one after the other."""

DTYPES = ("float32", "bfloat16")
TARGETS = ("query", "key", "value", "output", "gate", "up", "down")
"""Layers that get LoRA's adapters: all matrices of a block."""

_LEARNING_RATE = 1e-3  # no effect on memory


class LoraLinear(nn.Module):
    """A frozen linear layer with a low-rank adapter: ``base(x) + b(a(x)) * scaling``.

    LoRA, arXiv 2106.09685, as peft makes it, without dropout. The adapter has the base layer's data
    type. (peft keeps it in float32 next to a bfloat16 layer unless it gets
    ``autocast_adapter_dtype=False``.)
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        """Wrap a layer; the result starts as the base layer, as ``b`` is zero."""
        super().__init__()
        weight = base.weight
        weight.requires_grad_(False)
        self.base = base
        self.a = nn.Linear(
            base.in_features, rank, bias=False, dtype=weight.dtype, device=weight.device
        )
        self.b = nn.Linear(
            rank, base.out_features, bias=False, dtype=weight.dtype, device=weight.device
        )
        nn.init.kaiming_uniform_(self.a.weight, a=math.sqrt(5))
        nn.init.zeros_(self.b.weight)
        self._scaling = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., inputs)`` to ``(..., outputs)``."""
        result: Tensor = self.base(x)
        result = result + self.b(self.a(x)) * self._scaling
        return result


def add_lora(
    model: nn.Module, rank: int, targets: Collection[str], alpha: float = 16.0
) -> nn.ModuleList:
    """Freeze a model and give some of its linear layers adapters, in place.

    Args:
        model: The model.
        rank: Rank of every adapter.
        targets: Last parts of the names of the layers, such as ``query``.
        alpha: The result of an adapter is scaled by ``alpha / rank``.

    Returns:
        The linear layers of all adapters: what is left to train. An optimizer needs them and not
        the model where it hooks its parameters, which torch refuses for frozen ones.

    Raises:
        ValueError: If ``rank`` is not positive, or a target names no linear layer.
    """
    if rank < 1:
        raise ValueError(f"rank must be positive, not {rank}")
    model.requires_grad_(False)
    found: set[str] = set()
    adapters = nn.ModuleList()
    for name, module in list(model.named_modules()):
        owner, _, attribute = name.rpartition(".")
        if isinstance(module, nn.Linear) and attribute in targets:
            layer = LoraLinear(module, rank, alpha)
            setattr(model.get_submodule(owner), attribute, layer)
            adapters.extend([layer.a, layer.b])
            found.add(attribute)
    missing = sorted(set(targets) - found)
    if missing:
        raise ValueError(f"targets must name linear layers of the model, not {missing}")
    return adapters


@dataclass(frozen=True, kw_only=True)
class TrainingSetup(Config):
    """A training step but for the model.

    Raises:
        ValueError: If a field is not accepted, or two contradict each other; the message names
            field, value and what is accepted.
    """

    method: str = choice("adamw", EXECUTED_METHODS, "optimizer, or LoRA by AdamW")
    dtype: str = choice("bfloat16", DTYPES, "of weights and activations")
    batch: int = integer(1, 1, 1 << 20, "sequences")
    sequence: int = integer(256, 1, 1 << 24, "tokens of a sequence")
    rank: int = integer(1024, 1, 1 << 20, "of projected gradients, or of LoRA's adapters")
    group: int = integer(256, 2, 1 << 20, "elements that share the constants of a quantized weight")
    checkpointing: str = choice("none", CHECKPOINTING, "as in Llama")
    attention: str = choice("fused", ATTENTION, "as in Llama")
    per_layer: bool = choice(
        False, (False, True), "update and free each gradient inside the backward pass"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.per_layer and self.method in _TORCH:
            raise ValueError(f"per_layer must be false with {self.method}: it has no such update")


class LlamaTraining:
    """A model and its optimizer, which do one step after the other on random tokens."""

    def __init__(
        self,
        arch: Architecture,
        setup: TrainingSetup,
        device: str,
        tracker: MemoryTracker | None = None,
    ) -> None:
        """Make the model and its optimizer.

        Args:
            arch: Shape of the model.
            setup: How it is trained.
            device: Where it is trained, such as ``cpu``.
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
        self.optimizer = _optimizer(trained, setup)
        self.model.head.register_forward_pre_hook(lambda *_: self._enter("loss"))
        if setup.per_layer:
            # hooks run in the order of their registration: the update stands between ours
            _hook(trained, self._before_update)
            self.optimizer.fuse()
            _hook(trained, lambda _: self._enter("backward"))
        self._per_layer = setup.per_layer
        if tracker is not None:
            tracker.label([*self.model.parameters(), *self.model.buffers()], "weights")

    def step(self) -> None:
        """Train one step; afterwards no gradient is left."""
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
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        if self._tracker is not None:
            for category, tensor in _states(self.optimizer):
                self._tracker.label([tensor], category)

    def renew_next(self) -> bool:
        """Let the next step renew every subspace, and tell whether there is any."""
        subspaces = [s["subspace"] for s in self.optimizer.state.values() if "subspace" in s]
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
    """Call ``hook`` with each parameter once its gradient is complete."""
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]


def _optimizer(trained: nn.Module, setup: TrainingSetup) -> Any:
    """Return the optimizer that a setup asks for."""
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
    if method.weights == 8:
        quantize_linears(trained, method.weight_format, keep)
    groups = parameter_groups(trained, keep=keep)
    return QGaLore(groups, lr=_LEARNING_RATE, method=method)


def _states(optimizer: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the optimizer's state with their category."""
    for state in optimizer.state.values():
        for name, value in state.items():
            category = "projections" if name == "subspace" else "states"
            yield from ((category, tensor) for tensor in tensors_in(value))
