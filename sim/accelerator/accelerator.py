"""An accelerator for training: what it is made of, and what it is told to compute in."""

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from consilico.golden.config import check_fields, choice, integer
from consilico.golden.matmul.systolic import SystolicConfig
from consilico.sim.base.errors import UserError
from consilico.sim.base.interval import Interval

__all__ = [
    "DATAFLOWS",
    "PRECISIONS",
    "Accelerator",
    "Dram",
    "SystolicArrays",
    "dram_names",
    "find_dram",
]

DATAFLOWS = ("weight_stationary", "output_stationary")
PRECISIONS = {
    "int8": "every product of forward and backward pass on INT8 operands, as if training kept its"
    " accuracy that way: an assumption, no published method does that with Q-GaLore",
    "int4": "as int8, weights rounded to INT4 where they meet activations or gradients; products"
    " without a weight take two passes of the INT8 x INT4 cells: an assumption",
    "bf16": "products as the methods compute them: bfloat16, quantized weights made float first",
}
"""What the products of a step are computed in, and what that assumes."""

_PROJECTION = 8  # rows and columns of one projection array, as measured


@dataclass(frozen=True, kw_only=True)
class SystolicArrays:
    """Equal systolic arrays that share out the tiles of a product.

    Raises:
        UserError: If a field is not accepted; the message names field, value and what is accepted.
    """

    rows: int = integer(64, 2, 64, "rows of cells in each array")
    columns: int = integer(64, 1, 64, "columns of cells in each array")
    count: int = integer(1, 1, 1 << 16, "number of arrays")
    dataflow: str = choice("weight_stationary", DATAFLOWS, "operand that stays in a cell")

    def __post_init__(self) -> None:
        try:
            check_fields(self)
        except ValueError as error:
            raise UserError(f"array {error}") from None

    @property
    def cells(self) -> int:
        """Return the number of multiply-accumulate cells of all arrays."""
        return self.rows * self.columns * self.count

    @property
    def unit(self) -> SystolicConfig:
        """Return the configuration of one array.

        As many vectors of activations meet a tile of weights as there are rows: the fewest with
        which loading weights costs no time.
        """
        return SystolicConfig(
            rows=self.rows, columns=self.columns, block=self.rows, dataflow=self.dataflow
        )


@dataclass(frozen=True, kw_only=True)
class Dram:
    """One kind of DRAM: published figures, the energy with its range."""

    name: str
    title: str
    energy_pj_per_bit: Interval
    bandwidth_gb_s: float
    source: str


@cache
def _dram_catalogue() -> dict[str, Dram]:
    data = tomllib.loads(Path(__file__).with_name("dram.toml").read_text())
    return {
        name: Dram(
            name=name,
            title=item["title"],
            energy_pj_per_bit=Interval.of(item["energy_pj_per_bit"]),
            bandwidth_gb_s=float(item["bandwidth_gb_s"]),
            source=item["source"],
        )
        for name, item in data.items()
    }


def dram_names() -> list[str]:
    """Return the names that :func:`find_dram` accepts."""
    return list(_dram_catalogue())


def find_dram(name: str) -> Dram:
    """Return a kind of DRAM by its name.

    Raises:
        UserError: If there is none of that name; the message lists those there are.
    """
    if name not in _dram_catalogue():
        raise UserError(f"unknown dram {name!r}; accepted: {', '.join(dram_names())}")
    return _dram_catalogue()[name]


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """Arrays, vector lanes, memories and clock of an accelerator.

    Raises:
        UserError: If a field is not accepted; the message names field, value and what is accepted.
    """

    array: SystolicArrays
    dram: Dram
    precision: str = choice("int8", PRECISIONS, "what products are computed in")
    clock_ns: float = 2.0
    sram_kib: int = integer(8192, 32, 1 << 24, "SRAM on the chip")
    lanes: int = integer(64, 1, 1 << 20, "element-wise units, each with one result per cycle")

    def __post_init__(self) -> None:
        try:
            check_fields(self)
        except ValueError as error:
            raise UserError(str(error)) from None
        if not 0 < self.clock_ns < 1e6:
            raise UserError(f"clock_ns must be a period above 0, not {self.clock_ns}")

    @property
    def sram_bytes(self) -> int:
        """Return the bytes of SRAM on the chip."""
        return self.sram_kib * 1024

    @property
    def computes_integers(self) -> bool:
        """Tell whether products are computed on integers."""
        return self.precision != "bf16"

    @property
    def activation_bytes(self) -> float:
        """Return the bytes of an activation, or of its gradient, in DRAM and SRAM.

        The scale that the codes of a token share is left out.
        """
        return 1.0 if self.computes_integers else 2.0

    @property
    def projection_array(self) -> SystolicArrays:
        """Return the INT8 x INT4 cells of ``training/project``.

        There are as many as the array has, but at least 64.
        """
        count = max(1, self.array.cells // _PROJECTION**2)
        return SystolicArrays(
            rows=_PROJECTION, columns=_PROJECTION, count=count, dataflow="output_stationary"
        )

    def to_json(self) -> dict[str, object]:
        """Return plain data: the fields by name, those of the arrays spelled out."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "array"}
        return own | {
            "dram": self.dram.name,
            "array": f"{self.array.rows}x{self.array.columns}",
            "arrays": self.array.count,
            "dataflow": self.array.dataflow,
            "projection_cells": self.projection_array.cells,
            "precision_means": PRECISIONS[self.precision],
        }
