"""Convert linear layers to INT8: the only copy of a weight is its codes, and it trains as before.

The parameter of such a layer is a *stand-in*: it has the weight's shape, and one element of
storage. Autograd leaves the weight's gradient there. An optimizer finds the codes behind it by
:func:`int8_weight`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from consilico.golden.training.affine import FLOAT_BITS, Affine, AffineConfig, quantize_affine

__all__ = [
    "Int8Linear",
    "Int8Weight",
    "QuantizedLinears",
    "float_copy",
    "int8_weight",
    "quantize_linears",
]

_BUFFERS = ("codes", "scale", "minimum")


@dataclass(eq=False, kw_only=True)
class Int8Weight:
    """A weight in INT8, which :meth:`requantize` changes in place."""

    format: AffineConfig
    shape: torch.Size
    codes: Tensor  # uint8, shape (groups, group)
    scale: Tensor  # float32, shape (groups, 1)
    minimum: Tensor  # float32, shape (groups, 1)

    @classmethod
    def of(cls, weight: Tensor, format: AffineConfig) -> Int8Weight:
        """Return a float weight of shape ``(outputs, inputs)``, rounded to nearest.

        Raises:
            ValueError: As :func:`consilico.golden.training.affine.quantize_affine`.
        """
        quantized = quantize_affine(weight, format)
        return cls(
            format=format,
            shape=weight.shape,
            codes=quantized.codes,
            scale=quantized.scale,
            minimum=quantized.minimum,
        )

    def dequantize(self) -> Tensor:
        """Return the weight, float32, shape ``(outputs, inputs)``."""
        return Affine(
            codes=self.codes, scale=self.scale, minimum=self.minimum, shape=self.shape, bits=8
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


class _StandIn(nn.Parameter):
    """A parameter of a weight's shape that has one element; its value means nothing."""

    int8: Int8Weight

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) not in memo:
            memo[id(self)] = _stand_in(deepcopy(self.int8, memo), self.dtype, self.requires_grad)
        copied: Tensor = memo[id(self)]
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _stand_in, (self.int8, self.dtype, self.requires_grad)


def _stand_in(int8: Int8Weight, dtype: torch.dtype, requires_grad: bool) -> nn.Parameter:
    element = torch.zeros((), dtype=dtype, device=int8.codes.device)
    made = _StandIn(element.expand(int8.shape), requires_grad)
    made.int8 = int8
    return made


def int8_weight(parameter: Tensor) -> Int8Weight | None:
    """Return the codes that a parameter stands in for; None if it is its own weight."""
    return getattr(parameter, "int8", None)


