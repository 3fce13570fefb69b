"""Multi-operand addition: Booth recoding and a column compressor, for abc to map."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

from amaranth import Cat, Const, Module, Signal, Value

__all__ = ["BoothDigit", "booth_digits", "booth_multiply_add", "compress"]


class BoothDigit(NamedTuple):
    """A signed digit of a multiplier: at most one of ``chosen`` is 1, none for a digit of 0."""

    weight: int  # log2 of the digit's place
    negative: Value  # never for a digit of 0, whose row so stays 0 when the sign changes
    chosen: tuple[Value, ...]  # the magnitude is 1, 2, ...

    @property
    def bits(self) -> Value:
        """All bits, to keep in a register."""
        return Cat(self.negative, *self.chosen)

    def held(self, bits: Value) -> "BoothDigit":
        """The digit whose :attr:`bits` are in a register."""
        return BoothDigit(self.weight, bits[0], tuple(bits[1:]))


def booth_digits(multiplier: Value, widths: Sequence[int]) -> list[BoothDigit]:
    """Digits of a signed multiplier, lowest first.

    Args:
        multiplier: Its bits are those of the digits.
        widths: Bits of each digit: one of ``w`` bits lies in ``[-2 ** (w - 1), 2 ** (w - 1)]``.

    Source: A. D. Booth, Q. J. Mech. Appl. Math. 4 (1951); several bits a digit after
    O. L. MacSorley, Proc. IRE 49 (1961).
    """
    digits = []
    below: Value = Const(0, 1)
    weight = 0
    for width in widths:
        index = Cat(below, multiplier[weight : weight + width])
        greatest = 1 << (width - 1)
        values = [
            # the bit below counts 1, the highest bit counts negative
            (code >> 1) + (code & 1) - (2 * greatest if code >> width else 0)
            for code in range(2 << width)
        ]
        digits.append(
            BoothDigit(
                weight,
                _lookup([value < 0 for value in values], index),
                tuple(
                    _lookup([abs(value) == magnitude for value in values], index)
                    for magnitude in range(1, greatest + 1)
                ),
            )
        )
        weight += width
        below = multiplier[weight - 1]
    return digits


def _lookup(table: Sequence[bool], index: Value) -> Value:
    rows = sum(1 << row for row, value in enumerate(table) if value)
    return (Const(rows, len(table)) >> index)[0]


def compress(m: Module, columns: Sequence[Sequence[tuple[int, Value]]]) -> tuple[Value, Value]:
    """Two numbers whose sum is that of the bits, modulo ``2 ** len(columns)``.

    Full adders take the three earliest bits of a column, so that late bits pass few of them.

    Args:
        m: The module that gets the logic.
        columns: For each weight ``2 ** n`` its bits, each with its arrival time in gate delays.

    Source: Oklobdzija, Villeger and Liu, IEEE Trans. Comput. 45 (1996), the three-dimensional
    method.
    """
    pending = [list(column) for column in columns]
    rows: tuple[list[Value], list[Value]] = ([], [])
    for weight, column in enumerate(pending):
        while len(column) > 2:
            column.sort(key=lambda bit: bit[0])
            (ta, a), (tb, b), (tc, c) = column[:3]
            half, total, carry = Signal(), Signal(), Signal()
            m.d.comb += [half.eq(a ^ b), total.eq(half ^ c), carry.eq((a & b) | (c & half))]
            time = max(ta + 2, tb + 2, tc + 1)
            del column[:3]
            column.append((time, total))
            if weight + 1 < len(pending):
                pending[weight + 1].append((time, carry))
        bits = [bit for _, bit in column]
        for row in rows:
            row.append(bits.pop() if bits else Const(0, 1))
    return Cat(*rows[0]), Cat(*rows[1])


def booth_multiply_add(
    m: Module, digits: Sequence[BoothDigit], multiples: Sequence[Value], addend: Value, shift: int
) -> tuple[Value, Value]:
    """Two numbers whose sum is ``multiplier * multiplicand + (addend << shift)``, exactly.

    Modulo ``2 ** (len(addend) + shift)``, the width of both.

    Args:
        m: The module that gets the logic.
        digits: Of the signed multiplier, from :func:`booth_digits`.
        multiples: The unsigned multiplicand, twice it, ..., as far as the digits choose.
        addend: Added to the product without its lowest ``shift`` bits.
        shift: Lowest bits of the product that the addend has not.
    """
    width = len(addend) + shift
    columns: list[list[tuple[int, Value]]] = [[] for _ in range(width)]
    constant = 0
    for digit in digits:
        chosen = [
            multiple & choice.replicate(len(multiple))
            for multiple, choice in zip(multiples, digit.chosen, strict=False)
        ]
        row = Signal(max(map(len, chosen)))
        m.d.comb += row.eq(reduce(or_, chosen) ^ digit.negative.replicate(len(row)))
        above = digit.weight + len(row)
        for offset, bit in enumerate(row):
            if digit.weight + offset < width:
                columns[digit.weight + offset].append((2, bit))
        columns[digit.weight].append((0, digit.negative))  # two's complement of a negative row
        if above < width:  # the row's sign, -negative * 2 ** above, as ~negative minus a constant
            columns[above].append((0, ~digit.negative))
            constant -= 1 << above
    for weight in range(width):
        if constant >> weight & 1:
            columns[weight].append((0, Const(1, 1)))
        if weight >= shift:
            columns[weight].append((0, addend[weight - shift]))
    return compress(m, columns)
