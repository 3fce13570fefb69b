"""Forms of the integer codes that matrix units multiply."""

__all__ = ["Operands", "code_range"]


def code_range(form: str) -> tuple[int, int]:
    """Least and greatest code of ``"int8"``, ``"int4"`` (two's complement) or ``"uint4"``."""
    codes = 1 << int(form[-1])
    return (0, codes - 1) if form.startswith("u") else (-codes // 2, codes // 2 - 1)


class Operands:
    """What follows from the forms of activations and weights, for configurations that name both."""

    x: str
    w: str

    @property
    def x_width(self) -> int:
        """Bits of an activation."""
        return int(self.x[-1])

    @property
    def w_width(self) -> int:
        """Bits of a weight."""
        return int(self.w[-1])

    @property
    def x_range(self) -> tuple[int, int]:
        """Least and greatest activation."""
        return code_range(self.x)

    @property
    def w_range(self) -> tuple[int, int]:
        """Least and greatest code of a weight."""
        return code_range(self.w)

    @property
    def product_range(self) -> tuple[int, int]:
        """Least and greatest product; weights of ``"uint4"`` have any zero point."""
        weights = (-15, 15) if self.w == "uint4" else self.w_range
        corners = [x * w for x in self.x_range for w in weights]
        return min(corners), max(corners)
