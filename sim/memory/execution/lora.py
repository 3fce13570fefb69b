"""Low-rank adapters beside frozen linear layers (LoRA, arXiv 2106.09685), as peft makes them."""

import math
from collections.abc import Collection

from torch import Tensor, nn

__all__ = ["LoraLinear", "add_lora"]


class LoraLinear(nn.Module):
    """``base(x) + b(a(x)) * scaling``, without dropout; ``base`` is frozen.

    The adapters have the base layer's dtype. (peft keeps them in float32 beside a bf16 layer
    unless it gets ``autocast_adapter_dtype=False``.)
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        """Start as the base layer: ``b`` is zero."""
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
    """Freeze a model and put adapters beside some of its linear layers, in place.

    Args:
        model: The model.
        rank: Of every adapter.
        targets: Last parts of the names of the layers, such as ``query``.
        alpha: The result of an adapter is scaled by ``alpha / rank``.

    Returns:
        The linear layers of all adapters: what is left to train. An optimiser needs them and not
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
