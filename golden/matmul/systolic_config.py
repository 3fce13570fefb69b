"""Configuration and jobs of the systolic array, shared by model, generator and report."""

from dataclasses import dataclass

from consilico.golden.config import Config, choice, integer
from consilico.golden.matmul.config import sum_width
from consilico.golden.matmul.operand import Operands

__all__ = ["Job", "SystolicConfig"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One product ``x @ w`` of an ``m`` x ``k`` matrix and a ``k`` x ``n`` matrix."""

    m: int  # rows of x and of the result
    k: int  # columns of x, rows of w: products of a sum
    n: int  # columns of w and of the result


@dataclass(frozen=True, kw_only=True)
class SystolicConfig(Operands, Config):
    """``rows`` x ``columns`` multipliers for matrix products of any size.

    Widths of operands are fixed by the configuration: an INT4 array takes about half the area and
    energy of an INT8 array (NanGate45, 4 x 4). An INT8 array runs INT4 codes as they are, but no
    faster: a mode at run time would gain only with multipliers that split, as in ``fused_dot``.
    """

    rows: int = integer(4, 2, 64, "rows of multipliers, activations a beat")
    columns: int = integer(4, 1, 64, "columns of multipliers, weights and results a beat")
    dataflow: str = choice(
        "weight_stationary",
        ("weight_stationary", "output_stationary"),
        "what stays in a multiplier",
    )
    x: str = choice("int8", ("int8", "int4"), "activations, signed")
    w: str = choice("int8", ("int8", "int4"), "weights, signed")
    depth: int = integer(4096, 1, 1 << 20, "greatest k of a job; no sum overflows")
    extent: int = integer(4096, 1, 1 << 20, "greatest m and n of a job")
    block: int = integer(8, 2, 256, "weight_stationary: activation vectors a tile")

    @property
    def tile_rows(self) -> int:
        """Rows of the result that are computed with one tile of weights, or held in the array."""
        return self.block if self.dataflow == "weight_stationary" else self.rows

    @property
    def column_width(self) -> int:
        """Bits of a sum over the rows of the array."""
        return sum_width(self.rows, *self.product_range)

    @property
    def sum_width(self) -> int:
        """Bits of a result, signed: a sum of ``depth`` products does not overflow."""
        return sum_width(max(self.depth, self.rows), *self.product_range)

    def check(self, job: Job) -> None:
        """Refuse a job that the counters cannot hold.

        Raises:
            ValueError: If ``m``, ``k`` or ``n`` is out of range; the message names it.
        """
        for name, limit in (("m", self.extent), ("k", self.depth), ("n", self.extent)):
            value = getattr(job, name)
            if type(value) is not int or not 1 <= value <= limit:
                raise ValueError(f"{name} must be an integer in [1, {limit}], not {value!r}")
