"""Generate the lanes of ``matmul/group_dot``: codes less a zero point, times activations.

A zero point costs no subtraction: it goes into the digits that a code is recoded to.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.operand import sum_width
from consilico.hw.arith import BoothDigit, Columns, ColumnsCensus
from consilico.hw.census import Census, Size, Step
from consilico.hw.parts import part_clock

__all__ = ["OFFSETS", "GroupLanes", "OffsetPass", "lanes_census", "pass_tables", "passes"]

OFFSETS = {5: 0b111, 6: 0b101, 7: 0b010, 8: 0b000, 9: 0b011, 10: 0b001}
"""How a lane subtracts an offset from its code: bits ``apart``, ``low``, ``high`` by offset.

The two radix-4 digits of ``q`` become digits in -2..2, whose products need no adder, in six ways.
With ``apart`` each digit, 0 to 3, is reduced by itself: the lower one by 2, or by 1 with ``low``,
and the upper one by 2, or by 1 with ``high``; the offsets are 10, 9, 6 and 5. Without ``apart``
they are the Booth digits of ``q - 8``, to which ``low`` adds 1; the offsets are 8 and 7.
"""


class OffsetPass(NamedTuple):
    """Work of the lanes in one cycle: an offset is subtracted from the codes, or from 0 or 15."""

    offset: int
    codes: int | None = None


def passes(zero: int) -> list[OffsetPass]:
    """Return the passes that make up ``q - z``: one for zero points in 5..10, otherwise two.

    With two passes ``q - z`` is ``(q - a) + (c - b)``, where ``c`` is 0 or 15 in every lane.
    """
    if zero in OFFSETS:
        return [OffsetPass(zero)]
    if zero > 10:
        return [OffsetPass(5), OffsetPass(zero - 5, codes=0)]
    return [OffsetPass(10), OffsetPass(zero + 5, codes=15)]


def pass_tables() -> list[int]:
    """Return truth tables of what :func:`passes` plans.

    Three tables are those of the bits of the offset, over the zero point and, above it, whether it
    is the second pass. One more says whether there are two passes, and one whether codes count as
    15 in the second.
    """
    plans = [passes(code) for code in range(16)]
    rows = [OFFSETS[plan[0].offset] for plan in plans]
    rows += [OFFSETS[plan[-1].offset] for plan in plans]
    tables = [[row >> bit & 1 for row in rows] for bit in range(3)]
    tables += [[len(plan) - 1 for plan in plans], [plan[-1].codes == 15 for plan in plans]]
    return [sum(bit << row for row, bit in enumerate(table)) for table in tables]


class GroupLanes(wiring.Component):
    """Operand registers of the lanes, and the sum of their products as two rows.

    Members:
        taken_clk: In, gated clock of the operands.
        stage1_clk: In, gated clock of the rows.
        x, q: In, operands of the incoming beat.
        offset: In, entry of :data:`OFFSETS` for the beat in the operand registers.
        row0, row1: Out, registered; their sum modulo their width is that of the products, signed.
    """

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        width = sum_width(lanes, -128 * 10, 128 * 10)
        super().__init__(
            {
                "taken_clk": In(1),
                "stage1_clk": In(1),
                "x": In(8 * lanes),
                "q": In(4 * lanes),
                "offset": In(3),
                "row0": Out(width),
                "row1": Out(width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "taken", self.taken_clk)
        part_clock(m, "stage1", self.stage1_clk)
        columns = Columns(len(self.row0))
        lanes = [self._lane(m, lane) for lane in range(self._lanes)]
        for index in range(2):  # digit by digit, as in DotBlock
            for digits, multiples in lanes:
                columns.add_product(m, [digits[index]], multiples, signed=True)
        row0, row1 = columns.rows(m)
        m.d.stage1 += [self.row0.eq(row0), self.row1.eq(row1)]
        return m

    def _lane(self, m: Module, lane: int) -> tuple[list[BoothDigit], list[Value]]:
        """Return the digits of a lane's weight and the multiples of its activation."""
        x, complement = Signal(8, name=f"x{lane}"), Signal(4, name=f"nq{lane}")
        # what clears or sets all codes in a second pass is then one gate per bit
        codes = self.q.word_select(lane, 4)
        m.d.taken += [x.eq(self.x.word_select(lane, 8)), complement.eq(~codes)]
        q = ~complement
        apart, low, high = self.offset
        carried = Mux(apart, high, q[1])
        digits = [_digit(0, q[1] ^ apart, q[0], low), _digit(2, ~q[3], q[2], carried)]
        return digits, [x, Cat(Const(0, 1), x)]


def _digit(weight: int, top: Value, low: Value, below: Value) -> BoothDigit:
    """Return the digit ``low + below - 2 * top``.

    A digit of 0 may be marked negative: its row is then 0 less 0.
    """
    one = low ^ below
    return BoothDigit(weight, top, (one, ~one & (top ^ low)))


def lanes_census(
    lanes: Size, width: Size, x: Sequence[str], q: Sequence[str]
) -> tuple[Census, tuple[Step, ...]]:
    """Return the operators of :class:`GroupLanes`, and their longest path.

    Args:
        lanes: How many.
        width: Bits of the rows.
        x: What makes the activations toggle.
        q: What makes the codes toggle.
    """
    both = (*x, *q)
    columns = ColumnsCensus(width)
    for weight in (0, 2):
        columns.add_product(weight, 9, 2, both, signed=True, times=lanes)
    census, reduced = columns.rows(both)
    census.add("flop", 8 * lanes, x)
    census.add("flop", 4 * lanes, q)
    census.add("mux", lanes, q)  # digits
    census.add("xor", 5 * lanes, q)
    census.add("and_or", 2 * lanes, q)
    census.add("flop", 2 * width, both)
    steps = (("mux", 1, 1), ("xor", 1, 1), ("and_or", 1, 3), ("xor", 1, 1))
    return census, (*(Step(*step) for step in steps), *reduced)
