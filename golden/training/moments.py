"""Keep Adam's two moments in float32, or blockwise in 8 bits (Dettmers et al., arXiv 2110.02861).

A block consists of consecutive elements of the flattened tensor, 2048 as in the paper unless
another number is given, and is normalized by its greatest magnitude. Each element becomes the
nearest entry of the dynamic code book (sections 2.1 and 2.2 of the paper).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from consilico.golden.training.dynamic_code import dynamic_code_book

__all__ = ["BLOCK", "Blockwise", "Moments", "quantize_blockwise"]

BLOCK = 2048

_MIN_8BIT = 4096
"""Tensors with fewer elements keep float32 states, as in the authors' code: they take little."""


@cache
def _book(signed: bool) -> tuple[Tensor, Tensor]:
    """Return the values of the code book, and the midpoints between neighbors."""
    values = dynamic_code_book(signed=signed)
    return values, (values[1:] + values[:-1]) / 2


@dataclass(frozen=True, kw_only=True)
class Blockwise:
    """A tensor in 8 bits per element plus one float32 per block."""

    codes: Tensor  # uint8, the tensor's shape
    absmax: Tensor  # float32, shape (blocks, 1)
    signed: bool
    block: int = BLOCK  # elements of a block

    def dequantize(self) -> Tensor:
        """Return the float32 tensor that the codes stand for."""
        values, _ = _book(self.signed)
        blocks = _blocks(values.to(self.codes.device)[self.codes.int()], self.block) * self.absmax
        return blocks.flatten()[: self.codes.numel()].view(self.codes.shape)


def quantize_blockwise(values: Tensor, *, signed: bool, block: int = BLOCK) -> Blockwise:
    """Quantize to the nearest entries of the dynamic code book, block by block.

    Args:
        values: Float, any shape but empty.
        signed: Whether to use the signed code book; the unsigned one takes no negative value.
        block: Elements of a block.

    Raises:
        ValueError: If a value is not finite, or negative with ``signed=False``.
    """
    blocks = _blocks(values.detach().float(), block)
    absmax = blocks.abs().amax(1, keepdim=True)
    if not bool(torch.isfinite(absmax).all()):
        raise ValueError("values must be finite")
    if not signed and bool((blocks < 0).any()):
        raise ValueError("values must not be negative with signed=False")
    _, midpoints = _book(signed)
    normal = blocks / torch.where(absmax > 0, absmax, 1.0)
    codes = torch.bucketize(normal, midpoints.to(values.device)).to(torch.uint8)
    return Blockwise(
        codes=codes.flatten()[: values.numel()].view(values.shape),
        absmax=absmax,
        signed=signed,
        block=block,
    )


def _blocks(values: Tensor, block: int) -> Tensor:
    """Return rows of one block each, the last one filled up with zeros."""
    flat = values.flatten()
    return F.pad(flat, (0, -flat.numel() % block)).view(-1, block)


class Moments:
    """Running mean and mean square of a gradient, and the direction that they give (Adam)."""

    def __init__(self, like: Tensor, bits: int, block: int = BLOCK) -> None:
        """Start with moments of zero.

        Args:
            like: A gradient, for its shape and device.
            bits: Bits per state, 8 or 32; a tensor below 4096 elements always takes 32.
            block: Elements that share a scale, of 8-bit states.
        """
        self._eight = bits == 8 and like.numel() >= _MIN_8BIT
        self._block = block
        self.updates = 0
        self.mean = self._hold(torch.zeros_like(like), signed=True)
        self.square = self._hold(torch.zeros_like(like), signed=False)

    def direction(self, gradient: Tensor, betas: tuple[float, float], eps: float) -> Tensor:
        """Take in a gradient and return Adam's bias-corrected step for a learning rate of 1.

        Args:
            gradient: Float32, of the shape that the moments have.
            betas: Decay of the first and of the second moment.
            eps: Added to the root of the second moment.
        """
        self.updates += 1
        mean, square = _load(self.mean), _load(self.square)
        mean.lerp_(gradient, 1 - betas[0])
        square.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
        self.mean, self.square = self._hold(mean, signed=True), self._hold(square, signed=False)
        root = (square / (1 - betas[1] ** self.updates)).sqrt_().add_(eps)
        return mean / (1 - betas[0] ** self.updates) / root

    def to_plain(self) -> dict[str, Any]:
        """Return tensors and numbers that :meth:`from_plain` makes the same moments of."""
        return {"updates": self.updates, "mean": _plain(self.mean), "square": _plain(self.square)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Moments:
        """Return the moments that :meth:`to_plain` was called on."""
        made = cls.__new__(cls)
        made.updates = plain["updates"]
        made.mean, made.square = _held(plain["mean"]), _held(plain["square"])
        made._eight = isinstance(made.mean, Blockwise)
        made._block = made.mean.block if isinstance(made.mean, Blockwise) else BLOCK
        return made

    def _hold(self, value: Tensor, *, signed: bool) -> Tensor | Blockwise:
        return quantize_blockwise(value, signed=signed, block=self._block) if self._eight else value


def _load(held: Tensor | Blockwise) -> Tensor:
    return held.dequantize() if isinstance(held, Blockwise) else held


def _plain(held: Tensor | Blockwise) -> Tensor | dict[str, Any]:
    return dict(vars(held)) if isinstance(held, Blockwise) else held


def _held(plain: Tensor | Mapping[str, Any]) -> Tensor | Blockwise:
    return plain if isinstance(plain, Tensor) else Blockwise(**plain)
