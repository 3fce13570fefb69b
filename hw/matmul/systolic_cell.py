"""Generate the cells of a systolic array: each multiplies two operands and adds to a sum.

A cell either keeps a weight, and a sum passes down through it, or keeps a sum, and weights pass
down. :mod:`consilico.hw.matmul.systolic_array` puts cells together.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from amaranth import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.systolic import SystolicConfig
from consilico.hw.arith import (
    BoothDigit,
    Columns,
    ColumnsCensus,
    booth_census,
    booth_digits,
    code_widths,
    coded_census,
    coded_digits,
    digit_codes,
)
from consilico.hw.cells import gated_domain
from consilico.hw.census import Batch, Census, Size, Step
from consilico.hw.parts import part_clock

__all__ = ["OutputCell", "WeightCell", "cell_census", "entered", "entered_census"]

_CARRIES = 0.03  # of a language model's products: fraction that changes the upper part of a sum


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
        columns = Columns(len(self.sum))
        columns.add_signed(0, self.sum_in)
        # the weight is recoded, because its digits hold still while activations pass
        digits = booth_digits(weight, _digit_widths(len(weight)))
        m.d.compute += [
            self.x.eq(self.x_in),
            self.sum.eq(_sum(m, columns, digits, self.x_in)),
        ]
        return m


def _coded_operands(config: SystolicConfig) -> dict[str, tuple[int, ...]]:
    """Return which operand output-stationary cells take as Booth digits, with their widths.

    Of two operands of the same width it is the activation, which is small more often.
    """
    narrow = "x" if config.x_width <= config.w_width else "w"
    return {narrow: _digit_widths(getattr(config, f"{narrow}_width"))}


def entered(config: SystolicConfig, operand: str, value: Value) -> Value:
    """Return an operand as output-stationary cells take it: as it is, or as codes of its digits."""
    widths = _coded_operands(config).get(operand)
    return value if widths is None else Cat(*digit_codes(value, widths))


class OutputCell(wiring.Component):
    """Cell that keeps a sum.

    One operand comes as Booth digits (:func:`_coded_operands`). The sum is kept in two parts: the
    lower one has about as many bits as a product, and what it carries to the upper one waits for
    the next product in ``carried``. Most products carry nothing, and then the upper part gets no
    clock. A second register takes the complete sum, and hands on those of the rows above.

    Members:
        compute_clk: In, gated clock of the sum.
        drain_clk: In, gated clock of ``result``.
        first: In, whether the operands begin a new sum.
        captures: In, whether ``result`` takes this cell's sum, and not ``result_in``.
        x, w: In, operands.
        result_in: In, from above.
        result: Out, registered, to below.
    """

    def __init__(self, config: SystolicConfig) -> None:
        self._config = config
        lanes = {"x": config.x_width, "w": config.w_width}
        bits = {name: len(entered(config, name, Signal(lanes[name]))) for name in lanes}
        super().__init__(
            {
                "compute_clk": In(1),
                "drain_clk": In(1),
                "first": In(1),
                "captures": In(1),
                "x": In(bits["x"]),
                "w": In(bits["w"]),
                "result_in": In(config.sum_width),
                "result": Out(config.sum_width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "compute", self.compute_clk)
        part_clock(m, "drain", self.drain_clk)
        ((name, widths),) = _coded_operands(self._config).items()
        codes, other = (self.x, self.w) if name == "x" else (self.w, self.x)
        low = _low_width(self._config)
        lower, carried = Signal(low), Signal(signed(2))
        columns = Columns(low + 2)
        columns.add(0, lower & (~self.first).replicate(low))
        exact = _sum(m, columns, _coded(codes, widths), other)
        m.d.compute += [lower.eq(exact[:low]), carried.eq(exact[low:])]

        upper = Signal(len(self.result) - low)
        higher = Signal.like(upper)
        m.d.comb += higher.eq(upper + carried)
        gated_domain(m, "carry", carried[0] | self.first, clock=self.compute_clk)
        m.d.carry += upper.eq(higher & (~self.first).replicate(len(upper)))

        total = Cat(lower, higher)
        kept = total & self.captures.replicate(len(total))
        passed = self.result_in & (~self.captures).replicate(len(total))
        m.d.drain += self.result.eq(kept | passed)
        return m


def _coded(codes: Value, widths: Sequence[int]) -> list[BoothDigit]:
    """Return the digits whose codes are in one operand, lowest first."""
    ends = list(accumulate(code_widths(widths)))
    parts = [codes[end - bits : end] for end, bits in zip(ends, code_widths(widths), strict=True)]
    return coded_digits(parts, widths)


def _low_width(config: SystolicConfig) -> int:
    """Return the bits of the lower part of a sum: a product changes the upper one by at most 1."""
    least, greatest = config.product_range
    return (max(-least, greatest) - 1).bit_length()


def _digit_widths(bits: int) -> tuple[int, ...]:
    """Return the widths of the Booth digits of a multiplier of ``bits`` bits."""
    return (2,) * (bits // 2) + (1,) * (bits % 2)


def _sum(m: Module, columns: Columns, digits: Sequence[BoothDigit], other: Value) -> Value:
    """Return what is in the columns plus a product, in the columns' width."""
    columns.add_product(m, digits, [other, Cat(Const(0, 1), other)], signed=True)
    row0, row1 = columns.rows(m)
    return (row0 + row1)[: len(row0)]


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
    x_bits, w_bits = int(c.x_width[0]), int(c.w_width[0])
    if c.dataflow == "weight_stationary":
        # the weight rests while activations pass
        width = c.column_width
        columns = ColumnsCensus(width)
        columns.add_signed(0, width)
        census, steps = _sum_census(columns, (w_bits, w), (x_bits, x), width)
        census.include(booth_census(_digit_widths(w_bits), ()))
        census.add("flop", width, x)
        return census, (Step("lookup", 8, 1), *steps)
    both = (*x, *w)
    low = c.of(_low_width)
    columns = ColumnsCensus(low + 2)
    columns.add(0, low)
    recoded, other = sorted((x_bits, w_bits))
    census, steps = _sum_census(columns, (recoded, both), (other, both), low + 2)
    census.add("and_or", low, both)  # the sum begins anew
    census.add("flop", low + 2, both)
    census.add("and_or", 1, both)
    upper = c.sum_width - low
    census.add("add", upper + 2, both, rate=_CARRIES)
    census.add("and_or", upper, both, rate=_CARRIES)
    census.add("flop", upper, both, rate=_CARRIES)
    census.add("and_or", 2 * low, both)  # capture
    census.add("and_or", 2 * upper, both, rate=_CARRIES)
    census.add("and_or", c.sum_width, both, rate=drains)
    census.add("flop", c.sum_width, both, rate=drains)
    return census, (Step("and_or", 1, 2), *steps)


def entered_census(c: Batch, operand: str, drivers: Sequence[str]) -> tuple[Census, int, Census]:
    """Return what :func:`entered` takes, the bits of its result, and what a cluster makes of it."""
    widths = _coded_operands(c.configs[0]).get(operand)
    if widths is None:
        return Census(), int(getattr(c, f"{operand}_width")[0]), Census()
    return coded_census(widths, drivers)


def _sum_census(
    columns: ColumnsCensus, recoded: tuple[int, Sequence[str]], other: tuple[int, Sequence[str]],
    width: Size,
) -> tuple[Census, tuple[Step, ...]]:  # fmt: skip
    """Return operators of :func:`_sum` and its path, given what is in the columns before."""
    drivers = other[1]
    weight = 0
    for digit in _digit_widths(recoded[0]):
        columns.add_product(weight, other[0] + digit - 1, digit, drivers, signed=True)
        weight += digit
    census, reduced = columns.rows(drivers)
    census.add("add", width + 1, drivers)
    steps = (("and_or", 1, 2), ("xor", 1, 1))
    return census, (*(Step(*step) for step in steps), *reduced, Step("add", width + 1, 1))
