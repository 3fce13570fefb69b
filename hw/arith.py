"""Multi-operand addition: Booth recoding and a column compressor, for abc to map."""

from collections.abc import Sequence

from amaranth import Cat, Const, Module, Signal, Value

__all__ = ["BoothDigit", "booth_digits", "booth_multiply_add", "sum_columns"]

BoothDigit = tuple[Value, Value, Value]  # negative, one, two: the digit is -2, -1, 0, 1 or 2


def booth_digits(multiplier: Value) -> list[BoothDigit]:
    """Radix-4 digits of a signed multiplier of even width, lowest first.

    Source: A. D. Booth, Q. J. Mech. Appl. Math. 4 (1951); radix 4 after O. L. MacSorley, 1961.
    """
    digits = []
    below: Value = Const(0, 1)
    for position in range(0, len(multiplier), 2):
        low, high = multiplier[position], multiplier[position + 1]
        two = (high & ~low & ~below) | (~high & low & below)
        # a digit of 0 is never negative: its row stays 0 when the multiplier's sign changes
        digits.append((high & ~(low & below), low ^ below, two))
        below = high
    return digits


def sum_columns(m: Module, columns: Sequence[Sequence[tuple[int, Value]]]) -> Signal:
    """Sum of bits, modulo ``2 ** len(columns)``.

    Full adders take the three earliest bits of a column, so that late bits pass few of them; one
    carry-propagate adder ends it.

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
    result = Signal(len(columns))
    m.d.comb += result.eq(Cat(*rows[0]) + Cat(*rows[1]))
    return result


def booth_multiply_add(
    m: Module, digits: Sequence[BoothDigit], multiplicand: Value, addend: Value, shift: int
) -> Value:
    """``((multiplier * multiplicand) >> shift) + addend``, modulo ``2 ** len(addend)``, exactly.

    Args:
        m: The module that gets the logic.
        digits: Of the signed multiplier, from :func:`booth_digits`.
        multiplicand: Unsigned.
        addend: Its width is the result's.
        shift: Low bits of the product to drop (floor).
    """
    width = len(addend) + shift
    columns: list[list[tuple[int, Value]]] = [[] for _ in range(width)]
    constant = 0
    for index, (negative, one, two) in enumerate(digits):
        low = 2 * index
        above = low + len(multiplicand) + 1
        doubled = Cat(Const(0, 1), multiplicand)
        row = Signal(len(multiplicand) + 1)
        m.d.comb += row.eq(
            ((multiplicand & one.replicate(len(row))) | (doubled & two.replicate(len(row))))
            ^ negative.replicate(len(row))
        )
        for offset, bit in enumerate(row):
            if low + offset < width:
                columns[low + offset].append((2, bit))
        columns[low].append((0, negative))  # two's complement of a negative row
        if above < width:  # the row's sign, -negative * 2 ** above, as ~negative minus a constant
            columns[above].append((0, ~negative))
            constant -= 1 << above
    for weight in range(width):
        if constant >> weight & 1:
            columns[weight].append((0, Const(1, 1)))
        if weight >= shift:
            columns[weight].append((0, addend[weight - shift]))
    return sum_columns(m, columns)[shift:]
