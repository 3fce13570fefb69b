"""Run a program of CPU tensors with the operations that PyTorch would choose for a CUDA GPU.

What a training step holds depends on the device in a few places: which attention kernel runs and
what it saves, what dropout saves, and which operations autocast does in float32. A build of PyTorch
without CUDA cannot run autograd on fake CUDA tensors, so fake CPU tensors are given the operations
of the GPU instead; their shapes and types are known everywhere.
"""

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

__all__ = ["GpuKernels"]

_HALF = (torch.float16, torch.bfloat16)
_FLASH_WIDTH = 256  # widest head of the flash attention kernel
_MASK_ALIGNMENT = 16  # elements that the efficient kernel has a row of its mask padded to

# aten/src/ATen/autocast_mode.h, AT_FORALL_FP32: CUDA's autocast converts their inputs to float32.
# The CPU's does so for fewer operations.
_FLOAT32 = frozenset(
    {
        *("acos", "asin", "cosh", "erfinv", "exp", "expm1", "log", "log10", "log2", "log1p"),
        *("reciprocal", "rsqrt", "sinh", "tan", "pow", "__pow__", "__rpow__", "softplus"),
        *("layer_norm", "group_norm", "cosine_similarity", "nll_loss", "kl_div", "l1_loss"),
        *("smooth_l1_loss", "huber_loss", "mse_loss", "binary_cross_entropy_with_logits"),
        *("dist", "pdist", "cdist", "renorm", "logsumexp", "cross_entropy"),
    }
)
# AT_FORALL_FP32_SET_OPT_DTYPE: they get ``dtype=float32`` unless the program gives a type
_FLOAT32_RESULT = frozenset({"prod", "softmax", "log_softmax", "cumprod", "cumsum", "sum"})


class GpuKernels(TorchFunctionMode):
    """Replaces attention, dropout and autocast's choices by those of a CUDA GPU, as a context.

    Where it is entered under autocast for CPUs, autocast for GPUs is on, too: libraries ask for it.
    """

    def __enter__(self) -> "GpuKernels":
        self._autocast = torch.is_autocast_enabled("cuda")
        torch.set_autocast_enabled("cuda", torch.is_autocast_enabled("cpu"))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        torch.set_autocast_enabled("cuda", self._autocast)
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_function__(
        self, func: Any, types: Collection[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return _attention(func, *args, **kwargs)
        if func is F.dropout:
            return _dropout(*args, **kwargs)
        if func is torch._grouped_mm and args[0].dtype != torch.bfloat16:
            return _GroupedProduct.apply(*args)  # type: ignore[no-untyped-call]
        if torch.is_autocast_enabled("cpu"):
            name = getattr(func, "__name__", "")
            if name in _FLOAT32:
                args, kwargs = tree_map_only(Tensor, _widened, (args, kwargs))
            elif name in _FLOAT32_RESULT and kwargs.get("dtype") is None and _is_half(args[0]):
                kwargs["dtype"] = torch.float32
        elif func is F.softmax and _is_half(args[0], torch.float16):
            return _half_softmax(func, *args, **kwargs)
        return func(*args, **kwargs)


def _is_half(value: object, *dtypes: torch.dtype) -> bool:
    """Tell whether a value is a tensor of 16-bit floats."""
    return isinstance(value, Tensor) and value.dtype in (dtypes or _HALF)


def _widened(value: Tensor) -> Tensor:
    """Return a tensor in float32 if it has 16-bit floats."""
    return value.float() if _is_half(value) else value


def _half_softmax(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a softmax of float16, which on a GPU needs no copy of its input to give float32."""
    x, dim, dtype = args[0], kwargs.get("dim", args[1] if len(args) > 1 else -1), kwargs["dtype"]
    return torch._softmax(x, dim, True) if dtype == torch.float32 else func(*args, **kwargs)


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Drop elements by the GPU's kernel, which keeps a mask of a byte per element."""
    if not training or p == 0.0 or not input.numel():
        return input
    result: Tensor = torch.native_dropout(input, p, training)[0]
    return input.copy_(result) if inplace else result


class _GroupedProduct(torch.autograd.Function):
    """The product of rows with a stack of matrices by groups, in a type other than bfloat16.

    A GPU has it in every type of floats; the rule by which PyTorch finds the result of fake tensors
    knows bfloat16 alone. The numbers of these tensors are never read.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, stack: Tensor) -> Tensor:
        """Return a tensor like the product ``[rows, out]`` of ``[rows, in]``, ``[g, in, out]``."""
        # as autograd does, either is kept for the gradient of the other
        ctx.like = [(x.shape, x.stride(), x.dtype) for x in (rows, stack)]
        rows_need, stack_needs = ctx.needs_input_grad
        ctx.save_for_backward(*([rows] * stack_needs), *([stack] * rows_need))
        return rows.new_empty(rows.shape[0], stack.shape[-1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return tensors like the gradients of those inputs that need one."""
        needed = zip(ctx.like, ctx.needs_input_grad, strict=True)
        return tuple(
            gradient.new_empty_strided(shape, strides, dtype=dtype) if need else None
            for (shape, strides, dtype), need in needed
        )


def _attention(
    general: Callable[..., Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Run the attention kernel that a GPU of compute capability 8.0 or above takes.

    As in aten/src/ATen/native/transformers/cuda/sdp_utils.cpp: flash attention for 16-bit floats
    without a mask, else the memory-efficient kernel, else (for a mask that needs a gradient, or
    grouped heads without flash attention) products and a softmax.
    """
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
        if attn_mask is not None and attn_mask.is_floating_point():
            attn_mask = attn_mask.to(dtype)
    grouped = query.shape[1] != key.shape[1]
    width, one_width = query.shape[-1], query.shape[-1] == value.shape[-1]
    if attn_mask is None and query.dtype in _HALF and one_width and width <= _FLASH_WIDTH:
        padding = -width % 8
        if padding:
            scale = width**-0.5 if scale is None else scale
            query, key, value = (F.pad(x, (0, padding)) for x in (query, key, value))
        result: Tensor = torch.ops.aten._scaled_dot_product_flash_attention(
            query, key, value, dropout_p, is_causal, False, scale=scale
        )[0]
        return result[..., :width] if padding else result
    trained_mask = attn_mask is not None and attn_mask.requires_grad
    if grouped or trained_mask or width % 8 or value.shape[-1] % 8:
        with sdpa_kernel(SDPBackend.MATH):
            return general(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale,
                enable_gqa=enable_gqa,
            )  # fmt: skip
    if attn_mask is not None:
        attn_mask = _additive(attn_mask, query, key)
    needs_sums = any(x.requires_grad for x in (query, key, value))
    result = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, attn_mask, needs_sums, dropout_p, is_causal, scale=scale
    )[0]
    return result


def _additive(mask: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """Return the mask that the efficient kernel reads: additive, rows padded, not expanded."""
    if mask.dtype == torch.bool:
        zero = torch.zeros((), dtype=query.dtype, device=query.device)
        mask = torch.where(mask, zero, -torch.inf)
    padding = -mask.shape[-1] % _MASK_ALIGNMENT
    if padding:
        mask = F.pad(mask, (0, padding))[..., : mask.shape[-1]]
    return mask.expand(*query.shape[:3], key.shape[2])
