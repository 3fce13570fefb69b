"""Specify ``consmax/paper``, the unit of arXiv 2402.10930 built literally.

It is the reference that the other ConSmax units are measured against.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consilico.golden.attention.consmax_split import SplitConstants, look_up
from consilico.golden.config import Config

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PaperConfig", "consmax_paper"]


@dataclass(frozen=True, kw_only=True)
class PaperConfig(Config):
    """Parameters of the paper's unit: there are none to choose."""


def consmax_paper(score: Tensor, constants: SplitConstants) -> Tensor:
    """Compute results as the paper's unit does: no mask, and a multiplier that truncates.

    Args:
        score: INT8 codes, int64, any shape.
        constants: Tables of the head.

    Returns:
        bf16 bit patterns, int64, same shape.
    """
    return look_up(score, constants.tables, truncate=True).bits
