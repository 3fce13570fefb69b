"""Processing elements of the systolic array: a multiplier and what stays with it."""

from typing import Any

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.matmul.systolic_config import SystolicConfig
from hw.arith import Columns, booth_digits
from hw.parts import part_clock

__all__ = ["OutputCell", "WeightCell"]


def _sum(m: Module, recoded: Value, other: Value, addend: Value) -> Value:
    """``recoded * other + addend``, of the addend's width."""
    columns = Columns(len(addend))
    columns.add_signed(0, addend)
    width = len(recoded)
    digits = booth_digits(recoded, (2,) * (width // 2) + (1,) * (width % 2))
    columns.add_product(m, digits, [other, Cat(Const(0, 1), other)], signed=True)
    row0, row1 = columns.rows(m)
    return (row0 + row1)[: len(addend)]


class WeightCell(wiring.Component):
    """Keeps a weight; a sum over the rows runs down through it.

    A second register takes the next weight meanwhile, and hands on those for the rows below.

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
        # the weight is recoded: its digits rest while activations pass
        m.d.compute += [
            self.x.eq(self.x_in),
            self.sum.eq(_sum(m, weight, self.x_in, self.sum_in)),
        ]
        return m


class OutputCell(wiring.Component):
    """Keeps a sum; activations run right and weights down through it.

    A second register takes the complete sum, and hands on those of the rows above.

    Members:
        compute_clk: In, gated clock of ``x``, ``w`` and the sum.
        drain_clk: In, gated clock of ``result``.
        first: In, the operands begin a new sum.
        captures: In, ``result`` takes this cell's sum, not ``result_in``.
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
        # the narrower operand is recoded, or the activation, which is small more often
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
