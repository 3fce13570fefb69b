"""Add many operands at once: Booth recoding and a column compressor."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import numpy as np
from amaranth import Cat, Const, Module, Signal, Value

from consilico.hw.census import Census, Size, Step

__all__ = [
    "BoothDigit",
    "Columns",
    "ColumnsCensus",
    "booth_census",
    "booth_digits",
    "code_widths",
    "coded_census",
    "coded_digits",
    "digit_codes",
]

_FULLY_CODED = 2  # digits of which every control signal is in the code


class BoothDigit(NamedTuple):
    """A signed digit of a multiplier.

    At most one of ``chosen`` is 1, and none for a digit of 0.
    """

    weight: int  # log2 of the digit's place
    negative: Value  # 0 for a digit of 0, so that its row does not toggle with the sign
    chosen: tuple[Value, ...]  # one bit each: the magnitude is 1, 2, ...

    @property
    def bits(self) -> Value:
        """Return all bits of the digit, to be kept in a register."""
        return Cat(self.negative, *self.chosen)

    def held(self, bits: Value) -> "BoothDigit":
        """Return the same digit, whose :attr:`bits` are now in a register."""
        return BoothDigit(self.weight, bits[0], tuple(bits[1:]))


def booth_digits(multiplier: Value, widths: Sequence[int]) -> list[BoothDigit]:
    """Recode a signed multiplier to Booth digits, lowest first.

    Args:
        multiplier: The multiplier; it has as many bits as all digits together.
        widths: Bits of each digit. A digit of ``w`` bits lies in ``[-2 ** (w - 1), 2 ** (w - 1)]``.

    Source: A. D. Booth, Q. J. Mech. Appl. Math. 4 (1951); several bits per digit after O. L.
    MacSorley, Proc. IRE 49 (1961).
    """
    digits = []
    below: Value = Const(0, 1)
    weight = 0
    for width in widths:
        index = Cat(below, multiplier[weight : weight + width])
        negative, *chosen = ((Const(rows, 2 << width) >> index)[0] for rows in _digit_tables(width))
        digits.append(BoothDigit(weight, negative, tuple(chosen)))
        weight += width
        below = multiplier[weight - 1]
    return digits


def _digit_tables(width: int) -> list[int]:
    """Return truth tables of a digit over its bits and the bit below them.

    The first table is that of the sign; one for each magnitude from 1 follows.
    """
    greatest = 1 << (width - 1)
    values = [
        # the bit below the digit counts 1, and the digit's highest bit counts negative
        (code >> 1) + (code & 1) - (2 * greatest if code >> width else 0)
        for code in range(2 << width)
    ]
    tables = [[value < 0 for value in values]]
    tables += [
        [abs(value) == magnitude for value in values] for magnitude in range(1, greatest + 1)
    ]
    return [sum(1 << row for row, value in enumerate(table) if value) for table in tables]


def digit_codes(multiplier: Value, widths: Sequence[int]) -> list[Value]:
    """Return what a register keeps of each Booth digit, for :func:`coded_digits` to read.

    Recoding takes several gates; behind registers of the multiplier itself, what chooses a row
    would change in several steps, and the row would glitch. Of a digit's sign only the bit that it
    comes from is in the code: the gate that makes it 0 for a digit of 0 delays it about as much as
    the gates that choose the row, which it inverts. From the third digit on, which is mostly 0 in
    what is recoded, a magnitude of 2 is told from the others behind the registers, which saves one
    of them.

    Args:
        multiplier: As for :func:`booth_digits`.
        widths: Likewise; at most 2 bits for each digit.
    """
    digits = zip(booth_digits(multiplier, widths), code_widths(widths), widths, strict=True)
    return [
        Cat(multiplier[digit.weight + width - 1], *digit.chosen)[:bits]
        for digit, bits, width in digits
    ]


def code_widths(widths: Sequence[int]) -> list[int]:
    """Return the bits that :func:`digit_codes` keeps of each digit: sign and magnitudes."""
    return [
        1 + (1 << (width - 1) if index < _FULLY_CODED else 1) for index, width in enumerate(widths)
    ]


def coded_digits(codes: Sequence[Value], widths: Sequence[int]) -> list[BoothDigit]:
    """Return the digits that registers hold as :func:`digit_codes`, lowest first."""
    digits = []
    below: Value = Const(0, 1)
    weight = 0
    for code, width in zip(codes, widths, strict=True):
        top, one, *two = code
        nonzero = one
        if two:
            nonzero = one | two[0]
        elif width == 2:
            nonzero = one | (top ^ below)  # settles before `one | two`
            two = [~one & (top ^ below)]
        digits.append(BoothDigit(weight, top & nonzero, (one, *two)))
        weight += width
        below = top
    return digits


def booth_census(
    widths: Sequence[int],
    drivers: Sequence[str],
    *,
    signs: bool = True,
    magnitudes: int | None = None,
) -> Census:
    """Return the operators of :func:`booth_digits` for digits of these widths.

    Args:
        widths: Bits of each digit.
        drivers: What makes the digits toggle.
        signs: Whether the signs of the digits are used.
        magnitudes: How many magnitudes of each digit, from 1 on, are used; None: all.
    """
    census = Census()
    for width in widths:
        sign, *chosen = (rows.bit_length() for rows in _digit_tables(width))
        census.add("lookup", sign * signs + sum(chosen[:magnitudes]), drivers)
    return census


def coded_census(widths: Sequence[int], drivers: Sequence[str]) -> tuple[Census, int, Census]:
    """Return what :func:`digit_codes` and :func:`coded_digits` take.

    Args:
        widths: Bits of each digit.
        drivers: What makes the digits toggle.

    Returns:
        Operators in front of the registers, bits of all codes, and operators behind them.
    """
    first, rest = widths[:_FULLY_CODED], widths[_FULLY_CODED:]
    coding = booth_census(first, drivers, signs=False)
    coding.include(booth_census(rest, drivers, signs=False, magnitudes=1))
    wide = sum(width == 2 for width in rest)  # digits whose magnitude 2 is told from others
    decoding = Census()
    decoding.add("and_or", sum(first) + 2 * wide + len(rest), drivers)
    decoding.add("xor", wide, drivers)
    return coding, sum(code_widths(widths)), decoding


class Columns:
    """Bits to be added up, sorted by weight, modulo ``2 ** width``.

    Calling :meth:`rows` builds a tree of full adders that leaves two rows, so only one
    carry-propagate adder is needed for all of them.

    Args:
        width: Bits of the sum.
    """

    def __init__(self, width: int) -> None:
        self._bits: list[list[tuple[int, Value]]] = [[] for _ in range(width)]
        self._constant = 0

    def add(self, weight: int, value: Value, time: int = 0) -> None:
        """Add an unsigned value times ``2 ** weight``.

        Args:
            weight: Column of the value's lowest bit.
            value: The value; bits beyond the sum's width are dropped.
            time: Gate delays after which the value has settled, relative to the other values.
        """
        for column, bit in zip(self._bits[weight:], value, strict=False):
            column.append((time, bit))

    def add_signed(self, weight: int, value: Value, time: int = 0) -> None:
        """Add a two's complement value times ``2 ** weight``."""
        self.add(weight, value[:-1], time)
        self.subtract(weight + len(value) - 1, value[-1], time)

    def subtract(self, weight: int, bit: Value, time: int = 0) -> None:
        """Subtract a bit times ``2 ** weight``: add its complement and subtract a constant."""
        self.add(weight, ~bit, time)
        self._constant -= 1 << weight

    def add_product(
        self, m: Module, digits: Sequence[BoothDigit], multiples: Sequence[Value], *, signed: bool
    ) -> None:
        """Add the exact product of a recoded multiplier and a multiplicand.

        Args:
            m: The module that gets the logic.
            digits: Digits of the signed multiplier, from :func:`booth_digits`.
            multiples: The multiplicand, twice it and so on, as far as the digits choose.
            signed: Whether the multiples are two's complement.
        """
        for digit in digits:
            chosen = _chosen(multiples, digit.chosen, signed=signed)
            row = Signal(len(chosen))
            m.d.comb += row.eq(chosen ^ digit.negative.replicate(len(row)))
            if signed:
                self.add_signed(digit.weight, row, 2)
            else:
                self.add(digit.weight, row, 2)
                self.subtract(digit.weight + len(row), digit.negative)
            self.add(
                digit.weight, digit.negative
            )  # completes the two's complement of a negative row

    def add_chosen(self, m: Module, weight: int, multiples: Sequence[Value], chosen: Value) -> None:
        """Add one of some multiples, or 0, times ``2 ** weight``.

        Args:
            m: The module that gets the logic.
            weight: Column of the multiples' lowest bits.
            multiples: Unsigned numbers.
            chosen: One bit for each of them, of which at most one is 1.
        """
        row = Signal(max(len(multiple) for multiple in multiples))
        m.d.comb += row.eq(_chosen(multiples, list(chosen), signed=False))
        self.add(weight, row, 2)

    def rows(self, m: Module) -> tuple[Value, Value]:
        """Return two numbers whose sum is that of all bits.

        Full adders take the three bits of a column that settle first, so that late bits pass
        through few of them.

        Source: Oklobdzija, Villeger and Liu, IEEE Trans. Comput. 45 (1996), the three-dimensional
        method.
        """
        pending = [list(column) for column in self._bits]
        rows: tuple[list[Value], list[Value]] = ([], [])
        for weight, column in enumerate(pending):
            if self._constant >> weight & 1:
                column.append((0, Const(1, 1)))
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


