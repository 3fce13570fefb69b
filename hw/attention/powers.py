"""Multiply scores by a constant, and look up powers of 2: what exponentials of scores are made of.

A score plus 128 is unsigned and has four digits in base 4; a row of its product is a choice between
one, two and three times the constant, without a sign, so that a change of sign does not toggle all
bits above the product. A table of powers holds their differences from a straight line, which takes
half the logic.
"""

from collections.abc import Sequence
from functools import cache

from amaranth import Array, C, Cat, Module, Signal, Value, signed

from consilico.golden.attention.softmax import Segments
from consilico.hw.arith import Columns

__all__ = ["Multiplicand", "correction", "interpolated", "score_digits"]

_DIGITS = 4  # of a score, in base 4
_LOG2_OFFSET = 7  # of what makes a score unsigned


class Multiplicand:
    """A constant, with three times itself, in registers.

    Args:
        m: The module that gets the registers.
        domain: Their clock domain.
        value: What they take, unsigned.
    """

    def __init__(self, m: Module, domain: str, value: Value) -> None:
        self.value = Signal(len(value), name="k")
        tripled = Signal(len(value) + 2, name="k3")
        m.d[domain] += [self.value.eq(value), tripled.eq(3 * value)]
        self._multiples = [self.value, Cat(C(0, 1), self.value), tripled]

    def add_product(self, m: Module, columns: Columns, digits: Sequence[Value]) -> None:
        """Add the product with a score plus 128.

        Args:
            m: The module that gets the logic.
            columns: What it is added to.
            digits: Those of the score, from :func:`score_digits`.
        """
        # The digits that change least come first: full adders take them first.
        for index in reversed(range(_DIGITS)):
            columns.add_chosen(m, 2 * index, self._multiples, digits[index])

    def subtract_offset(self, columns: Columns) -> None:
        """Subtract the product with 128."""
        for place, bit in enumerate(self.value):
            columns.subtract(place + _LOG2_OFFSET, bit)

    def offset(self, fraction_cut: int) -> Value:
        """Return the product with 128, without its lowest bits, which are 0.

        Args:
            fraction_cut: How many of them are cut, at most 7.
        """
        return Cat(C(0, _LOG2_OFFSET - fraction_cut), self.value)


def score_digits(m: Module, score: Value) -> list[Value]:
    """Return the digits of an INT8 score plus 128, lowest first: a bit for each of 1, 2 and 3."""
    positive = Cat(score[:7], ~score[7])
    digits: list[Value] = []
    for index in range(_DIGITS):
        decoded = Signal(4)
        m.d.comb += decoded.eq(1 << positive.word_select(index, 2))
        digits.append(decoded[1:])
    return digits


def correction(m: Module, table: Sequence[int], fraction: int, address: Value) -> Value:
    """Return by how much an entry of a table of powers exceeds its address, signed.

    Args:
        m: The module that gets the logic.
        table: Powers of 2 from 1 to 2, with or without the leading 1.
        fraction: Their fraction bits.
        address: Which of them.
    """
    values = _corrections(tuple(table), fraction)
    width = max(max(values).bit_length(), (-min(values) - 1).bit_length()) + 1
    found = Signal(signed(width))
    m.d.comb += found.eq(Array(C(value, signed(width)) for value in values)[address])
    return found


def interpolated(
    m: Module, segments: Segments, address: Value, guard_bits: int, step_bits: int
) -> Value:
    """Return the value of a function that linear segments stand for, rounded half up.

    Args:
        m: The module that gets the logic.
        segments: Their constants.
        address: What the function is taken of.
        guard_bits: Bits of the constants below those of the value.
        step_bits: Bits of the address within a segment.
    """
    step, segment = address[:step_bits], address[step_bits:]
    width = max(segments.bases).bit_length()
    steepest = max(segments.slopes).bit_length()
    base, slope = Signal(width), Signal(steepest)
    m.d.comb += [
        base.eq(Array(C(value, width) for value in segments.bases)[segment]),
        slope.eq(Array(C(value, steepest) for value in segments.slopes)[segment]),
    ]
    columns = Columns(width)
    columns.add(0, base)
    columns.add(guard_bits - 1, C(1, 1))
    for place, bit in enumerate(step):
        columns.add(place, slope & bit.replicate(steepest))
    rows = columns.rows(m)
    found = Signal(width)
    m.d.comb += found.eq(rows[0] + rows[1])
    return found[guard_bits:]


@cache
def _corrections(table: tuple[int, ...], fraction: int) -> tuple[int, ...]:
    first = table[0] >> fraction << fraction
    leads = ((index << fraction) // len(table) for index in range(len(table)))
    return tuple(value - first - lead for value, lead in zip(table, leads, strict=True))
