"""Specify ``training/project``: INT4 projection matrices times INT8 gradients, and back.

Q-GaLore (arXiv 2407.08296, section 3.3) keeps projection matrices in INT4. Projecting down sums
over the short side of the gradient: the groups of one projection vector follow one another in a
sum, each with its own scale and zero point. Projecting back sums over the rank: the groups lie side
by side, so their scales are folded into the operand beforehand, once per group, and the unit sees
zero points that change from beat to beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from consilico.golden.config import Config, choice, integer
from consilico.golden.lazy import torch
from consilico.golden.matmul.dot import wrap
from consilico.golden.matmul.group_dot import HEADROOM, SUM, fixed_scale, scaled_sums
from consilico.golden.matmul.systolic import SystolicConfig

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ProjectBeats",
    "ProjectConfig",
    "ProjectResult",
    "Projection",
    "back_beats",
    "down_beats",
    "project",
]


@dataclass(frozen=True, kw_only=True)
class _Array(SystolicConfig):
    w: str = choice("int5", ("int5",), "differences of a code and its zero point")


@dataclass(frozen=True, kw_only=True)
class ProjectConfig(Config):
    """Parameters of a unit that multiplies INT8 gradients by INT4 projection matrices (Q-GaLore).

    One result after another is scaled while the next group is summed up. The unit takes one beat
    per cycle where a group has at least ``cycles`` beats; groups of half the greatest length always
    do.
    """

    rows: int = integer(4, 2, 16, "gradient vectors of a tile")
    columns: int = integer(4, 1, 16, "projection vectors of a tile")
    group: int = integer(256, 16, 4096, "greatest number of beats of a group")

    @cached_property
    def array(self) -> SystolicConfig:
        """Return the parameters of the array whose cells hold the sums of a group."""
        return _Array(
            rows=self.rows,
            columns=self.columns,
            dataflow="output_stationary",
            depth=self.group,
        )

    @property
    def multiplier_width(self) -> int:
        """Return the bits of a scale's magnitude as an integer in units of the shared exponent."""
        return 8 + HEADROOM

    @property
    def slots(self) -> int:
        """Return the number of cycles in which a result is scaled.

        It is as large as possible while groups of half the greatest length do not wait for the
        scaler.
        """
        return next((n for n in (16, 8, 4, 2) if self._cycles(n) <= self.group // 2), 1)

    @property
    def slice_width(self) -> int:
        """Return how many bits of a group's sum are scaled per cycle."""
        return SUM // self.slots

    @property
    def results(self) -> int:
        """Return the number of results in a tile."""
        return self.rows * self.columns

    @property
    def cycles(self) -> int:
        """Return the least number of cycles between the last beats of two groups."""
        return self._cycles(self.slots)

    @property
    def scales_slowly(self) -> bool:
        """Return whether scaling a result takes longer than a last beat takes to get there."""
        return self.slots + 1 > self._passage

    @property
    def _passage(self) -> int:
        """Return the cycles from a group's last beat to the first cycle that scales a result."""
        return self.array.cluster_rows + self.array.cluster_columns + 3

    def _cycles(self, slots: int) -> int:
        return max(self._passage, slots + 1) + (self.results - 1) * (slots + 1)


class ProjectBeats(NamedTuple):
    """Operands of the unit, in order."""

    x: Tensor  # int64, shape (beats, rows), INT8 activations
    q: Tensor  # int64, shape (beats, columns), codes 0 to 15
    zero: Tensor  # int64, the same shape, their zero points, 0 to 15
    scale: Tensor  # int64, the same shape, bf16 bit patterns, of the group that the beat ends
    last: Tensor  # bool, shape (beats,): the beat ends a group
    end: Tensor  # bool, shape (beats,): that group is the last of a sum


class ProjectResult(NamedTuple):
    """Results of the tiles that ended."""

    sum: Tensor  # int64, shape (tiles, rows, columns), wrapped to 32 bits
    overflow: Tensor  # bool, the same shape: a partial sum or a scale was out of range


def project(beats: ProjectBeats, exponent: int | Tensor, config: ProjectConfig) -> ProjectResult:
    """Return the sums over groups of ``s * sum((q - z) * x)``, for each element of tiles.

    The sum of a group of more than ``config.group`` beats wraps at the width of the array's sums.
    Beats after the last one that ends a group give no result.

    Args:
        beats: The operands.
        exponent: Biased exponent that the results share: 1 in a sum counts ``2 ** (exponent -
            134)``. Where it changes within a sum, it is int64 of shape ``(beats,)``, and a group is
            scaled by that of its last beat.
        config: The unit.
    """
    products = beats.x[:, :, None] * (beats.q - beats.zero)[:, None, :]
    until = torch.cat([products.new_zeros(1, *products.shape[1:]), products.cumsum(0)[beats.last]])
    of_group = exponent if isinstance(exponent, int) else exponent[beats.last][:, None]
    multiplier, too_great = fixed_scale(beats.scale[beats.last], of_group)
    sums = wrap(until.diff(dim=0), config.array.sum_width)
    terms = sums * multiplier[:, None, :]
    flags = too_great[:, None, :].expand(terms.shape)
    return ProjectResult(*scaled_sums(terms, flags, beats.end[beats.last]))


@dataclass(frozen=True, kw_only=True)
class Projection:
    """An INT4 projection matrix with one vector per row.

    It stands for ``scale * (code - zero)``.

    Raises:
        ValueError: If the groups do not divide the vectors, shapes differ, or codes or zero points
            are out of range.
    """

    codes: Tensor  # int64, shape (rank, length), 0 to 15
    zero: Tensor  # int64, shape (rank, groups), 0 to 15
    scale: Tensor  # int64, shape (rank, groups), bf16 bit patterns

    def __post_init__(self) -> None:
        rank, length = self.codes.shape
        groups = self.zero.shape[1]
        if self.zero.shape != self.scale.shape or len(self.zero) != rank or length % groups:
            raise ValueError(
                f"zero and scale must have shape (rank, groups) with groups dividing the {length} "
                f"columns of codes, not {tuple(self.zero.shape)} and {tuple(self.scale.shape)}"
            )
        for name, values in (("codes", self.codes), ("zero", self.zero)):
            if values.min() < 0 or values.max() > 15:
                raise ValueError(f"{name} must be in [0, 15], not {values.min()} to {values.max()}")

    @property
    def group(self) -> int:
        """Return the number of codes that share a scale and a zero point."""
        return self.codes.shape[1] // self.zero.shape[1]


def down_beats(x: Tensor, projection: Projection, config: ProjectConfig) -> ProjectBeats:
    """Return the beats of ``x @ projection.T``, tile by tile, along the rank first.

    Args:
        x: INT8 codes, int64, shape ``(vectors, length)``.
        projection: The projection.
        config: The unit.

    Raises:
        ValueError: If lengths differ, codes are not INT8, or a group is longer than the unit's.
    """
    if x.dim() != 2 or x.shape[1] != projection.codes.shape[1]:
        raise ValueError(
            f"x must have {projection.codes.shape[1]} columns, not shape {tuple(x.shape)}"
        )
    group = projection.group
    if group > config.group:
        raise ValueError(f"group must be at least {group}, the projection's, not {config.group}")
    zero, scale = (
        part.T.repeat_interleave(group, 0) for part in (projection.zero, projection.scale)
    )
    last = torch.arange(1, x.shape[1] + 1) % group == 0
    tiles = [
        _tile(rows, projection.codes.T[:, part], zero[:, part], scale[:, part], last)
        for rows in _rows(x, config)
        for part in _parts(len(projection.codes), config.columns)
    ]
    return _joined(tiles, config)


def back_beats(
    low: Tensor, projection: Projection, scale: int, config: ProjectConfig
) -> ProjectBeats:
    """Return the beats of ``low @ projection``, tile by tile, along the length first.

    Args:
        low: INT8 codes of what is brought back times the scales of each group, int64, shape
            ``(groups, vectors, rank)``.
        projection: The projection; its scales are not used.
        scale: bf16 bit pattern: one scale for all results.
        config: The unit.

    Raises:
        ValueError: If shapes differ or codes are not INT8.
    """
    rank, groups = projection.zero.shape
    if low.dim() != 3 or low.shape[0] != groups or low.shape[2] != rank:
        raise ValueError(f"low must have shape ({groups}, vectors, {rank}), not {tuple(low.shape)}")
    last = torch.arange(1, rank + 1) % config.group == 0
    last[-1] = True
    tiles = []
    for group, place in enumerate(_parts(projection.codes.shape[1], projection.group)):
        codes = projection.codes[:, place]
        for rows in _rows(low[group], config):
            for columns in _parts(projection.group, config.columns):
                q = codes[:, columns]
                zero = projection.zero[:, group : group + 1].expand(q.shape)
                tiles.append(_tile(rows, q, zero, torch.full_like(q, scale), last))
    return _joined(tiles, config)


def _rows(x: Tensor, config: ProjectConfig) -> list[Tensor]:
    """Return the tiles of rows of an operand after checking that its codes are INT8."""
    if x.min() < -128 or x.max() > 127:
        raise ValueError(f"x must be INT8 codes, not {int(x.min())} to {int(x.max())}")
    return [x[part] for part in _parts(len(x), config.rows)]


def _parts(count: int, size: int) -> list[slice]:
    """Return slices of at most ``size`` that cover ``count`` items."""
    return [slice(first, first + size) for first in range(0, count, size)]


def _tile(rows: Tensor, q: Tensor, zero: Tensor, scale: Tensor, last: Tensor) -> ProjectBeats:
    return ProjectBeats(rows.T, q, zero, scale, last, torch.arange(len(q)) == len(q) - 1)


def _joined(tiles: list[ProjectBeats], config: ProjectConfig) -> ProjectBeats:
    """Join tiles one after another; lanes beyond a matrix are 0."""
    widths = (config.rows, config.columns, config.columns, config.columns)
    parts = [
        torch.cat(
            [
                torch.nn.functional.pad(tile[index], (0, width - tile[index].shape[1]))
                for tile in tiles
            ]
        )
        for index, width in enumerate(widths)
    ]
    flags = (torch.cat([tile[index] for tile in tiles]) for index in (4, 5))
    return ProjectBeats(*parts, *flags)