class ColumnsCensus:
    """Counts what :class:`Columns` makes of bits; a method for each of its methods.

    Args:
        width: Of the sum.
    """

    def __init__(self, width: Size) -> None:
        self._width = np.atleast_1d(np.asarray(width, dtype=np.int64))
        self._column = np.arange(self._width.max())
        self._heights = np.zeros((len(self._width), len(self._column)), dtype=np.int64)
        self._constant = np.zeros(len(self._width), dtype=np.int64)
        self.logic = Census()  # of the rows of products

    def add(self, weight: Size, bits: Size, times: Size = 1) -> None:
        """Count an unsigned value of so many bits times ``2 ** weight``, ``times`` of them."""
        low, high, count = (_column(item) for item in (weight, weight + bits, times))
        inside = (self._column >= low) & (self._column < np.minimum(high, _column(self._width)))
        self._heights += inside * count

    def add_signed(self, weight: Size, bits: Size, times: Size = 1) -> None:
        """Count the bits of two's complement numbers that are added to the columns."""
        self.add(weight, bits, times)
        taken = np.left_shift(1, np.asarray(weight + bits - 1, dtype=np.int64)) * times
        self._constant -= np.asarray(taken, dtype=np.int64)

    def subtract(self, weight: Size, times: Size = 1) -> None:
        """Count bits that are subtracted."""
        self.add_signed(weight, 1, times)

    def add_product(
        self,
        weight: Size,
        bits: Size,
        multiples: int,
        drivers: Sequence[str],
        *,
        signed: bool,
        times: Size = 1,
    ) -> None:
        """Count the row of a digit.

        Args:
            weight: Of the digit.
            bits: Of the longest multiple.
            multiples: How many the digit chooses from.
            drivers: What makes the row toggle, see :class:`consilico.hw.census.Operators`.
            signed: The multiples are two's complement.
            times: Such rows.
        """
        self.logic.add("and_or", (2 * multiples - 1) * bits * times, drivers)
        self.logic.add("xor", bits * times, drivers)
        if signed:
            self.add_signed(weight, bits, times)
        else:
            self.add(weight, bits, times)
            self.subtract(weight + bits, times)
        self.add(weight, 1, times)

    def add_chosen(self, weight: Size, bits: Size, multiples: int, drivers: Sequence[str]) -> None:
        """Count the row of one of some multiples, or 0, times ``2 ** weight``.

        Args:
            weight: Column of the row's lowest bit.
            bits: Of the longest multiple.
            multiples: How many there are.
            drivers: What makes the row toggle, see :class:`consilico.hw.census.Operators`.
        """
        self.logic.add("and_or", (2 * multiples - 1) * bits, drivers)
        self.add(weight, bits)

    def rows(self, drivers: Sequence[str]) -> tuple[Census, tuple[Step, ...]]:
        """Operators so far with those that reduce the columns, and the longest path of the latter.

        The depth of a tree of full adders is the logarithm, to base 3/2, of how far it reduces.
        """
        census = Census()
        census.include(self.logic)
        ones = (_column(self._constant) >> self._column) & 1
        ones &= self._column < _column(self._width)
        heights = self._heights + ones
        adders = np.zeros(len(heights), dtype=np.int64)
        known, carries, tallest = adders.copy(), adders.copy(), adders.copy() + 2
        carry_gates = adders.copy()
        for column in self._column:
            height = heights[:, column] + carries * (column < self._width)
            tallest = np.maximum(tallest, height)
            carries = np.maximum(0, (height - 1) // 2)
            adders = adders + carries
            saved = ones[:, column] * (height > 2)  # a constant saves an XOR and an AND
            known += saved
            carry_gates += (3 * carries - saved) * (column + 1 < self._width)
        census.add("xor", 2 * adders - known, drivers)
        census.add("and_or", carry_gates, drivers)
        depth = np.log(tallest / 2) / np.log(1.5)
        return census, (Step("xor", 1, 2 * depth),)


def _column(values: Size) -> Any:
    return np.asarray(values).reshape(-1, 1)


def _chosen(multiples: Sequence[Value], chosen: Sequence[Value], *, signed: bool) -> Value:
    """Return the multiple whose bit is 1, or 0, as wide as the widest that there is a bit for."""
    terms = list(zip(multiples, chosen, strict=False))
    width = max(len(multiple) for multiple, _ in terms)
    return reduce(
        or_,
        (
            _extended(multiple, width, signed=signed) & choice.replicate(width)
            for multiple, choice in terms
        ),
    )


def _extended(value: Value, width: int, *, signed: bool) -> Value:
    """Extend a value to ``width`` bits, by its sign or by zeros."""
    fill = value[-1] if signed else Const(0, 1)
    return Cat(value, fill.replicate(width - len(value)))
