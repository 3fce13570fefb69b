"""How a product runs on a systolic array: cycles, words from SRAM, bytes from DRAM.

Array and schedule are those of ``matmul/systolic``; its formulas of cycles and beats are repeated
here for any size (SCALE-Sim counts in the same way: arXiv 1811.02883, section III). Between DRAM
and SRAM a product is cut into tiles; an operand is fetched once for each time that the loops come
back to it (Timeloop, ISPASS 2019; Chen et al., Eyeriss, ISCA 2016: reuse of each level).
"""

import math
from dataclasses import dataclass

from consilico.sim.base.errors import UserError

__all__ = ["DATAFLOWS", "Array", "ArrayWork", "DramWork", "array_work", "dram_work"]

DATAFLOWS = ("weight_stationary", "output_stationary")
_ACCUMULATOR = 4  # bytes of a partial sum


@dataclass(frozen=True, kw_only=True)
class Array:
    """``count`` systolic arrays of ``rows`` x ``columns`` cells that share out the tiles.

    ``block`` vectors of activations meet a tile of weights: as many as there are rows, the fewest
    with which loading weights costs no time.

    Raises:
        UserError: If a field is not accepted.
    """

    rows: int = 64
    columns: int = 64
    count: int = 1
    dataflow: str = "weight_stationary"

    def __post_init__(self) -> None:
        for name, low, high in (("rows", 2, 64), ("columns", 1, 64), ("count", 1, 1 << 16)):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise UserError(f"array {name} must be an integer in [{low}, {high}], not {value}")
        if self.dataflow not in DATAFLOWS:
            raise UserError(f"dataflow must be {' or '.join(DATAFLOWS)}, not {self.dataflow!r}")

    @property
    def cells(self) -> int:
        """Multiply-accumulate units of all arrays."""
        return self.rows * self.columns * self.count


@dataclass(frozen=True, kw_only=True)
class ArrayWork:
    """A product on the array: elements that pass between SRAM and array, cycles."""

    a_reads: int
    b_reads: int
    c_writes: int
    cycles: int  # of one array that computes it all by itself, products one after another


@dataclass(frozen=True, kw_only=True)
class DramWork:
    """A product between DRAM and SRAM: how often each operand is fetched, and by which tiling."""

    a_fetches: int
    b_fetches: int
    tiling: str
    bytes: float


def array_work(m: int, k: int, n: int, array: Array) -> ArrayWork:
    """Of ``m`` x ``k`` by ``k`` x ``n``, lanes beyond a matrix included: they carry zeros.

    Weight stationary: each of ``ceil(m / block) ceil(n / columns) ceil(k / rows)`` passes reads a
    tile of ``b`` and the vectors of ``a`` of its block. Output stationary: each of
    ``ceil(m / rows) ceil(n / columns)`` tiles reads ``k`` beats.
    """
    rows, columns = array.rows, array.columns
    across, down, inner = math.ceil(n / columns), math.ceil(m / rows), math.ceil(k / rows)
    if array.dataflow == "output_stationary":
        tiles = down * across
        return ArrayWork(
            a_reads=tiles * rows * k,
            b_reads=tiles * columns * k,
            c_writes=m * across * columns,
            cycles=tiles * max(k, rows),
        )
    passes = down * across * inner
    return ArrayWork(
        a_reads=m * across * inner * rows,
        b_reads=passes * rows * columns,
        c_writes=m * across * columns,
        cycles=passes * rows,
    )


def dram_work(
    m: int, k: int, n: int, widths: tuple[float, float, float], sram_bytes: float, array: Array
) -> DramWork:
    """The least traffic of four ways to cut a product, half of the SRAM being the next tiles'.

    - a panel of ``a``, ``p`` rows and all of ``k``, stays: ``a`` once, ``b`` ``ceil(m / p)`` times
    - a panel of ``b`` stays: ``b`` once, ``a`` ``ceil(n / p)`` times
    - a tile of sums stays, ``p`` x ``q``: ``a`` ``ceil(n / q)`` times, ``b`` ``ceil(m / p)`` times

    Results leave once. Beside what stays there is room for a beat of the array of each operand.

    Args:
        m: Rows of ``a``.
        k: Columns of ``a``.
        n: Columns of ``b``.
        widths: Bytes of an element of a, b and c in DRAM; 0 where it never leaves the chip.
        sram_bytes: On chip.
        array: Whose beats are streamed.

    Raises:
        UserError: If not even the smallest tile fits.
    """
    a, b, c = widths
    room = sram_bytes / 2
    rows, columns = array.rows, array.columns
    found: list[DramWork] = []

    def add(tiling: str, a_fetches: int, b_fetches: int) -> None:
        size = a * m * k * a_fetches + b * k * n * b_fetches + c * m * n
        found.append(DramWork(a_fetches=a_fetches, b_fetches=b_fetches, tiling=tiling, bytes=size))

    # on chip an element of an operand takes at least a byte, whatever it takes in DRAM
    wide_a, wide_b = max(a, 1.0), max(b, 1.0)
    panel = int((room - wide_b * rows * columns) // (wide_a * k + _ACCUMULATOR * columns))
    if panel >= min(m, rows):
        add("a panel of a stays", 1, math.ceil(m / min(panel, m)))
    panel = int((room - wide_a * rows * rows) // (wide_b * k + _ACCUMULATOR * rows))
    if panel >= min(n, columns):
        add("a panel of b stays", math.ceil(n / min(panel, n)), 1)
    height = rows
    while True:
        height = min(height, m)
        beat = wide_a * height * rows
        width = int((room - beat) // (_ACCUMULATOR * height + wide_b * rows))
        if width >= min(n, columns):
            add("a tile of sums stays", math.ceil(n / min(width, n)), math.ceil(m / height))
        if height == m:
            break
        height *= 2
    if not found:
        least = (wide_a + wide_b + _ACCUMULATOR) * rows * max(rows, columns)
        raise UserError(
            f"sram must hold a tile of the array, {2 * least / 1024:.0f} KiB or more, not"
            f" {sram_bytes / 1024:g}"
        )
    return min(found, key=lambda work: work.bytes)
