"""Describe what the units share that normalize whole rows of scores: configuration and running sum.

A row is a sequence of beats of ``lanes`` scores; its length is that of the data. Such a unit reads
a row twice: it adds up while the row comes in and lies in a buffer, and normalizes when it goes
out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from consilico.golden.config import Config, choice
from consilico.golden.lazy import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["RowConfig", "RunningSum", "running_sum"]

_LANES = (1, 2, 4, 8, 16, 32, 64)
_ROWS = (16, 64, 256, 1024, 4096)
_MOST_WORDS = 1024  # of a buffer of flip-flops or latches


@dataclass(frozen=True, kw_only=True)
class RowConfig(Config):
    """Parameters that all units for whole rows share."""

    lanes: int = choice(1, _LANES, "scores per cycle")
    row: int = choice(256, _ROWS, "scores of the longest row")
    buffer: str = choice("latch", ("flop", "latch", "sram"), "what the row buffer is made of")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.row < 4 * self.lanes:
            raise ValueError(f"row must be at least 4 lanes = {4 * self.lanes}, not {self.row}")
        if self.beats > _MOST_WORDS and self.buffer != "sram":
            raise ValueError(
                f"buffer must be sram for {self.beats} words, more than {_MOST_WORDS}, "
                f"not {self.buffer!r}"
            )

    @property
    def score_width(self) -> int:
        """Return the number of bits of a score, which is signed."""
        return 8

    @property
    def beats(self) -> int:
        """Return the number of beats of the longest row, a power of two."""
        return self.row // self.lanes

    @property
    def word_bits(self) -> int:
        """Return the number of bits that the row buffer keeps of a beat: scores, mask bits."""
        return self.lanes * (self.score_width + 1)


class RunningSum(NamedTuple):
    """Running sum of a row, relative to its greatest score."""

    greatest: Tensor  # int64, shape (rows,)
    total: Tensor  # int64, shape (rows,)


def running_sum(
    reference: Tensor,
    least: int,
    addend: Callable[[int, Tensor], Tensor],
    rescaled: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> RunningSum:
    """Add up rows beat by beat, relative to the greatest reference so far.

    In each beat the greatest reference is updated first. Then the sum so far is rescaled to it, and
    what the scores of the beat add is taken relative to it.

    Args:
        reference: What the maximum is taken of, int64, shape ``(rows, beats, lanes)``; ``least``
            where a score is masked.
        least: The least reference there is, which the maximum starts from.
        addend: What a beat adds, given its number and by how much the greatest reference exceeds
            each of its own, shape ``(rows, lanes)``; returns shape ``(rows,)``.
        rescaled: The new sum, given the old one, by how much the greatest reference has grown, and
            what the beat adds, all of shape ``(rows,)``.
    """
    rows, beats, _ = reference.shape
    greatest = torch.full((rows,), least, dtype=torch.int64)
    total = torch.zeros(rows, dtype=torch.int64)
    for beat in range(beats):
        top = torch.maximum(greatest, reference[:, beat].amax(dim=1))
        added = addend(beat, top[:, None] - reference[:, beat])
        total = rescaled(total, top - greatest, added)
        greatest = top
    return RunningSum(greatest, total)
