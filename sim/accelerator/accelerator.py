"""An accelerator for training: what it is made of, and what it is told to compute in."""

from dataclasses import dataclass, fields

from consilico.sim.accelerator.dram import Dram
from consilico.sim.accelerator.products import Operand, Product
from consilico.sim.accelerator.tiling import Array
from consilico.sim.base.errors import UserError

__all__ = ["PRECISIONS", "Accelerator"]

PRECISIONS = {
    "int8": "every product of forward and backward pass on INT8 operands, as if training kept its"
    " accuracy that way: an assumption, no published method does that with Q-GaLore",
    "int4": "as int8, weights rounded to INT4 where they meet activations or gradients; products"
    " without a weight take two passes of the INT8 x INT4 cells: an assumption",
    "bf16": "products as the methods compute them: bfloat16, quantized weights made float first",
}

_PROJECTION = 8  # rows and columns of one projection array, as measured


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """Arrays, vector lanes, memories and clock.

    Raises:
        UserError: If a field is not accepted.
    """

    array: Array
    dram: Dram
    precision: str = "int8"  # key of PRECISIONS
    clock_ns: float = 2.0
    sram_kib: int = 8192
    lanes: int = 64  # of element-wise units, each one result a cycle; of float32 multipliers

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            accepted = ", ".join(PRECISIONS)
            raise UserError(f"precision must be one of {accepted}, not {self.precision!r}")
        for name, low, high in (("sram_kib", 32, 1 << 24), ("lanes", 1, 1 << 20)):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise UserError(f"{name} must be an integer in [{low}, {high}], not {value}")
        if not 0 < self.clock_ns < 1e6:
            raise UserError(f"clock_ns must be a period above 0, not {self.clock_ns}")

    @property
    def sram_bytes(self) -> int:
        """On chip."""
        return self.sram_kib * 1024

    @property
    def integer(self) -> bool:
        """Whether products are computed on integers."""
        return self.precision != "bf16"

    @property
    def activation_bytes(self) -> float:
        """Bytes of an activation or its gradient in DRAM and SRAM; a scale a token aside."""
        return 1.0 if self.integer else 2.0

    @property
    def projection_array(self) -> Array:
        """INT8 x INT4 cells of ``training/project``, as many as the array has, 64 at least."""
        count = max(1, self.array.cells // _PROJECTION**2)
        return Array(
            rows=_PROJECTION, columns=_PROJECTION, count=count, dataflow="output_stationary"
        )

    def engine(self, product: Product) -> tuple[str, Array, int]:
        """The operation that a product is made of, the arrays that do it, passes that it takes."""
        operands = (product.a, product.b)
        if any(o.kind == "INT4 projection" for o in operands):
            return "projection MAC", self.projection_array, 1
        if self.precision == "int4":
            return "int4 MAC", self.array, 1 if _weight(operands) else 2
        return f"{self.precision} MAC", self.array, 1

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "array"}
        return own | {
            "dram": self.dram.name,
            "array": f"{self.array.rows}x{self.array.columns}",
            "arrays": self.array.count,
            "dataflow": self.array.dataflow,
            "projection_cells": self.projection_array.cells,
            "precision_means": PRECISIONS[self.precision],
        }


def _weight(operands: tuple[Operand, Operand]) -> bool:
    return any(o.kind in ("weight", "adapter") for o in operands)
