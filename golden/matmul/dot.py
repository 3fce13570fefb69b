"""Specify ``matmul/dot``: dot products of integer codes, accumulated over beats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from consilico.golden.config import Config, choice, integer
from consilico.golden.lazy import torch
from consilico.golden.matmul.operand import Operands, sum_width

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DotConfig", "DotResult", "dot", "wrap"]


@dataclass(frozen=True, kw_only=True)
class DotConfig(Operands, Config):
    """Parameters of a unit that computes ``sum(x * w)``, with ``lanes`` products per beat.

    With ``w="uint4"`` a weight code ``w`` stands for ``w - zero_point``, where the zero point is a
    run-time constant.
    """

    lanes: int = integer(16, 1, 256, "products per beat")
    x: str = choice("int8", ("int8", "int4"), "activations, signed")
    w: str = choice("int8", ("int8", "int4", "uint4"), "weights; uint4 has a zero point")
    depth: int = integer(4096, 1, 1 << 20, "products of the longest sum that cannot overflow")
    accumulator: int = integer(
        0, 0, 40, "bits of a saturating sum; 0: as many as depth needs, none saturates"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.w == "int8" and self.x == "int4":
            raise ValueError("w must be int4 or uint4 with x=int4, not int8: exchange the operands")
        if self.accumulator and self.accumulator < self.beat_width:
            raise ValueError(
                f"accumulator must be 0 or at least {self.beat_width}, the bits of one beat's sum, "
                f"not {self.accumulator}"
            )
        if self.accumulator >= self.full_width:
            raise ValueError(
                f"accumulator must be 0 or below {self.full_width}, with which no sum of depth "
                f"{self.depth} saturates, not {self.accumulator}"
            )

    @property
    def beat_width(self) -> int:
        """Return the number of bits of one beat's sum, signed."""
        return sum_width(self.lanes, *self.product_range)

    @property
    def full_width(self) -> int:
        """Return the number of bits with which no sum of ``depth`` products overflows, signed."""
        return max(self.beat_width, sum_width(self.depth, *self.product_range))

    @property
    def saturates(self) -> bool:
        """Return whether partial sums saturate after every beat."""
        return self.accumulator != 0

    @property
    def sum_width(self) -> int:
        """Return the number of bits of a result, signed."""
        return self.accumulator or self.full_width


class DotResult(NamedTuple):
    """Sums that ended, in order."""

    sum: Tensor  # int64, shape (sums,)
    saturated: Tensor  # bool, shape (sums,): a partial sum was beyond the accumulator


def wrap(value: Tensor, width: int) -> Tensor:
    """Return values reduced to two's complement of ``width`` bits, as a register keeps them."""
    half = 1 << (width - 1)
    return ((value + half) & ((1 << width) - 1)) - half


def dot(x: Tensor, w: Tensor, last: Tensor, zero_point: Tensor, config: DotConfig) -> DotResult:
    """Return the sums of products, one for each beat with ``last``.

    A sum that does not saturate wraps when it has more than ``depth`` products. A sum that has
    begun but not ended gives no result.

    Args:
        x: Signed activations, int64, shape ``(beats, lanes)``.
        w: Weights, int64, shape ``(beats, lanes)``: signed, or 0 to 15 with ``w="uint4"``.
        last: Bool, shape ``(beats,)``: the beat ends a sum.
        zero_point: int64, shape ``(beats,)``: the zero point of each beat's weights with
            ``w="uint4"``, otherwise 0.
        config: The unit.
    """
    beats = (x * (w - zero_point[:, None])).sum(dim=1)
    ends = torch.nonzero(last).flatten()
    if not config.saturates:
        until = torch.cat([torch.zeros(1, dtype=torch.int64), beats.cumsum(0)[ends]])
        sums = wrap(until.diff(), config.sum_width)
        return DotResult(sums, torch.zeros(len(ends), dtype=torch.bool))
    limit = 1 << (config.sum_width - 1)
    clamped: list[tuple[int, bool]] = []
    total, over = 0, False
    for value, ended in zip(beats.tolist(), last.tolist(), strict=True):
        exact = total + value
        total = min(max(exact, -limit), limit - 1)
        over |= total != exact
        if ended:
            clamped.append((total, over))
            total, over = 0, False
    result = torch.tensor(clamped, dtype=torch.int64).reshape(-1, 2)
    return DotResult(result[:, 0], result[:, 1].bool())
