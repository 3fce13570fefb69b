"""Asymmetric group quantisation of float tensors to INT8 or packed INT4.

A group is ``group`` consecutive elements of the flattened tensor. It keeps the step between two
codes and the value of code 0, both float32, so that a code stands for ``minimum + scale * code``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from golden.config import Config, choice, integer

__all__ = ["Affine", "AffineConfig", "pack", "quantise", "stochastic_round", "unpack"]


@dataclass(frozen=True, kw_only=True)
class AffineConfig(Config):
    """Format of a tensor quantised in groups.

    ``zero_point="clamped"`` is the published quantiser (q-galore-torch 1.0): an integer zero point
    clamped to the codes, and a range of at least 1e-5. It breaks groups that do not straddle zero:
    0.949 amid a narrow range comes back as 0.099. ``"free"`` puts code 0 on the group's minimum.
    """

    bits: int = choice(8, (4, 8), "bits of a code; two INT4 codes share a byte")
    group: int = integer(256, 2, 65536, "elements that share scale and minimum; even")
    zero_point: str = choice("free", ("free", "clamped"), "how code 0 is placed")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.group % 2:
            raise ValueError(f"group must be even, not {self.group}")

    @property
    def levels(self) -> int:
        """Greatest code."""
        return (1 << self.bits) - 1


@dataclass(frozen=True, kw_only=True)
class Affine:
    """A quantised tensor."""

    codes: Tensor  # uint8, shape (groups, group), or (groups, group / 2) packed if bits is 4
    scale: Tensor  # float32, shape (groups, 1)
    minimum: Tensor  # float32, shape (groups, 1)
    shape: torch.Size  # of the float tensor
    bits: int

    def dequantise(self) -> Tensor:
        """The float32 tensor that the codes stand for."""
        codes = unpack(self.codes) if self.bits == 4 else self.codes
        values = torch.addcmul(self.minimum, codes.float(), self.scale)
        return values.flatten()[: self.shape.numel()].view(self.shape)


def quantise(
    values: Tensor, config: AffineConfig, generator: torch.Generator | None = None
) -> Affine:
    """Quantise in groups over each group's range.

    Nearest rounding errs by at most half a scale, stochastic rounding by less than a scale and
    without bias (``zero_point="free"``).

    Args:
        values: Float, any shape but empty; the last group may be short.
        config: The format.
        generator: Rounds stochastically with it; without, to nearest, ties to even.

    Raises:
        ValueError: If ``values`` is empty or a group's range is not finite.
    """
    if not values.numel():
        raise ValueError("values must not be empty")
    flat = values.detach().flatten().float()
    # repeating the last element leaves the range of the last group alone
    short = -flat.numel() % config.group
    groups = torch.cat([flat, flat[-1:].expand(short)]).view(-1, config.group)
    low, high = groups.amin(1, keepdim=True), groups.amax(1, keepdim=True)
    span = high - low
    if not bool(torch.isfinite(span).all()):
        raise ValueError("values must be finite, and so must the range of each group")
    if config.zero_point == "clamped":
        scale = span.clamp(min=1e-5) / config.levels
        zero = (-torch.round(low / scale)).clamp(0, config.levels)
        steps, minimum = groups / scale, -zero * scale
    else:
        scale = span / config.levels
        zero = torch.zeros_like(low)
        steps, minimum = (groups - low) / torch.where(scale > 0, scale, 1.0), low
    rounded = torch.round(steps) if generator is None else stochastic_round(steps, generator)
    codes = (rounded + zero).clamp(0, config.levels).to(torch.uint8)
    return Affine(
        codes=pack(codes) if config.bits == 4 else codes,
        scale=scale,
        minimum=minimum,
        shape=values.shape,
        bits=config.bits,
    )


def stochastic_round(values: Tensor, generator: torch.Generator) -> Tensor:
    """Round up with the probability of the fraction, else down: unbiased, integers unchanged."""
    below = torch.floor(values)
    draw = torch.rand(values.shape, generator=generator, device=values.device)
    return below + (draw < values - below)


def pack(codes: Tensor) -> Tensor:
    """Two INT4 codes a byte, the first in the low nibble.

    Args:
        codes: uint8 below 16, last dimension even.
    """
    return codes[..., 0::2] | codes[..., 1::2] << 4


def unpack(packed: Tensor) -> Tensor:
    """The codes that :func:`pack` took."""
    return torch.stack([packed & 15, packed >> 4], dim=-1).flatten(-2)
