"""The dynamic code book of docs/training.md, which two units share."""

from fractions import Fraction
from functools import cache


@cache
def book(code: str) -> list[Fraction]:
    """Return the 256 values of the ``signed`` or the ``unsigned`` book by code."""
    magnitudes = {Fraction(0), Fraction(1)}
    for d in range(7):
        steps = 2**d if code == "signed" else 2 ** (d + 1)
        least, greatest = (Fraction(edge) * Fraction(10) ** (d - 6) for edge in ("0.1", "1"))
        step = (greatest - least) / steps
        magnitudes |= {least + (number + Fraction(1, 2)) * step for number in range(steps)}
    negative = (
        {-magnitude for magnitude in magnitudes - {Fraction(1)}} if code == "signed" else set()
    )
    return sorted(magnitudes | negative)
