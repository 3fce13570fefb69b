"""A chip for inference: attention tiles, lanes for products with a vector, vector lanes, memories.

A tile has an output-stationary array of ``rows`` x ``columns`` INT8 cells for scores, and as many
weight-stationary arrays behind it as the elements of a value need (at most 64 columns each). All of
them multiply activations with weights, too.
"""

import re
from dataclasses import dataclass
from functools import cache, cached_property

from consilico.golden.config import Config, check_fields, integer
from consilico.golden.matmul.dot import DotConfig
from consilico.golden.matmul.group_dot import GroupDotConfig
from consilico.golden.matmul.sparse_dot import SparseDotConfig
from consilico.golden.matmul.systolic import SystolicConfig
from consilico.sim.accelerator.accelerator import Dram
from consilico.sim.base.errors import UserError

__all__ = ["UNIT_LANES", "WEIGHTS", "Chip", "WeightFormat", "tile_size", "weight_format"]

UNIT_LANES = 32  # of a dot-product unit: as many as all three kinds of units can have
WEIGHTS = "int8, int4-g32, int4-g64, int4-g128, int4-g256, 2:4"
"""Formats of weights, as the answer names them."""

_WIDEST = 64  # columns of an array
_LARGE = 1 << 20  # sizes of a job that the counters of these arrays are built for
_SCALE_BITS, _ZERO_BITS = 16, 8  # of a group, bf16 and a byte
_INDEX_BITS = 2  # of a weight that is kept of four


@dataclass(frozen=True, kw_only=True)
class WeightFormat:
    """Form of weights in memory, and the unit whose lanes multiply a vector with them."""

    name: str
    bits: float  # of a weight in DRAM and SRAM, with its share of scales, zero points, indices
    unit: str  # in the catalogue
    config: Config
    step: int  # weights of a sum that a beat of a unit covers
    pads_to: int  # weights that a sum is filled up to a multiple of
    slowest: int = 1  # cycles that a beat takes at most


@cache
def weight_format(name: str) -> WeightFormat:
    """Return a format of weights by its name.

    Raises:
        UserError: If there is none of that name.
    """
    if name == "int8":
        dot = DotConfig(lanes=UNIT_LANES, depth=_LARGE)
        return WeightFormat(
            name=name, bits=8, unit="matmul/dot", config=dot, step=UNIT_LANES, pads_to=UNIT_LANES
        )
    if name == "2:4":  # two of four INT8 weights, each with its place among the four
        sparse = SparseDotConfig(lanes=UNIT_LANES, depth=_LARGE)
        return WeightFormat(
            name=name, bits=(8 + _INDEX_BITS) / 2, unit="matmul/sparse_dot", config=sparse,
            step=2 * UNIT_LANES, pads_to=2 * UNIT_LANES,
        )  # fmt: skip
    found = re.fullmatch(r"int4-g(32|64|128|256)", name)
    if not found:
        raise UserError(f"weights must be one of {WEIGHTS}, not {name!r}")
    group = int(found[1])
    # a beat whose zero point is not in 5..10 takes two cycles
    return WeightFormat(
        name=name, bits=4 + (_SCALE_BITS + _ZERO_BITS) / group, unit="matmul/group_dot",
        config=GroupDotConfig(lanes=UNIT_LANES, group=group), step=UNIT_LANES, pads_to=group,
        slowest=2,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Chip:
    """Chip that an inference runs on.

    Raises:
        UserError: If a field is not accepted; the message names field, value and what is accepted.
    """

    dram: Dram
    weights: WeightFormat
    rows: int = integer(64, 2, 64, "queries that a tile holds at a time")
    columns: int = integer(64, 2, 64, "keys of a beat")
    tiles: int = integer(1, 1, 1 << 12, "attention tiles")
    value_dim: int = integer(128, 1, 1 << 12, "elements of a value that a tile has columns for")
    gemv_lanes: int = integer(0, 0, 1 << 20, "products per cycle of all dot-product units")
    lanes: int = integer(256, 1, 1 << 20, "element-wise units, each with one operation per cycle")
    sram_kib: int = integer(8192, 32, 1 << 24, "SRAM on the chip")
    clock_ns: float = 2.0

    def __post_init__(self) -> None:
        try:
            check_fields(self)
        except ValueError as error:
            raise UserError(str(error)) from None
        if self.gemv_lanes % UNIT_LANES:
            raise UserError(
                f"gemv_lanes must be a multiple of {UNIT_LANES}, the lanes of a unit, not"
                f" {self.gemv_lanes}"
            )
        if not 0 < self.clock_ns < 1e6:
            raise UserError(f"clock_ns must be a period above 0, not {self.clock_ns}")

    @property
    def sram_bytes(self) -> int:
        """Return the bytes of SRAM on the chip."""
        return 1024 * self.sram_kib

    @property
    def bytes_per_cycle(self) -> float:
        """Return the bytes that DRAM transfers in a clock cycle."""
        return self.dram.bandwidth_gb_s * self.clock_ns

    @property
    def gemv_units(self) -> int:
        """Return the number of dot-product units."""
        return self.gemv_lanes // UNIT_LANES

    @property
    def value_arrays(self) -> int:
        """Return the weight-stationary arrays of a tile."""
        return -(-self.value_dim // _WIDEST)

    @cached_property
    def scores_array(self) -> SystolicConfig:
        """Return the array of a tile that computes scores."""
        return SystolicConfig(
            rows=self.rows, columns=self.columns, dataflow="output_stationary", depth=_LARGE,
            extent=_LARGE,
        )  # fmt: skip

    @cached_property
    def values_array(self) -> SystolicConfig:
        """Return one of the arrays of a tile that sum values."""
        return SystolicConfig(
            rows=self.columns, columns=-(-self.value_dim // self.value_arrays), block=self.rows,
            depth=_LARGE, extent=_LARGE,
        )  # fmt: skip

    @property
    def scores_cells(self) -> int:
        """Return the cells of all arrays for scores."""
        return self.tiles * self.rows * self.columns

    @property
    def values_cells(self) -> int:
        """Return the cells of all arrays for values."""
        array = self.values_array
        return self.tiles * self.value_arrays * array.rows * array.columns


def tile_size(text: str, named: str = "tile") -> tuple[int, int]:
    """Return the queries and the keys of a tile of a text such as ``64x64``.

    Args:
        text: The text.
        named: What a message calls it.

    Raises:
        UserError: If it has another form.
    """
    found = re.fullmatch(r"(\d{1,9})x(\d{1,9})", text.strip().lower())
    if not found:
        raise UserError(f"{named} takes queries x keys such as 64x64, not {text!r}")
    return int(found[1]), int(found[2])
