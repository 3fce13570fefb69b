"""Specify ``matmul/group_dot``: dot products with weights quantized in groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from consilico.golden.bfloat16 import from_integer
from consilico.golden.config import Config, choice
from consilico.golden.lazy import torch
from consilico.golden.matmul.dot import wrap
from consilico.golden.matmul.operand import sum_width

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "HEADROOM",
    "SUM",
    "GroupDotConfig",
    "GroupDotResult",
    "fixed_scale",
    "group_dot",
    "scaled_sums",
]

SUM = 32  # bits of a result

HEADROOM = 4  # a bf16 scale may be up to 2 ** HEADROOM times the shared exponent's unit


@dataclass(frozen=True, kw_only=True)
class GroupDotConfig(Config):
    """``sum over groups of s * sum((q - z) * x)``: INT4 weights ``q``, INT8 activations ``x``.

    Sums are INT32 with an exponent that all groups of a sum share, a run-time constant. INT8
    second-level scales need it for bf16 results only: it is then the first-level scale's.
    """

    lanes: int = choice(16, (4, 8, 16, 32), "products a beat; divides every group")
    group: int = choice(128, (32, 64, 128, 256), "weights that share scale and zero point")
    scale: str = choice("bf16", ("bf16", "int8"), "bf16, or unsigned second-level as in VS-Quant")
    output: str = choice("int32", ("int32", "bf16"), "INT32 with a shared exponent, or bf16")

    @property
    def has_exponent(self) -> bool:
        """Whether there is a shared exponent to load."""
        return "bf16" in (self.scale, self.output)

    @property
    def result_width(self) -> int:
        """Bits of a result."""
        return SUM if self.output == "int32" else 16

    @property
    def beats(self) -> int:
        """Beats of a group."""
        return self.group // self.lanes

    @property
    def scale_width(self) -> int:
        """Bits of a scale on the stream."""
        return 8 if self.scale == "int8" else 16

    @property
    def multiplier_width(self) -> int:
        """Bits of a scale's magnitude as an integer, in units of the shared exponent."""
        return 8 if self.scale == "int8" else 8 + HEADROOM

    @property
    def group_width(self) -> int:
        """Bits of a group's sum, signed."""
        return sum_width(self.group, -128 * 15, 128 * 15)

    @property
    def slice_width(self) -> int:
        """Bits of a group's sum scaled in a cycle, so that it is done with before the next."""
        return max(2, SUM // self.beats)

    @property
    def slots(self) -> int:
        """Cycles that a group's sum is scaled in."""
        return SUM // self.slice_width


class GroupDotResult(NamedTuple):
    """Results of the sums that ended."""

    sum: Tensor  # int64, shape (sums,), wrapped to 32 bits; or its bf16 bit pattern
    overflow: Tensor  # bool, shape (sums,): a partial sum, a scale or the result out of range


def fixed_scale(scale: Tensor, exponent: int) -> tuple[Tensor, Tensor]:
    """Scales as integers in units of ``2 ** (exponent - 134)``, and where they are too great.

    Exact from the unit's own binade to the one ``2 ** 4`` above; below, off by up to half a unit.

    Args:
        scale: int64, bf16 bit patterns; exponent 0 is zero.
        exponent: Biased bf16 exponent whose significand's unit is the unit of the result.

    Returns:
        int64, magnitude below ``2 ** 12``, which is rounded half up; bool, its magnitude saturated
        to ``2 ** 12 - 1``.
    """
    biased = scale >> 7 & 255
    significand = torch.where(biased == 0, 0, (scale & 127) | 128)
    right = exponent + HEADROOM - biased
    guarded = (significand << (HEADROOM + 1)) >> right.clamp(0, 15)
    over = (right < 0) & (significand != 0)
    magnitude = torch.where(over, (256 << HEADROOM) - 1, (guarded + 1) >> 1)
    return torch.where(scale >> 15 == 1, -magnitude, magnitude), over


def group_dot(
    x: Tensor, q: Tensor, zero: Tensor, scale: Tensor, end: Tensor, exponent: int,
    config: GroupDotConfig,
) -> GroupDotResult:  # fmt: skip
    """Sums over groups of ``s * sum((q - z) * x)``, one for each group with ``end``.

    Exact but for the conversion of bf16 scales, :func:`fixed_scale`: a result is off the exact
    one by at most half a unit of the shared exponent for each ``sum((q - z) * x)`` whose scale is
    below it, and by nothing else unless ``overflow``. With ``output="bf16"`` it is then rounded
    to nearest, ties to even.

    Args:
        x: int64, shape ``(groups, group)``, signed INT8 activations.
        q: int64, the same shape, weights, 0 to 15.
        zero: int64, shape ``(groups,)``, zero points, 0 to 15.
        scale: int64, shape ``(groups,)``: 0 to 255, or bf16 bit patterns.
        end: bool, shape ``(groups,)``: the group is the last of a sum.
        exponent: Shared by the results, biased: 1 in a sum counts ``2 ** (exponent - 134)``. Not
            used with INT8 scales and INT32 results.
        config: The unit.
    """
    if config.scale == "bf16":
        multiplier, too_great = fixed_scale(scale, exponent)
    else:
        multiplier, too_great = scale, torch.zeros(len(scale), dtype=torch.bool)
    result, overflow = scaled_sums(
        (x * (q - zero[:, None])).sum(dim=1) * multiplier, too_great, end
    )
    if config.output == "bf16":
        result, beyond = from_integer(result, exponent)
        overflow |= beyond
    return GroupDotResult(result, overflow)


def scaled_sums(terms: Tensor, too_great: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of scaled group sums, wrapped to 32 bits.

    Args:
        terms: int64, shape ``(groups, ...)``: sums of groups times their scales.
        too_great: bool, shape ``(groups, ...)``: the scale was out of range.
        end: bool, shape ``(groups,)``: the group is the last of a sum.

    Returns:
        int64, shape ``(sums, ...)``; bool, the same shape: a partial sum or a scale out of range.
    """
    sums, overflows = [terms[:0]], [too_great[:0]]
    total, over = torch.zeros_like(terms[:1]), torch.zeros_like(too_great[:1])
    for term, flag, ended in zip(terms, too_great, end.tolist(), strict=True):
        exact = total + term
        total = wrap(exact, SUM)
        over = over | flag | (total != exact)
        if ended:
            sums.append(total)
            overflows.append(over)
            total, over = torch.zeros_like(total), torch.zeros_like(over)
    return torch.cat(sums), torch.cat(overflows)
