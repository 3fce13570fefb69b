"""Generate the cells of a systolic array: each multiplies two operands and adds to a sum.

A cell either keeps a weight, and a sum passes down through it, or keeps a sum, and weights pass
down. :mod:`consilico.hw.matmul.systolic_array` puts cells together.
"""

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.systolic import SystolicConfig
from consilico.hw.arith import Columns, ColumnsCensus, booth_census, booth_digits
from consilico.hw.census import Batch, Census, Size, Step
from consilico.hw.parts import part_clock

__all__ = ["OutputCell", "WeightCell", "cell_census"]


class WeightCell(wiring.Component):
    """Cell that keeps a weight; a sum over the rows passes down through it.

    A second register meanwhile takes the next weight, and hands on those for the rows below.

    Members:
        compute_clk: In, gated clock of ``x`` and ``sum``.
        load_clk: In, gated clock of the next weight.
        swap_clk: In, gated clock of the weight in use, which takes the next one.
        x_in, w_in, sum_in: In, from the left and from above.
        x, w, sum: Out, registered, to the right and below.
    """

    def __init__(self, config: SystolicConfig) -> None:
        super().__init__(
            {
                "compute_clk": In(1),
                "load_clk": In(1),
                "swap_clk": In(1),
                "x_in": In(config.x_width),
                "w_in": In(config.w_width),
                "sum_in": In(config.column_width),
                "x": Out(config.x_width),
                "w": Out(config.w_width),
                "sum": Out(config.column_width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "compute", self.compute_clk)
        part_clock(m, "load", self.load_clk)
        part_clock(m, "swap", self.swap_clk)
        weight = Signal.like(self.w, name="weight")
        m.d.load += self.w.eq(self.w_in)
        m.d.swap += weight.eq(self.w)
        # the weight is recoded, because its digits hold still while activations pass
        m.d.compute += [
            self.x.eq(self.x_in),
            self.sum.eq(_sum(m, weight, self.x_in, self.sum_in)),
        ]
        return m


class OutputCell(wiring.Component):
    """Cell that keeps a sum; activations pass right and weights pass down through it.

    A second register takes the complete sum, and hands on those of the rows above.

    Members:
        compute_clk: In, gated clock of ``x``, ``w`` and the sum.
        drain_clk: In, gated clock of ``result``.
        first: In, whether the operands begin a new sum.
        captures: In, whether ``result`` takes this cell's sum, and not ``result_in``.
        x_in, w_in, result_in: In, from the left and from above.
        x, w, result: Out, registered, to the right and below.
    """

    def __init__(self, config: SystolicConfig) -> None:
        super().__init__(
            {
                "compute_clk": In(1),
                "drain_clk": In(1),
                "first": In(1),
                "captures": In(1),
                "x_in": In(config.x_width),
                "w_in": In(config.w_width),
                "result_in": In(config.sum_width),
                "x": Out(config.x_width),
                "w": Out(config.w_width),
                "result": Out(config.sum_width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "compute", self.compute_clk)
        part_clock(m, "drain", self.drain_clk)
        total = Signal.like(self.result, name="total")
        before = total & (~self.first).replicate(len(total))
        # of two operands of the same width the activation is recoded: it is small more often
        recoded, other = sorted((self.x_in, self.w_in), key=len)
        m.d.compute += [
            self.x.eq(self.x_in),
            self.w.eq(self.w_in),
            total.eq(_sum(m, recoded, other, before)),
        ]
        kept = total & self.captures.replicate(len(total))
        passed = self.result_in & (~self.captures).replicate(len(total))
        m.d.drain += self.result.eq(kept | passed)
        return m


def _digit_widths(bits: int) -> tuple[int, ...]:
    """Return the widths of the Booth digits of a multiplier of ``bits`` bits."""
    return (2,) * (bits // 2) + (1,) * (bits % 2)


def _sum(m: Module, recoded: Value, other: Value, addend: Value) -> Value:
    """Return ``recoded * other + addend``, in the width of the addend."""
    columns = Columns(len(addend))
    columns.add_signed(0, addend)
    digits = booth_digits(recoded, _digit_widths(len(recoded)))
    columns.add_product(m, digits, [other, Cat(Const(0, 1), other)], signed=True)
    row0, row1 = columns.rows(m)
    return (row0 + row1)[: len(addend)]


def cell_census(
    c: Batch, x: Sequence[str], w: Sequence[str], *, drains: Size
) -> tuple[Census, tuple[Step, ...]]:
    """Return the operators of a cell but for the operands it hands on, and its longest path.

    Args:
        c: Configurations of systolic arrays.
        x: What makes the activations toggle.
        w: What makes the weights toggle.
        drains: Output stationary: fraction of the cycles in which ``result`` changes.
    """
    operands = sorted([(int(c.x_width[0]), x), (int(c.w_width[0]), w)], key=lambda item: item[0])
    if c.dataflow == "weight_stationary":
        # the weight rests while activations pass
        width = c.column_width
        census, steps = _sum_census((int(c.w_width[0]), w), (int(c.x_width[0]), x), width)
        census.include(booth_census(_digit_widths(int(c.w_width[0])), ()))
        census.add("flop", width, x)
        return census, steps
    width, both = c.sum_width, (*x, *w)
    (bits, drivers), (other, _) = operands
    census, steps = _sum_census((bits, drivers), (other, both), width)
    census.include(booth_census(_digit_widths(bits), drivers))
    census.add("flop", width, both)
    census.add("and_or", width, both)  # the sum begins anew
    census.add("and_or", 2 * width, both)  # capture
    census.add("and_or", width, both, rate=drains)
    census.add("flop", width, both, rate=drains)
    return census, steps


def _sum_census(
    recoded: tuple[int, Sequence[str]], other: tuple[int, Sequence[str]], width: Size
) -> tuple[Census, tuple[Step, ...]]:
    """Return operators of :func:`_sum` but for the recoding, and its path."""
    drivers = other[1]
    columns = ColumnsCensus(width)
    columns.add_signed(0, width)
    weight = 0
    for digit in _digit_widths(recoded[0]):
        columns.add_product(weight, other[0] + digit - 1, digit, drivers, signed=True)
        weight += digit
    census, reduced = columns.rows(drivers)
    census.add("add", width + 1, drivers)
    steps = (("lookup", 8, 1), ("and_or", 1, 2), ("xor", 1, 1))
    return census, (*(Step(*step) for step in steps), *reduced, Step("add", width + 1, 1))
