"""Quantize float tensors in groups to asymmetric INT8 or packed INT4 codes.

A group consists of ``group`` consecutive elements of the flattened tensor. It keeps the step
between two codes and the value of code 0, both in float32, so a code stands for ``minimum + scale *
code``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from consilico.golden.config import Config, choice, integer
from consilico.golden.training.stochastic_round import round_up_at_random

__all__ = [
    "FLOAT_BITS",
    "Affine",
    "AffineConfig",
    "pack",
    "quantize_affine",
    "stochastic_round_float",
    "unpack",
]

FLOAT_BITS = 24
"""Greatest useful number of random bits: that of a float32 significand."""


@dataclass(frozen=True, kw_only=True)
class AffineConfig(Config):
    """Format of a tensor that is quantized in groups.

    ``zero_point="clamped"`` is the published quantizer (q-galore-torch 1.0): an integer zero point
    that is clamped to the codes, and a range of at least 1e-5. It breaks groups that do not
    straddle zero: 0.949 amid a narrow range comes back as 0.099. ``"free"`` puts code 0 on the
    group's minimum.
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
        """Return the greatest code, ``2**bits - 1``; the least one is 0."""
        return (1 << self.bits) - 1


@dataclass(frozen=True, kw_only=True)
class Affine:
    """A tensor that is quantized in groups."""

    codes: Tensor  # uint8, shape (groups, group), or (groups, group / 2) packed if bits is 4
    scale: Tensor  # float32, shape (groups, 1)
    minimum: Tensor  # float32, shape (groups, 1)
    shape: torch.Size  # of the float tensor
    bits: int

    def dequantize(self) -> Tensor:
        """Return the float32 tensor that the codes stand for."""
        codes = unpack(self.codes) if self.bits == 4 else self.codes
        values = torch.addcmul(self.minimum, codes.float(), self.scale)
        return values.flatten()[: self.shape.numel()].view(self.shape)


def quantize_affine(
    values: Tensor,
    config: AffineConfig,
    generator: torch.Generator | None = None,
    random_bits: int = FLOAT_BITS,
) -> Affine:
    """Quantize a tensor group by group over each group's range.

    With ``zero_point="free"`` rounding to nearest errs by at most half a scale, and stochastic
    rounding by less than a scale and without bias.

    Args:
        values: Float, any shape but empty; the last group may be shorter than the others.
        config: The format.
        generator: Source of stochastic rounding; without it, rounding is to nearest, ties to even.
        random_bits: As in :func:`stochastic_round_float`.

    Raises:
        ValueError: If ``values`` is empty or a group's range is not finite.
    """
    if not values.numel():
        raise ValueError("values must not be empty")
    flat = values.detach().flatten().float()
    # repeating the last element does not change the range of the last group
    short = -flat.numel() % config.group
    groups = torch.cat([flat, flat[-1:].expand(short)]).view(-1, config.group)
    low, high = groups.amin(1, keepdim=True), groups.amax(1, keepdim=True)
    span = high - low
    if not bool(torch.isfinite(span).all()):
        raise ValueError("values must be finite, and so must the range of each group")
    if config.zero_point == "clamped":
        scale = span.clamp(min=1e-5) / config.levels
        zero = (-torch.round(low / scale)).clamp(0, config.levels)
        # how far a step lies beyond the codes does not matter, as it is clamped below
        steps = (groups / scale).clamp(-config.levels, config.levels)
        minimum = -zero * scale
    else:
        scale = span / config.levels
        zero = torch.zeros_like(low)
        steps, minimum = (groups - low) / torch.where(scale > 0, scale, 1.0), low
    if generator is None:
        rounded = torch.round(steps)
    else:
        rounded = stochastic_round_float(steps, generator, random_bits)
    codes = (rounded + zero).clamp(0, config.levels).to(torch.uint8)
    return Affine(
        codes=pack(codes) if config.bits == 4 else codes,
        scale=scale,
        minimum=minimum,
        shape=values.shape,
        bits=config.bits,
    )


def stochastic_round_float(
    values: Tensor, generator: torch.Generator, random_bits: int = FLOAT_BITS
) -> Tensor:
    """Round values up with the probability of their fraction, otherwise down.

    As in the hardware, the fraction is rounded to the nearest multiple of ``2 ** -random_bits`` and
    each value draws an integer of that many bits. The result is unbiased except for that multiple.

    Args:
        values: Float32, magnitude below ``2 ** 38``.
        generator: Draws the integers.
        random_bits: Bits of a draw, up to 24.
    """
    fraction = random_bits + 1  # one bit below the multiples decides which of them is nearest
    fixed = torch.floor(values * 2.0**fraction).long()
    draw = torch.randint(1 << random_bits, values.shape, generator=generator, device=values.device)
    return round_up_at_random(fixed, draw, fraction, random_bits).to(values.dtype)


def pack(codes: Tensor) -> Tensor:
    """Pack two INT4 codes into each byte, the first one into the low nibble.

    Args:
        codes: uint8 below 16; the last dimension is even.
    """
    return codes[..., 0::2] | codes[..., 1::2] << 4


def unpack(packed: Tensor) -> Tensor:
    """Return the codes that :func:`pack` took."""
    return torch.stack([packed & 15, packed >> 4], dim=-1).flatten(-2)
