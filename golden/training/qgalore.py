"""Implement Q-GaLore (arXiv 2407.08296) as a PyTorch optimizer; without parts, GaLore and AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from math import inf, sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from consilico.golden.training.int8_linear import int8_weight
from consilico.golden.training.method import METHODS, Method
from consilico.golden.training.moments import Moments
from consilico.golden.training.subspace import Subspace

__all__ = ["QGaLore"]

_OF_METHOD = tuple(item.name for item in fields(Method) if item.name != "weights")
_CARRIED = {"params", "param_names", "name", "initial_lr"}  # what a group may have besides
_NONFINITE = ("refuse", "skip")


class QGaLore(torch.optim.Optimizer):
    """AdamW whose states may be low-rank and 8-bit, for weights that may be INT8.

    It is used as any optimizer of ``torch.optim``. Every option is one of each parameter group: a
    group takes those that the constructor is given unless it has its own.
    :func:`consilico.golden.training.parameter_groups.parameter_groups` makes the usual groups of a
    model. A matrix is projected if its group's ``rank`` is positive and below its shorter side.
    Weights that :func:`consilico.golden.training.int8_linear.quantize_linears` made INT8 stay INT8.

    Usually ``step`` follows one or more backward passes. After :meth:`fuse` every parameter is
    updated inside the backward pass instead, as soon as its gradient is complete, and the gradient
    is freed.

    Stochastic rounding draws from a generator that is seeded by ``seed``, the position of the
    parameter and its number of updates, so a resumed run, or one whose layers are updated in
    another order, draws the same numbers.

    Attributes:
        skipped: Updates left out because of gradients that were not finite: steps of all
            parameters, or with the fused update of one.
    """

    # of the class, as torch pickles and copies nothing but groups and states
    skipped = 0
    _max_norm: float | None = None
    _hooks: dict[Tensor, Any] | None = None  # None: the update is not fused
    _accumulates = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        method: Method = METHODS["qgalore"],
        scale: float = 0.25,
        threshold: float = 0.4,
        nonfinite: str = "refuse",
        seed: int = 0,
        **options: Any,
    ) -> None:
        """Take parameters, named parameters, or groups of either.

        Args:
            params: As any optimizer of ``torch.optim`` takes them.
            lr: Learning rate; Q-GaLore needs about 10 times AdamW's.
            betas: Decay of the first and the second moment.
            eps: Added to the root of the second moment.
            weight_decay: Decoupled weight decay.
            method: What is low-rank and what is in few bits. Its ``weights`` say nothing here:
                which weights are INT8 is known from the parameters.
            scale: Factor of a projected update.
            threshold: Cosine from which on a subspace counts as unchanged.
            nonfinite: What to do about a gradient that is not finite: ``"refuse"`` it before
                anything changes, or ``"skip"`` the update.
            seed: Seed of stochastic rounding.
            options: Fields of :class:`consilico.golden.training.method.Method` that differ from
                ``method``, such as ``rank=64`` or ``variant="published"``.

        Raises:
            ValueError: If a value is not accepted, or an option is unknown.
        """
        defaults: dict[str, Any] = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "scale": scale,
            "threshold": threshold,
            "nonfinite": nonfinite,
            "seed": seed,
            **{name: getattr(method, name) for name in _OF_METHOD},
        }
        _check_group({**defaults, **options}, defaults)
        super().__init__(params, {**defaults, **options})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, as any optimizer of ``torch.optim`` does.

        Raises:
            ValueError: If a value is not accepted, or an option is unknown.
        """
        _check_group({**self.defaults, **param_group}, self.defaults)
        super().add_param_group(param_group)
        if self._hooks is not None:
            self.fuse(self._max_norm)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient.

        Args:
            closure: Evaluates the model again and returns its loss.

        Returns:
            The closure's loss, or None without a closure.

        Raises:
            ValueError: If a gradient is sparse or, unless ``nonfinite="skip"``, not finite. Nothing
                has changed then.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        due = [entry for entry in self._entries() if entry.parameter.grad is not None]
        if self._all_usable(due):
            for entry in due:
                self._update(entry)
        return loss

    def fuse(self, max_norm: float | None = None) -> None:
        """Update and free each gradient inside the backward pass, one layer after the other.

        A call of ``step`` then updates only what a backward pass left a gradient to. Called again,
        this changes ``max_norm``. Parameters that are frozen now are left to ``step``.

        Args:
            max_norm: Clip each gradient's own norm to this value. The norm over all gradients,
                which ``clip_grad_norm_`` clips, is not known before the last of them is complete,
                when the first ones have been freed; clipping by it would take a second backward
                pass.
        """
        self._max_norm = max_norm
        self._hooks = self._hooks or {}
        for entry in self._entries():
            parameter = entry.parameter
            if parameter.requires_grad and parameter not in self._hooks:
                register: Any = parameter.register_post_accumulate_grad_hook
                self._hooks[parameter] = register(self._hook(entry))

    @contextmanager
    def accumulate(self) -> Iterator[None]:
        """Let gradients of a fused update add up in backward passes inside this context.

        The next backward pass outside of it adds its own, updates and frees them: use it for all
        micro-batches of a step but the last.
        """
        self._accumulates = True
        try:
            yield
        finally:
            self._accumulates = False

    def state_dict(self) -> dict[str, Any]:
        """Return groups and states as tensors and plain numbers, which ``torch.load`` accepts."""
        packed = super().state_dict()
        packed["state"] = {
            key: {name: held.to_plain() for name, held in state.items()}
            for key, state in packed["state"].items()
        }
        return packed

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over groups and states, which keep their data types, on the parameters' devices.

        Args:
            state_dict: What :meth:`state_dict` returned, of an optimizer of the same groups.
        """
        super().load_state_dict({**state_dict, "state": {}})
        saved = [key for group in state_dict["param_groups"] for key in group["params"]]
        for key, entry in zip(saved, self._entries(), strict=True):
            if key in state_dict["state"]:
                plain = _moved(state_dict["state"][key], entry.parameter.device)
                state = self.state[entry.parameter]
                state["moments"] = Moments.from_plain(plain["moments"])
                if "subspace" in plain:
                    method, threshold = _method(entry.group), entry.group["threshold"]
                    state["subspace"] = Subspace.from_plain(plain["subspace"], method, threshold)

    def _entries(self) -> Iterator[_Entry]:
        """Yield the parameters in the order of the groups."""
        position = 0
        for number, group in enumerate(self.param_groups):
            for index, parameter in enumerate(group["params"]):
                name = f"{index} of group {number}"
                if "param_names" in group:
                    name = group["param_names"][index]
                yield _Entry(parameter, number, group, position, name)
                position += 1

    def _hook(self, entry: _Entry) -> Callable[[Tensor], None]:
        def update(parameter: Tensor) -> None:
            if self._accumulates:
                return
            # looked up when the hook runs: load_state_dict replaces the groups
            now = replace(entry, group=self.param_groups[entry.number])
            with torch.no_grad():
                if self._all_usable([now]):
                    if self._max_norm is not None:
                        nn.utils.clip_grad_norm_([parameter], self._max_norm)
                    self._update(now)
            parameter.grad = None

        return update

    def _all_usable(self, due: list[_Entry]) -> bool:
        """Tell whether gradients can be used; count it if not."""
        for entry in due:
            if entry.gradient.is_sparse:
                raise ValueError(f"gradient of parameter {entry.name} must be dense, not sparse")
        if not due or _finite([entry.gradient for entry in due]):
            return True
        for entry in due:
            if entry.group["nonfinite"] == "refuse" and not _finite([entry.gradient]):
                raise ValueError(f"gradient of parameter {entry.name} must be finite")
        self.skipped += 1
        return False

    def _update(self, entry: _Entry) -> None:
        parameter, group = entry.parameter, entry.group
        method, lr, decay = _method(group), float(group["lr"]), group["weight_decay"]
        gradient = entry.gradient.float()
        state = self.state[parameter]
        low = gradient
        projected = gradient.dim() == 2 and 0 < method.rank < min(gradient.shape)
        if projected:
            subspace = state.setdefault("subspace", Subspace(method, group["threshold"]))
            subspace.advance(gradient)
            low = subspace.down(gradient)
        if "moments" not in state:
            state["moments"] = Moments(low, method.states, method.states_block)
        moments: Moments = state["moments"]
        eps = group["eps"]
        if method.published and method.states == 32:  # galore-torch does not correct its bias
            eps /= sqrt(1 - group["betas"][1] ** (moments.updates + 1))
        step = moments.direction(low, group["betas"], eps)
        if projected:
            step = group["scale"] * subspace.up(step, gradient.shape)
        int8 = int8_weight(parameter)
        weight = parameter if int8 is None else int8.dequantize()
        # published: galore-torch decays last, q-galore-torch only what it projects
        if method.published and (projected or method.states == 32):
            weight.sub_(step, alpha=lr).mul_(1 - lr * decay)
        else:
            weight.mul_(1 - lr * decay).sub_(step, alpha=lr)
        if int8 is not None:
            generator = _generator(entry, moments.updates, method.random_bits)
            int8.requantize(weight, generator, method.random_bits)


@dataclass(frozen=True, eq=False)
class _Entry:
    """A parameter, and where it is."""

    parameter: Tensor
    number: int  # of its group
    group: dict[str, Any]
    position: int  # among all parameters of the optimizer
    name: str

    @property
    def gradient(self) -> Tensor:
        """Return the parameter's gradient, which must be there."""
        assert self.parameter.grad is not None
        return self.parameter.grad


