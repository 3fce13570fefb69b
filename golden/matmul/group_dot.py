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

HEADROOM = 4  # a bf16 scale may lie up to 2 ** HEADROOM above the shared exponent's binade


@dataclass(frozen=True, kw_only=True)
class GroupDotConfig(Config):
    """Parameters of a unit that computes the sum over groups of ``s * sum((q - z) * x)``.

    ``q`` are INT4 weights, ``x`` INT8 activations, ``s`` and ``z`` the scale and the zero point of
    a group. Results are INT32 in units of an exponent that all groups of a sum share, a run-time
    constant, or are converted to bf16. INT8 scales need that exponent for bf16 results only, where
    it is the exponent of the first-level scale.
    """

    lanes: int = choice(16, (4, 8, 16, 32), "products per beat; divides every group")
    group: int = choice(128, (32, 64, 128, 256), "weights that share scale and zero point")
    scale: str = choice(
        "bf16", ("bf16", "int8"), "bf16, or unsigned second-level scales as in VS-Quant"
    )
    output: str = choice("int32", ("int32", "bf16"), "INT32 with a shared exponent, or bf16")

    @property
    def has_exponent(self) -> bool:
        """Return whether the unit has a shared exponent to load."""
        return "bf16" in (self.scale, self.output)

    @property
    def result_width(self) -> int:
        """Return the number of bits of a result."""
        return SUM if self.output == "int32" else 16

    @property
    def beats(self) -> int:
        """Return the number of beats in a group."""
        return self.group // self.lanes

    @property
    def scale_width(self) -> int:
        """Return the number of bits of a scale on the stream."""
        return 8 if self.scale == "int8" else 16

    @property
    def multiplier_width(self) -> int:
        """Return the bits of a scale's magnitude as an integer in units of the shared exponent."""
        return 8 if self.scale == "int8" else 8 + HEADROOM

    @property
    def group_width(self) -> int:
        """Return the number of bits of a group's sum, signed."""
        return sum_width(self.group, -128 * 15, 128 * 15)

    @property
    def slice_width(self) -> int:
        """Return how many bits of a group's sum are scaled per cycle.

        It is large enough for a group to be scaled before the next one is complete.
        """
        return max(2, SUM // self.beats)

    @property
    def slots(self) -> int:
        """Return the number of cycles in which a group's sum is scaled."""
        return SUM // self.slice_width


class GroupDotResult(NamedTuple):
    """Sums that ended, in order."""

    sum: Tensor  # int64, shape (sums,), wrapped to 32 bits; or its bf16 bit pattern
    overflow: Tensor  # bool, shape (sums,): a partial sum, a scale or the result out of range


def fixed_scale(scale: Tensor, exponent: int | Tensor) -> tuple[Tensor, Tensor]:
    """Convert bf16 scales to integers in units of ``2 ** (exponent - 134)``, rounding half up.

    The conversion is exact for scales from the binade of ``exponent`` to the one ``2 ** 4`` above
    it. Below, it errs by up to half a unit. Above, the magnitude saturates at ``2 ** 12 - 1``.

    Args:
        scale: bf16 bit patterns, int64, any shape; exponent 0 is zero.
        exponent: Biased bf16 exponent that defines the unit, or int64, broadcastable to ``scale``.

    Returns:
        A pair of tensors of the same shape: signed integers of magnitude below ``2 ** 12``, and
        bool, whether the magnitude saturated.
    """
    biased = scale >> 7 & 255
    significand = torch.where(biased == 0, 0, (scale & 127) | 128)
    right = exponent + HEADROOM - biased
    guarded = (significand << (HEADROOM + 1)) >> right.clamp(0, 15)
    over = (right < 0) & (significand != 0)
    magnitude = torch.where(over, (256 << HEADROOM) - 1, (guarded + 1) >> 1)
    return torch.where(scale >> 15 == 1, -magnitude, magnitude), over


def group_dot(
    x: Tensor,
    q: Tensor,
    zero: Tensor,
    scale: Tensor,
    end: Tensor,
    exponent: int | Tensor,
    config: GroupDotConfig,
) -> GroupDotResult:
    """Return the sums over groups of ``s * sum((q - z) * x)``, one for each group with ``end``.

    The conversion of bf16 scales by :func:`fixed_scale` is the only error of an INT32 result that
    is not flagged by ``overflow``. It amounts to at most half a unit of the shared exponent times
    ``sum((q - z) * x)``, for each group whose scale lies below that exponent's binade. With
    ``output="bf16"`` the sum is then rounded to nearest even.

    Args:
        x: Signed INT8 activations, int64, shape ``(groups, group)``.
        q: Weight codes 0 to 15, int64, the same shape.
        zero: Zero points 0 to 15, int64, shape ``(groups,)``, or that of ``q`` where the beats of a
            group have zero points of their own.
        scale: Scales, int64, shape ``(groups,)``: 0 to 255, or bf16 bit patterns with sign.
        end: Bool, shape ``(groups,)``: the group is the last of a sum.
        exponent: Biased exponent that the results share: 1 in a sum counts ``2 ** (exponent -
            134)``. It is not used with INT8 scales and INT32 results. Where it changes within a
            sum, it is int64 of shape ``(groups,)``: every group is scaled by its own, and a bf16
            result has that of its last group.
        config: The unit.
    """
    if config.scale == "bf16":
        multiplier, too_great = fixed_scale(scale, exponent)
    else:
        multiplier, too_great = scale, torch.zeros(len(scale), dtype=torch.bool)
    result, overflow = scaled_sums(
        (x * (q - (zero[:, None] if zero.dim() == 1 else zero))).sum(dim=1) * multiplier,
        too_great,
        end,
    )
    if config.output == "bf16":
        of_sum = exponent if isinstance(exponent, int) else exponent[end]
        result, beyond = from_integer(result, of_sum)
        overflow |= beyond
    return GroupDotResult(result, overflow)


def scaled_sums(terms: Tensor, too_great: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Add up the scaled sums of groups, wrapping to 32 bits after every group.

    Args:
        terms: Sums of groups times their scales, int64, shape ``(groups, ...)``.
        too_great: Bool, shape ``(groups, ...)``: the group's scale was out of range.
        end: Bool, shape ``(groups,)``: the group is the last of a sum.

    Returns:
        Sums, int64, shape ``(sums, ...)``; and bool of the same shape, whether a partial sum or a
        scale was out of range.
    """
    number = end.cumsum(0) - end.long()  # of the sum that each group belongs to
    until = terms.cumsum(0)
    starts = torch.cat([terms.new_zeros(1, *terms.shape[1:]), until[end]])
    totals = wrap(until - starts[number], SUM)
    begins = torch.cat([end.new_ones(1), end[:-1]])[: len(end)]
    before = torch.where(_column(begins, terms), 0, totals.roll(1, 0))
    over = too_great | (before + terms != totals)
    overs = over.cumsum(0)[end]
    counts = torch.cat([overs.new_zeros(1, *overs.shape[1:]), overs]).diff(dim=0)
    return totals[end], counts > 0


def _column(values: Tensor, like: Tensor) -> Tensor:
    """Return values, one for each group, so that they broadcast to a tensor of groups."""
    return values.reshape(-1, *(1 for _ in like.shape[1:]))
