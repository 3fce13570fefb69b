"""Describe the integer codes that matrix units multiply, and the width of their sums."""

__all__ = ["Operands", "code_range", "sum_width"]


def code_range(form: str) -> tuple[int, int]:
    """Return the least and the greatest code of a form: ``"int8"``, ``"int4"`` or ``"uint4"``."""
    codes = 1 << int(form[-1])
    return (0, codes - 1) if form.startswith("u") else (-codes // 2, codes // 2 - 1)


class Operands:
    """Widths and ranges that follow from the forms of activations and weights.

    Configurations that have the fields ``x`` and ``w`` inherit from this class.
    """

    x: str
    w: str

    @property
    def x_width(self) -> int:
        """Return the number of bits of an activation."""
        return int(self.x[-1])

    @property
    def w_width(self) -> int:
        """Return the number of bits of a weight."""
        return int(self.w[-1])

    @property
    def x_range(self) -> tuple[int, int]:
        """Return the least and the greatest activation."""
        return code_range(self.x)

    @property
    def w_range(self) -> tuple[int, int]:
        """Return the least and the greatest code of a weight."""
        return code_range(self.w)

    @property
    def product_range(self) -> tuple[int, int]:
        """Return the least and the greatest product; ``"uint4"`` weights have any zero point."""
        weights = (-15, 15) if self.w == "uint4" else self.w_range
        corners = [x * w for x in self.x_range for w in weights]
        return min(corners), max(corners)


def sum_width(count: int, least: int, greatest: int) -> int:
    """Return the bits of a two's complement number that holds every sum of ``count`` terms.

    Args:
        count: Number of terms, at least 1.
        least: Least value of a term, at most 0.
        greatest: Greatest value of a term, at least 0.
    """
    return max((count * greatest).bit_length(), (-count * least - 1).bit_length()) + 1