def _finite(gradients: list[Tensor]) -> bool:
    """Tell whether all elements are finite; no copy of a gradient is made."""
    whole = [gradient for gradient in gradients if gradient.numel()]
    return bool(torch.isfinite(nn.utils.get_total_norm(whole, inf)))


def _generator(entry: _Entry, update: int, random_bits: int) -> torch.Generator | None:
    """Return the generator of an update of a parameter, or None to round to nearest."""
    if random_bits == 0:
        return None
    entropy = np.random.SeedSequence([entry.group["seed"], entry.position, update])
    seed = int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.Generator(device=entry.parameter.device).manual_seed(seed)


def _method(group: Mapping[str, Any]) -> Method:
    """Return the method of a group; without a rank, what belongs to a projection is left out."""
    return _made_method(*(group[name] for name in _OF_METHOD))


@lru_cache
def _made_method(*values: Any) -> Method:
    found = dict(zip(_OF_METHOD, values, strict=True))
    if found["rank"] == 0:
        found |= {"projection": 32, "lazy": False}
    return Method(**found)


def _check_group(group: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise a ValueError that names the option of a group which is not accepted."""
    unknown = sorted(set(group) - set(known) - _CARRIED)
    if unknown:
        raise ValueError(f"unknown option {unknown[0]}; accepted: {', '.join(known)}")
    _check(
        lr=(group["lr"], 0, inf),
        eps=(group["eps"], 0, inf),
        weight_decay=(group["weight_decay"], 0, inf),
        beta1=(group["betas"][0], 0, 1),
        beta2=(group["betas"][1], 0, 1),
        threshold=(group["threshold"], -1, 2),
        scale=(group["scale"], 0, inf),
        seed=(group["seed"], 0, 1 << 63),
    )
    if group["nonfinite"] not in _NONFINITE:
        accepted = " or ".join(_NONFINITE)
        raise ValueError(f"nonfinite must be {accepted}, not {group['nonfinite']!r}")
    _method(group)


def _check(**numbers: tuple[float, float, float]) -> None:
    for name, (value, low, high) in numbers.items():
        if not low <= value < high:
            raise ValueError(f"{name} must be in [{low}, {high}), not {value!r}")


def _moved(plain: Any, device: torch.device) -> Any:
    """Return a copy of plain data whose tensors are on a device."""
    if isinstance(plain, Tensor):
        return plain.detach().to(device, copy=True)
    if isinstance(plain, Mapping):
        return {key: _moved(value, device) for key, value in plain.items()}
    return deepcopy(plain)
