"""Specify ``matmul/fused_dot``: 1, 2 or 4 products per lane, selected at run time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consilico.golden.config import Config, integer
from consilico.golden.lazy import torch
from consilico.golden.matmul.dot import wrap
from consilico.golden.matmul.operand import sum_width

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FUSED_MODES", "FusedDotConfig", "fused_dot"]

FUSED_MODES = ("int8", "int8_int4", "int4")  # of activations and weights: 1, 2, 4 products per lane


@dataclass(frozen=True, kw_only=True)
class FusedDotConfig(Config):
    """Parameters of a dot product whose lanes compute 1, 2 or 4 products per beat."""

    lanes: int = integer(16, 1, 256, "lanes: INT8 x INT8 products per beat")
    depth: int = integer(
        4096, 1, 1 << 20, "INT8 x INT8 products of the longest sum that cannot overflow"
    )

    @property
    def sum_width(self) -> int:
        """Return the number of bits of a result, signed.

        Four INT4 x INT4 products are smaller in magnitude than one INT8 x INT8 product, so the
        latter decides.
        """
        return sum_width(max(self.depth, self.lanes), -128 * 127, 128 * 128)

    @property
    def beat_width(self) -> int:
        """Return the number of bits of one beat's sum, signed."""
        return sum_width(self.lanes, -128 * 127, 128 * 128)


def fused_dot(x: Tensor, w: Tensor, last: Tensor, mode: Tensor, config: FusedDotConfig) -> Tensor:
    """Return the sums of products, one for each beat with ``last``; every beat has its own mode.

    A sum wraps at the width of a result, which holds ``depth`` INT8 x INT8 products.

    Args:
        x: int64, shape ``(beats, lanes)``, 16 bits per lane, lowest operand first: one or two INT8
            activations, or four INT4 activations. Mode ``int8`` uses the lower 8 bits only.
        w: int64, the same shape: one INT8 weight, or two or four INT4 weights.
        last: Bool, shape ``(beats,)``: the beat ends a sum.
        mode: int64, shape ``(beats,)``, index into :data:`FUSED_MODES`.
        config: The unit.

    Returns:
        int64, shape ``(sums,)``.
    """
    by_mode = [
        _parts(x, 8)[..., :1] * _parts(w, 8)[..., :1],
        _parts(x, 8) * _parts(w, 4)[..., :2],
        _parts(x, 4) * _parts(w, 4),
    ]
    beats = torch.stack([products.sum(dim=(1, 2)) for products in by_mode])
    chosen = beats.gather(0, mode[None])[0]
    until = torch.cat([torch.zeros(1, dtype=torch.int64), chosen.cumsum(0)[last]])
    return wrap(until.diff(), config.sum_width)


def _parts(lanes: Tensor, width: int) -> Tensor:
    """Return the signed numbers that 16 bits hold, shape ``(..., 16 / width)``, lowest first."""
    return wrap(lanes[..., None] >> torch.arange(0, 16, width), width)
