"""Define a linear layer whose only copy of its weight is INT8, and which trains like any other."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from consilico.golden.training.affine import FLOAT_BITS, Affine, AffineConfig, quantize_affine

__all__ = ["Int8Linear", "quantize_linears"]


class _Product(torch.autograd.Function):
    """Autograd function ``x @ weight.T`` whose weight is made from its codes when it is needed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stand_in: Tensor, layer: "Int8Linear") -> Tensor:
        ctx.layer = layer
        ctx.save_for_backward(x)
        return F.linear(x, layer.dequantize())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (x,) = ctx.saved_tensors
        (gradient,) = gradients
        weight_gradient = gradient.flatten(0, -2).T @ x.flatten(0, -2)
        return gradient @ ctx.layer.dequantize(), weight_gradient, None


class Int8Linear(nn.Module):
    """Linear layer without bias that holds INT8 codes, and a float weight only during a product.

    ``weight`` is a parameter of the full shape without storage (one element, strides of 0).
    Autograd leaves the weight's gradient there, as float32. Its value means nothing.
    """

    codes: Tensor
    scale: Tensor
    minimum: Tensor

    def __init__(self, weight: Tensor, format: AffineConfig) -> None:
        """Take over a float weight of shape ``(outputs, inputs)``, rounded to nearest."""
        super().__init__()
        self.format = format
        self.weight = nn.Parameter(torch.zeros((), device=weight.device).expand(weight.shape))
        quantized = quantize_affine(weight, format)
        self.register_buffer("codes", quantized.codes)
        self.register_buffer("scale", quantized.scale)
        self.register_buffer("minimum", quantized.minimum)

    def forward(self, x: Tensor) -> Tensor:
        """Map float32 of shape ``(..., inputs)`` to ``(..., outputs)``."""
        product: Tensor = _Product.apply(x, self.weight, self)  # type: ignore[no-untyped-call]
        return product

    def dequantize(self) -> Tensor:
        """Return the weight, float32, shape ``(outputs, inputs)``."""
        return Affine(
            codes=self.codes,
            scale=self.scale,
            minimum=self.minimum,
            shape=self.weight.shape,
            bits=8,
        ).dequantize()

    def requantize(
        self,
        weight: Tensor,
        generator: torch.Generator | None = None,
        random_bits: int = FLOAT_BITS,
    ) -> None:
        """Replace the weight by a float one, which is quantized.

        Args:
            weight: Float, shape ``(outputs, inputs)``.
            generator: As in :func:`consilico.golden.training.affine.quantize_affine`.
            random_bits: As there.
        """
        quantized = quantize_affine(weight, self.format, generator, random_bits)
        self.codes.copy_(quantized.codes)
        self.scale.copy_(quantized.scale)
        self.minimum.copy_(quantized.minimum)

    # A tensor without storage of its own can be neither saved nor loaded.
    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        del destination[f"{prefix}weight"]

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        missing_keys.remove(f"{prefix}weight")


def quantize_linears(model: nn.Module, format: AffineConfig, keep: Collection[str] = ()) -> None:
    """Replace every ``nn.Linear`` of a model by an :class:`Int8Linear`, in place.

    Args:
        model: The model.
        format: Format of the weights.
        keep: Names of modules that are left as they are.

    Raises:
        ValueError: If a layer that is to be replaced has a bias.
    """
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and name not in keep:
            if module.bias is not None:
                raise ValueError(f"bias of layer {name} must be absent: Int8Linear has none")
            owner, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(owner), attribute, Int8Linear(module.weight, format))
