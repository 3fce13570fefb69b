"""Implement Q-GaLore (arXiv 2407.08296) as a PyTorch optimizer; without parts, GaLore and AdamW."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from consilico.golden.training.int8_linear import Int8Linear, quantize_linears
from consilico.golden.training.method import Method
from consilico.golden.training.moments import Moments
from consilico.golden.training.subspace import Subspace

__all__ = ["QGaLore"]


class QGaLore(torch.optim.Optimizer):
    """AdamW whose states may be low-rank and 8-bit, for weights that may be INT8.

    The weights of linear layers are projected, unless the module is named in ``keep`` or the rank
    is not below the shorter side of the weight. Weights of embeddings keep float32 states, as the
    authors of 8-bit Adam do (arXiv 2110.02861, section 2.3): where a row's gradient is zero, a
    second moment that rounds to zero next to a first moment that does not would make the step
    explode.

    Usually ``step`` follows a backward pass. After :meth:`fuse` every parameter is updated inside
    the backward pass instead, as soon as its gradient is complete, and the gradient is freed.

    Stochastic rounding draws from a generator that is seeded by ``seed``, the parameter and its
    number of updates, so a resumed run, or one whose layers are updated in another order, draws the
    same numbers.
    """

    def __init__(
        self,
        model: nn.Module,
        method: Method,
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        scale: float = 0.25,
        threshold: float = 0.4,
        keep: Collection[str] = (),
        seed: int = 0,
    ) -> None:
        """Take over a model's parameters; with 8-bit weights its linear layers become INT8.

        Args:
            model: The model, changed in place.
            method: What is low-rank and what is in few bits.
            lr: Learning rate; Q-GaLore needs about 10 times AdamW's.
            betas: Decay of the first and the second moment.
            eps: Added to the root of the second moment.
            weight_decay: Decoupled weight decay.
            scale: Factor of a projected update.
            threshold: Cosine from which on a subspace counts as unchanged.
            keep: Names of linear modules, such as the output layer, that stay float and full-rank.
            seed: Seed of stochastic rounding.

        Raises:
            ValueError: If a number is out of its range, or ``keep`` names no module.
        """
        _check(lr=(lr, 0, np.inf), eps=(eps, 0, np.inf), weight_decay=(weight_decay, 0, np.inf))
        _check(beta1=(betas[0], 0, 1), beta2=(betas[1], 0, 1), threshold=(threshold, -1, 2))
        unknown = set(keep) - {name for name, _ in model.named_modules()}
        if unknown:
            raise ValueError(f"keep must name modules of the model, not {sorted(unknown)}")
        if method.weights == 8:
            quantize_linears(model, method.weight_format, keep)
        self.method = method
        self._threshold = threshold
        self._seed = seed
        self._int8: dict[Tensor, Int8Linear] = {
            m.weight: m for m in model.modules() if isinstance(m, Int8Linear)
        }
        embeddings = {m.weight for m in model.modules() if isinstance(m, nn.Embedding)}
        projected = {
            module.weight
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear | Int8Linear)
            and name not in keep
            and 0 < method.rank < min(module.weight.shape)
        } - embeddings
        groups: list[dict[str, Any]] = [
            {"params": [p for p in model.parameters() if p in projected], "low_rank": True},
            {"params": [p for p in model.parameters() if p in embeddings], "states": 32},
            {"params": [p for p in model.parameters() if p not in projected | embeddings]},
        ]
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "scale": scale,
            "states": method.states,
            "low_rank": False,
        }
        super().__init__([group for group in groups if group["params"]], defaults)
        self._order: dict[Tensor, int] = {p: i for i, p in enumerate(model.parameters())}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient.

        Args:
            closure: Evaluates the model again and returns its loss.

        Returns:
            The closure's loss, or None without a closure.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def fuse(self, max_norm: float | None = None) -> None:
        """Update and free each gradient inside the backward pass, one layer after the other.

        Args:
            max_norm: Clip each gradient's own norm to this value. The norm over all gradients,
                which ``clip_grad_norm_`` clips, is not known before the last of them is complete,
                when the first ones have been freed; clipping by it would take a second backward
                pass.
        """
        for index, group in enumerate(self.param_groups):
            for parameter in group["params"]:
                parameter.register_post_accumulate_grad_hook(self._hook(index, max_norm))

    def _hook(self, group: int, max_norm: float | None) -> Callable[[Tensor], None]:
        # the group is looked up when the hook runs: load_state_dict replaces the groups
        def update(parameter: Tensor) -> None:
            if max_norm is not None:
                nn.utils.clip_grad_norm_([parameter], max_norm)
            with torch.no_grad():
                self._update(parameter, self.param_groups[group])
            parameter.grad = None

        return update

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        assert parameter.grad is not None
        gradient = parameter.grad.float()
        state = self.state[parameter]
        low = gradient
        if group["low_rank"]:
            subspace = state.setdefault("subspace", Subspace(self.method, self._threshold))
            subspace.advance(gradient)
            low = subspace.down(gradient)
        if "moments" not in state:
            state["moments"] = Moments(low, group["states"])
        moments: Moments = state["moments"]
        step = moments.direction(low, group["betas"], group["eps"])
        if group["low_rank"]:
            step = group["scale"] * subspace.up(step, gradient.shape)
        layer = self._int8.get(parameter)
        weight = parameter if layer is None else layer.dequantize()
        weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(step, alpha=group["lr"])
        if layer is not None:
            generator = self._generator(parameter, moments.updates)
            layer.requantize(weight, generator, self.method.random_bits)

    def _generator(self, parameter: Tensor, update: int) -> torch.Generator | None:
        if self.method.random_bits == 0:
            return None
        entropy = np.random.SeedSequence([self._seed, self._order[parameter], update])
        seed = int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1))
        return torch.Generator(device=parameter.device).manual_seed(seed)


def _check(**fields: tuple[float, float, float]) -> None:
    for name, (value, low, high) in fields.items():
        if not low <= value < high:
            raise ValueError(f"{name} must be in [{low}, {high}), not {value!r}")
