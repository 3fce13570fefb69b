"""Schedule of a product on a systolic array: cycles, words from SRAM, bytes from DRAM.

Arrays and schedule are those of ``matmul/systolic``. Between DRAM and SRAM a product is cut into
tiles; an operand is fetched once for each time that the loops come back to it (Timeloop, ISPASS
2019; Chen et al., Eyeriss, ISCA 2016: reuse of each level).
"""

import math
from dataclasses import dataclass

from consilico.golden.matmul.systolic import SystolicJob, drained_cycles
from consilico.sim.accelerator.accelerator import SystolicArrays
from consilico.sim.base.errors import UserError

__all__ = ["ArrayWork", "DramWork", "array_work", "dram_work"]

_ACCUMULATOR = 4  # bytes of a partial sum


@dataclass(frozen=True, kw_only=True)
class ArrayWork:
    """A product on one array: elements that pass between SRAM and array, and cycles."""

    a_reads: int
    b_reads: int
    c_writes: int
    cycles: int  # of one array that computes it all by itself, filling and draining included


@dataclass(frozen=True, kw_only=True)
class DramWork:
    """A product between DRAM and SRAM: how often each operand is fetched, and by which tiling."""

    a_fetches: int
    b_fetches: int
    tiling: str
    bytes: float


def array_work(m: int, k: int, n: int, array: SystolicArrays) -> ArrayWork:
    """Return the work of a product of ``m`` x ``k`` by ``k`` x ``n`` on one of the arrays.

    Lanes beyond a matrix are included: they carry zeros. Weight stationary, each of the
    ``ceil(m / rows) ceil(n / columns) ceil(k / rows)`` passes reads a tile of ``b`` and its
    vectors of ``a``. Output stationary, each of the ``ceil(m / rows) ceil(n / columns)`` tiles
    reads ``k`` beats.
    """
    rows, columns = array.rows, array.columns
    across, down, inner = math.ceil(n / columns), math.ceil(m / rows), math.ceil(k / rows)
    cycles = drained_cycles(SystolicJob(m=m, k=k, n=n), array.unit)
    if array.dataflow == "output_stationary":
        a_reads, b_reads = down * across * rows * k, down * across * columns * k
    else:
        a_reads, b_reads = m * across * inner * rows, down * across * inner * rows * columns
    return ArrayWork(a_reads=a_reads, b_reads=b_reads, c_writes=m * across * columns, cycles=cycles)


def dram_work(
    m: int,
    k: int,
    n: int,
    widths: tuple[float, float, float],
    sram_bytes: float,
    array: SystolicArrays,
) -> DramWork:
    """Return the least traffic of three ways to cut a product into tiles.

    - a panel of ``a``, ``p`` rows and all of ``k``, stays: ``a`` once, ``b`` ``ceil(m / p)`` times
    - a panel of ``b`` stays: ``b`` once, ``a`` ``ceil(n / p)`` times
    - a tile of sums stays, ``p`` x ``q``: ``a`` ``ceil(n / q)`` times, ``b`` ``ceil(m / p)`` times

    Half of the SRAM is the next tiles'. Results leave once. In addition to what stays there is room
    for a beat of the array of each operand.

    Args:
        m: Rows of ``a``.
        k: Columns of ``a``.
        n: Columns of ``b``.
        widths: Bytes of an element of a, b and c in DRAM; 0 where it never leaves the chip.
        sram_bytes: SRAM on the chip.
        array: The arrays whose beats are streamed.

    Raises:
        UserError: If not even the smallest tile fits.
    """
    a, b, c = widths
    room = sram_bytes / 2
    rows, columns = array.rows, array.columns
    found: list[DramWork] = []

    def add(tiling: str, a_fetches: int, b_fetches: int) -> None:
        """Note a tiling with the bytes that it moves."""
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