class _Product(torch.autograd.Function):
    """Autograd function ``x @ weight.T`` whose weight is made from its codes when it is needed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stand_in: Tensor, int8: Int8Weight) -> Tensor:
        ctx.int8 = int8
        # the codes are saved only so that autograd notices when they change before the backward
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, int8.codes)
        return F.linear(x, int8.dequantize().to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, _ = ctx.saved_tensors
        (gradient,) = gradients
        back = forth = None
        if ctx.needs_input_grad[1]:
            rows = gradient.reshape(-1, gradient.shape[-1])
            forth = rows.T @ x.reshape(-1, x.shape[-1])
        if ctx.needs_input_grad[0]:
            back = gradient @ ctx.int8.dequantize().to(gradient.dtype)
        return back, forth, None


class Int8Linear(nn.Linear):
    """Linear layer that holds INT8 codes, and a float weight only during a product.

    ``weight`` is a stand-in; its data type is that of the layer's products and of its gradient.
    Buffers are the codes and their constants, which stay float32 whatever the layer is cast to. A
    state dictionary has them instead of the weight; one with a float weight can be loaded, too,
    and is quantized.
    """

    codes: Tensor
    scale: Tensor
    minimum: Tensor

    def __init__(self, weight: Tensor, format: AffineConfig, bias: Tensor | None = None) -> None:
        """Take over a float weight of shape ``(outputs, inputs)``, rounded to nearest.

        Args:
            weight: The weight.
            format: Format of the codes.
            bias: Shape ``(outputs,)``.
        """
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        self._hold(_stand_in(Int8Weight.of(weight, format), weight.dtype, requires_grad=True))

    def _hold(self, stand_in: nn.Parameter) -> None:
        """Make a stand-in the layer's weight; layers whose weights are tied hold the same one."""
        self.weight = stand_in
        for name in _BUFFERS:
            self.register_buffer(name, getattr(int8_weight(stand_in), name))

    @property
    def int8(self) -> Int8Weight:
        """Return the INT8 weight that the one-element parameter stands for."""
        found = int8_weight(self.weight)
        assert found is not None
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., inputs)``, of the weight's data type or under autocast, to outputs."""
        device, dtype = x.device.type, self.weight.dtype
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            x = x.to(dtype)
        elif x.dtype != dtype:
            raise TypeError(f"input must be {dtype}, as the layer's weight, not {x.dtype}")
        product: Tensor = _Product.apply(x, self.weight, self.int8)  # type: ignore[no-untyped-call]
        return product if self.bias is None else product + self.bias.to(dtype)

    def dequantize(self) -> Tensor:
        """Return the weight, float32, shape ``(outputs, inputs)``."""
        return self.int8.dequantize()

    def extra_repr(self) -> str:
        """Return what is printed of the layer."""
        return f"{super().extra_repr()}, group={self.int8.format.group}"

    # Casting and moving: a stand-in stays without storage, buffers keep their data types, and stay
    # the very tensors that a tied layer holds, too.
    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Int8Linear:
        def applied(tensor: Tensor) -> Tensor:
            if tensor is self.weight:
                return fn(tensor.new_zeros(())).expand(tensor.shape)
            if any(tensor is getattr(self, name) for name in _BUFFERS):
                moved = tensor.to(fn(tensor[:0]).device)
                if moved is not tensor:
                    tensor.data = moved
                return tensor
            return fn(tensor)

        super()._apply(applied, recurse)  # type: ignore[no-untyped-call]
        return self

    # A tensor without storage of its own can be neither saved nor loaded.
    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        del destination[f"{prefix}weight"]

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        given, name = dict(state_dict), f"{prefix}weight"
        if name in given and f"{prefix}codes" not in given and given[name].shape == self.int8.shape:
            loaded = Int8Weight.of(given.pop(name), self.int8.format)
            given |= {f"{prefix}{part}": getattr(loaded, part) for part in _BUFFERS}
        metadata = {**local_metadata, "assign_to_params_buffers": False}
        super()._load_from_state_dict(
            given, prefix, metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        if name in missing_keys:
            missing_keys.remove(name)


@dataclass(frozen=True, kw_only=True)
class QuantizedLinears:
    """Record of what :func:`quantize_linears` did to the linear layers of a model."""

    converted: tuple[str, ...]  # names of modules; a module of several names has them all here
    kept: dict[str, str]  # names of the others, with why


def quantize_linears(
    model: nn.Module, format: AffineConfig, keep: Collection[str] = ()
) -> QuantizedLinears:
    """Turn every ``nn.Linear`` of a model into an :class:`Int8Linear`, in place.

    A module stays the object that it is: its names, hooks and bias stay, and a frozen weight stays
    frozen. Its parameter ``weight`` is a new one, so an optimizer is made afterwards. Linear layers
    whose weight is one and the same still have one afterwards. What cannot become INT8 without a
    change to something else is kept: a weight that is also, say, that of an embedding, and a layer
    of a derived class, whose owner may use its weight in other ways.

    Args:
        model: The model.
        format: Format of the weights.
        keep: Names of modules that are left as they are.

    Returns:
        The layers that were converted, and those that were not.

    Raises:
        ValueError: If ``keep`` names no module, or a weight cannot be quantized, such as one that
            is not finite. The model is then as it was.
    """
    unknown = set(keep) - {name for name, _ in model.named_modules(remove_duplicate=False)}
    if unknown:
        raise ValueError(f"keep must name modules of the model, not {sorted(unknown)}")
    named = [
        (name, module)
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, nn.Linear) and not isinstance(module, Int8Linear)
    ]
    reasons = _reasons(model, named, keep)
    made: dict[Tensor, nn.Parameter] = {}
    for name, module in named:
        weight = module.weight
        if module not in reasons and weight not in made:
            try:
                int8 = Int8Weight.of(weight, format)
            except ValueError as error:
                raise ValueError(f"weight of layer {name} cannot be quantized: {error}") from error
            made[weight] = _stand_in(int8, weight.dtype, weight.requires_grad)
    for module in {module for _, module in named} - set(reasons):
        stand_in = made[module.weight]
        module.__class__ = Int8Linear
        assert isinstance(module, Int8Linear)
        module._hold(stand_in)
    return QuantizedLinears(
        converted=tuple(name for name, module in named if module not in reasons),
        kept={name: reasons[module] for name, module in named if module in reasons},
    )


def _reasons(
    model: nn.Module, named: Collection[tuple[str, nn.Linear]], keep: Collection[str]
) -> dict[nn.Module, str]:
    """Return the linear layers that are to stay as they are, each with why."""
    reasons: dict[nn.Module, str] = {}
    for name, module in named:
        if type(module) is not nn.Linear:
            reasons[module] = f"is a {type(module).__name__}"
        elif name in keep:
            reasons[module] = "is named in keep"
    linear: set[nn.Module] = {module for _, module in named}
    users: dict[Tensor, dict[nn.Module, str]] = {}
    for name, user in model.named_modules():
        for parameter in user._parameters.values():
            if parameter is not None:
                users.setdefault(parameter, {})[user] = name
    for _, module in named:
        for user, owner in users[module.weight].items():
            if user is not module and (user not in linear or user in reasons):
                reasons.setdefault(module, f"shares its weight with {owner or 'the model'}")
    return reasons


def float_copy(model: nn.Module) -> nn.Module:
    """Return a copy of a model in which INT8 layers are ordinary linear layers of float weights.

    An average of weights over time needs such copies: steps of an average are far below those of
    INT8 codes. ``averaged = AveragedModel(float_copy(model))``, then
    ``averaged.update_parameters(float_copy(model))`` from time to time.
    """
    copied = deepcopy(model)
    weights: dict[Tensor, nn.Parameter] = {}
    for module in copied.modules():
        if isinstance(module, Int8Linear):
            stand_in = module.weight
            if stand_in not in weights:
                value = module.dequantize().to(stand_in.dtype)
                weights[stand_in] = nn.Parameter(value, stand_in.requires_grad)
            for name in _BUFFERS:
                delattr(module, name)
            module.weight = weights[stand_in]
            module.__class__ = nn.Linear  # type: ignore[assignment]
    return copied
