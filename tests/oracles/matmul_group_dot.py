"""Oracle of ``matmul/group_dot``, from docs/dot.md ("Weights in groups")."""

import math
from fractions import Fraction

from tests.oracles.payload import Fields, join, to_bf16, value, wrap


def fixed_scale(scale: int, exponent: int) -> tuple[int, bool]:
    """Return a bf16 scale as an integer in units of ``2^(E - 134)``, and whether it is too great.

    Args:
        scale: Pattern.
        exponent: ``E``.
    """
    s = value(scale)
    if scale >> 7 & 255 > exponent + 4:
        magnitude, over = 4095, True
    else:
        unit = Fraction(2) ** (exponent - 134)
        magnitude, over = math.floor(abs(s) / unit + Fraction(1, 2)), False
    return (-magnitude if scale >> 15 else magnitude), over


class Sum:
    """Sum over groups of INT32, with its sticky flag."""

    def __init__(self) -> None:
        self.total, self.overflow = 0, False

    def add(self, group: int, multiplier: int, too_great: bool) -> None:
        exact = self.total + multiplier * group
        self.total = wrap(exact, 32)
        self.overflow |= too_great or self.total != exact


class Oracle:
    """The unit's streams."""

    def __init__(self, *, lanes: int, group: int, scale: str, output: str) -> None:
        self.lanes, self.beats = lanes, group // lanes
        self.scale, self.output = scale, output
        self.exponent = 0
        self.reset()

    def configure(self, payload: int) -> None:
        self.exponent = Fields(payload).unsigned(8)

    def reset(self) -> None:
        self.sum = Sum()
        self._start_group()

    def _start_group(self) -> None:
        self.group, self.beat = 0, 0

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        x = [fields.signed(8) for _ in range(self.lanes)]
        q = [fields.unsigned(4) for _ in range(self.lanes)]
        zero = fields.unsigned(4)
        scale = fields.unsigned(16 if self.scale == "bf16" else 8)
        self.group += sum((b - zero) * a for a, b in zip(x, q, strict=True))
        self.beat += 1
        if self.beat < self.beats:
            return []
        multiplier, too_great = (
            fixed_scale(scale, self.exponent) if self.scale == "bf16" else (scale, False)
        )
        self.sum.add(self.group, multiplier, too_great)
        self._start_group()
        return self.result() if fields.unsigned(1) else []

    def result(self) -> list[int]:
        """End the sum."""
        total, overflow = self.sum.total, self.sum.overflow
        self.sum = Sum()
        if self.output == "int32":
            return [join([(total, 32), (overflow, 1)])]
        bits, _, beyond = to_bf16(total * Fraction(2) ** (self.exponent - 134))
        return [join([(bits, 16), (overflow or beyond, 1)])]
