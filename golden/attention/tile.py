"""Specify ``attention/tile``: scores, normalization and weighted sums of values in one unit.

A tile is made of units of the catalogue: an output-stationary ``matmul/systolic`` for the scores,
``matmul/requant``, a ConSmax unit and a weight-stationary ``matmul/systolic`` for the sums of
values. Its golden model is therefore the composition of theirs. A *job* is the queries of one head
that the first array holds at a time, against all keys that they see; its *key tiles* are groups of
``columns`` keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from consilico.golden.attention.consmax_base2 import Base2Config, Base2Constants, consmax_base2
from consilico.golden.attention.consmax_log2 import Log2Config, Log2Constants, consmax_log2
from consilico.golden.attention.consmax_split import SplitConfig, SplitConstants, consmax_split
from consilico.golden.config import Config, choice, integer
from consilico.golden.lazy import torch
from consilico.golden.matmul import systolic
from consilico.golden.matmul.requant import ChannelScale, RequantConfig, requant
from consilico.golden.matmul.systolic import SystolicConfig

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "SLICE",
    "Constants",
    "TileBeats",
    "TileConfig",
    "TileJob",
    "UnsignedArray",
    "attention",
    "beat_results",
    "job_beats",
    "key_masks",
]

SLICE = 7  # bits of a normalized score in a signed INT8 operand
_P_BITS = {"int7": SLICE, "2xint7": 2 * SLICE, "uint8": 8}
_ARRAY = 64  # columns of one array for values; longer values take two

Constants = Log2Constants | Base2Constants | SplitConstants
_NORMALIZERS: dict[str, type[Log2Config | Base2Config | SplitConfig]] = {
    "consmax/log2": Log2Config,
    "consmax/base2": Base2Config,
    "consmax/split": SplitConfig,
}


@dataclass(frozen=True, kw_only=True)
class UnsignedArray(SystolicConfig):
    """Array whose activations are unsigned bytes, which its cells take as signed 9-bit numbers."""

    @property
    def x_width(self) -> int:
        """Return the number of bits of an activation with a sign, which is 0."""
        return 9

    @property
    def x_range(self) -> tuple[int, int]:
        """Return the least and the greatest activation."""
        return 0, 255


@dataclass(frozen=True, kw_only=True)
class TileConfig(Config):
    """Parameters of an attention tile.

    Raises:
        ValueError: If a field is out of range, ``head_dim`` is below ``columns`` (the rows of
            values of a key tile come along with its keys, one beat per element), or it is odd and
            above 64, where two arrays share the elements of a value.
    """

    rows: int = integer(4, 2, 64, "queries of a job, at most")
    columns: int = integer(4, 2, 64, "keys of a key tile, scores per cycle")
    head_dim: int = integer(8, 2, 128, "elements of a query, a key and a value")
    tokens: int = integer(4096, 1, 1 << 20, "keys of a job, at most")
    normalizer: str = choice("consmax/log2", _NORMALIZERS, "unit that normalizes scores")
    p_format: str = choice(
        "int7", _P_BITS, "normalized score: 7 bits without a sign, two such slices, or 8 bits"
    )
    multiplier_width: int = integer(16, 4, 32, "bits of the requantizer's multiplier, unsigned")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head_dim < self.columns:
            raise ValueError(
                f"head_dim must be at least columns = {self.columns}, not {self.head_dim}"
            )
        if self.head_dim > _ARRAY and self.head_dim % 2:
            raise ValueError(f"head_dim must be even above {_ARRAY}, not {self.head_dim}")

    @property
    def slices(self) -> int:
        """Return the operands that a normalized score takes in the array for values."""
        return 2 if self.p_format == "2xint7" else 1

    @property
    def p_bits(self) -> int:
        """Return the bits of a normalized score, unsigned, all of them behind the point."""
        return _P_BITS[self.p_format]

    @property
    def scores(self) -> SystolicConfig:
        """Return the array for scores: queries x keys."""
        return SystolicConfig(
            rows=self.rows, columns=self.columns, dataflow="output_stationary",
            depth=self.head_dim, extent=max(self.rows, self.tokens),
        )  # fmt: skip

    @property
    def requantizer(self) -> RequantConfig:
        """Return the requantizer, a lane per key."""
        return RequantConfig(lanes=self.columns, multiplier_width=self.multiplier_width)

    @property
    def normalizing(self) -> Log2Config | Base2Config | SplitConfig:
        """Return the ConSmax unit, a lane per key."""
        bits = self.p_bits
        return _NORMALIZERS[self.normalizer](
            lanes=self.columns, output="fixed", fixed_width=bits, fixed_fraction=bits
        )

    @property
    def value_arrays(self) -> int:
        """Return the number of arrays for values, which share out the elements of a value."""
        return -(-self.head_dim // _ARRAY)

    @property
    def values(self) -> SystolicConfig:
        """Return each array for values: keys x elements."""
        kind = UnsignedArray if self.p_format == "uint8" else SystolicConfig
        return kind(
            rows=self.columns, columns=self.head_dim // self.value_arrays,
            block=self.slices * self.rows, depth=self.tokens,
        )  # fmt: skip

    @property
    def result_width(self) -> int:
        """Return the bits of a result, signed; no sum overflows."""
        return self.values.sum_width + SLICE * (self.slices - 1)

    def key_tiles(self, keys: int) -> int:
        """Return the number of key tiles that so many keys take."""
        return -(-keys // self.columns)


@dataclass(frozen=True, kw_only=True)
class TileJob:
    """Sizes and constants of one job."""

    rows: int  # queries
    keys: int  # of all queries together
    seen: int  # keys that the first query sees; each further query sees one more, up to all
    scale: ChannelScale  # from sums to codes of scores
    head: Constants  # of the normalizer

    def check(self, config: TileConfig) -> None:
        """Refuse a job that a tile cannot hold.

        Raises:
            ValueError: If ``rows``, ``keys`` or ``seen`` is out of range; the message names it.
        """
        for name, low, high in (
            ("rows", 1, config.rows),
            ("keys", 1, config.tokens),
            ("seen", 0, config.tokens),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be in [{low}, {high}], not {value}")


class TileBeats(NamedTuple):
    """Operands of a job in the order of the stream."""

    q: Tensor  # int64, shape (beats, rows)
    k: Tensor  # int64, shape (beats, columns)
    v: Tensor  # int64, shape (beats, head_dim)


def key_masks(job: TileJob) -> Tensor:
    """Return which keys a query does not see, bool, shape ``(rows, keys)``."""
    return torch.arange(job.keys) >= job.seen + torch.arange(job.rows)[:, None]


def attention(q: Tensor, k: Tensor, v: Tensor, job: TileJob, config: TileConfig) -> Tensor:
    """Return the weighted sums of values of a job, as the tile computes them, bit for bit.

    Args:
        q: INT8 codes, int64, shape ``(rows, head_dim)``.
        k: INT8 codes, int64, shape ``(keys, head_dim)``.
        v: INT8 codes, int64, shape ``(keys, head_dim)``.
        job: Sizes and constants.
        config: The unit.

    Returns:
        int64, shape ``(rows, head_dim)``: sums of ``p * v``, with ``p`` in units of
        ``2 ** -p_bits``.

    Raises:
        ValueError: If the job does not fit the unit, shapes do not match or a code is out of range.
    """
    job.check(config)
    if v.shape != k.shape:
        raise ValueError(f"k and v must have one shape, not {tuple(k.shape)}, {tuple(v.shape)}")
    if v.min() < -128 or v.max() > 127:
        raise ValueError(f"v must be INT8 codes, not {int(v.min())} to {int(v.max())}")
    return _weighted(systolic.matmul(q, k.T, config.scores), v, job, config)


def beat_results(beats: TileBeats, job: TileJob, config: TileConfig) -> Tensor:
    """Return the results of a job from its beats, whatever is in lanes beyond queries and keys.

    This is :func:`job_beats` the other way round.

    Args:
        beats: All beats of the job.
        job: Sizes and constants.
        config: The unit.

    Returns:
        int64, shape ``(rows, head_dim)``, as :func:`attention`.

    Raises:
        ValueError: If the job does not fit the unit.
    """
    job.check(config)
    depth, tiles = config.head_dim, config.key_tiles(job.keys)
    q, k, v = (part.reshape(tiles, depth, -1) for part in beats)
    sums = (q.mT @ k).transpose(0, 1).reshape(config.rows, -1)[: job.rows, : job.keys]
    return _weighted(sums, v[:, : config.columns].reshape(-1, depth)[: job.keys], job, config)


def _weighted(sums: Tensor, v: Tensor, job: TileJob, config: TileConfig) -> Tensor:
    """Requantize and normalize sums of scores, and return the weighted sums of values."""
    multiplier, shift = (torch.full_like(sums, part) for part in job.scale)
    code = requant(sums, multiplier, shift, 0, config.requantizer).code
    return _normalized(code, key_masks(job), job.head, config) @ v


def _normalized(code: Tensor, mask: Tensor, head: Constants, config: TileConfig) -> Tensor:
    """Return normalized scores as unsigned numbers, the same shape as the codes."""
    unit = config.normalizing
    if isinstance(unit, Log2Config) and isinstance(head, Log2Constants):
        return consmax_log2(code, mask, head, unit).data
    if isinstance(unit, Base2Config) and isinstance(head, Base2Constants):
        return consmax_base2(code, mask, head, unit).data
    if isinstance(unit, SplitConfig) and isinstance(head, SplitConstants):
        return consmax_split(code, mask, head, unit).data
    raise ValueError(f"head must be constants of {config.normalizer}, not {type(head).__name__}")


def job_beats(q: Tensor, k: Tensor, v: Tensor, config: TileConfig) -> TileBeats:
    """Return the beats of a job.

    A key tile takes ``head_dim`` beats. Beat ``i`` carries element ``i`` of all queries, element
    ``i`` of the tile's keys and, in the first ``columns`` beats, the value of key ``i`` of the
    tile. Lanes beyond the queries and keys of the job are 0.

    Args:
        q: As for :func:`attention`.
        k: As for :func:`attention`.
        v: As for :func:`attention`.
        config: The unit.
    """
    pad = torch.nn.functional.pad
    size, depth = config.columns, config.head_dim
    tiles = config.key_tiles(len(k))
    queries = pad(q, (0, 0, 0, config.rows - len(q))).T
    keys, values = (pad(part, (0, 0, 0, tiles * size - len(part))) for part in (k, v))
    beats = keys.reshape(tiles, size, depth).mT.reshape(-1, size)
    rows = pad(values.reshape(tiles, size, depth), (0, 0, 0, depth - size))
    return TileBeats(queries.repeat(tiles, 1), beats, rows.reshape(-1, depth))
