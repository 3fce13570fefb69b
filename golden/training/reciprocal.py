"""Reciprocal of a significand: a table that model and generator share. Exact integers, no torch."""

__all__ = ["reciprocal_significand"]


def reciprocal_significand(mantissa: int) -> int:
    """``256 * 2 / (1 + mantissa / 128)``, rounded to nearest, in [256, 512]; 9 bits but for 0.

    One bit more than bf16 has: with it the greatest state of every block, times the reciprocal of
    itself, comes to exactly 1 in bf16 and keeps its own code.
    """
    divisor = 128 + mantissa
    return (2 * 65536 + divisor) // (2 * divisor)
