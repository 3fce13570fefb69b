"""Bits of payloads and bf16 numbers, for oracles: they import nothing of Consilico.

A payload is a Python integer; its fields are given lowest bits first, as the pages in ``docs/``
list them. A bf16 number is a 16-bit pattern of sign, 8 exponent bits (bias 127) and 7 mantissa
bits, without subnormal numbers.
"""

from collections.abc import Iterable
from fractions import Fraction

GREATEST = 0x7F7F  # finite bf16 number


class Fields:
    """Reads the fields of a payload one after another."""

    def __init__(self, payload: int) -> None:
        self._rest = payload

    def unsigned(self, width: int) -> int:
        """Return the next field of ``width`` bits."""
        value = self._rest & ((1 << width) - 1)
        self._rest >>= width
        return value

    def signed(self, width: int) -> int:
        """Return the next field of ``width`` bits, in two's complement."""
        return wrap(self.unsigned(width), width)


def join(fields: Iterable[tuple[int, int]]) -> int:
    """Return the payload of ``(value, width)`` pairs; negative values become two's complement.

    Raises:
        ValueError: If a value does not fit its field.
    """
    payload = at = 0
    for value, width in fields:
        if not -(1 << width) // 2 <= value < 1 << width:
            raise ValueError(f"{value} does not fit {width} bits")
        payload |= (value & ((1 << width) - 1)) << at
        at += width
    return payload


def wrap(value: int, width: int) -> int:
    """Return a number reduced to two's complement of ``width`` bits."""
    half = 1 << (width - 1)
    return (value + half) % (2 * half) - half


def clamp(value: int, width: int) -> int:
    """Return a number limited to the range of two's complement of ``width`` bits."""
    half = 1 << (width - 1)
    return min(max(value, -half), half - 1)


def code_range(form: str) -> tuple[int, int]:
    """Return the least and the greatest number of ``int8``, ``int4``, ``uint4``, ..."""
    unsigned, bits = form.startswith("u"), int(form.removeprefix("u").removeprefix("int"))
    return (0, (1 << bits) - 1) if unsigned else (-(1 << bits - 1), (1 << bits - 1) - 1)


def width_of_sum(terms: int, least: int, greatest: int) -> int:
    """Return the least width in two's complement that holds every sum of so many terms."""
    width = 1
    while not (-(1 << width - 1) <= terms * least and terms * greatest < 1 << width - 1):
        width += 1
    return width


def value(bits: int) -> Fraction:
    """Return the value of a bf16 number; exponent 255 counts as one more binade."""
    exponent, significand = bits >> 7 & 255, 128 + (bits & 127)
    if exponent == 0:
        return Fraction(0)
    magnitude = significand * Fraction(2) ** (exponent - 134)
    return -magnitude if bits >> 15 & 1 else magnitude


def floor_log2(number: Fraction) -> int:
    """Return the greatest ``e`` with ``2 ** e <= number``, for positive numbers."""
    exponent = number.numerator.bit_length() - number.denominator.bit_length()
    return exponent if number >= Fraction(2) ** exponent else exponent - 1


def to_bf16(number: Fraction) -> tuple[int, bool, bool]:
    """Round to 8 significant bits, to nearest even, then limit the exponent.

    Returns:
        Pattern; whether it is 0 because the number is below ``2 ** -126``, or 0; whether it is the
        greatest finite number because the number is above that.
    """
    if number == 0:
        return 0, True, False
    sign, number = (0x8000, -number) if number < 0 else (0, number)
    unit = Fraction(2) ** (floor_log2(number) - 7)
    rounded = round(number / unit) * unit  # Python rounds fractions half to even
    exponent = floor_log2(rounded)
    if exponent < -126:
        return 0, True, False
    if exponent > 127:
        return sign | GREATEST, False, True
    significand = int(rounded / Fraction(2) ** (exponent - 7))
    return sign | (exponent + 127) << 7 | (significand - 128), False, False
