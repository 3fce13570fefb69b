"""Oracle of ``matmul/requant``, from docs/requantization.md."""

import math
from fractions import Fraction

from tests.oracles.payload import Fields, clamp, join


class Oracle:
    """The unit's streams."""

    def __init__(
        self, *, lanes: int, result: str, rounding: str, zero_point: bool, multiplier_width: int
    ) -> None:
        self.lanes, self.width, self.rounding = lanes, int(result[-1]), rounding
        self.has_zero, self.multiplier_width = zero_point, multiplier_width

    def configure(self, payload: int) -> None:
        fields = Fields(payload)
        self.scales = [
            (fields.unsigned(self.multiplier_width), fields.unsigned(6)) for _ in range(self.lanes)
        ]
        self.zero = fields.signed(self.width) if self.has_zero else 0

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        exact = [
            self.rounded(fields.signed(32), multiplier, shift) + self.zero
            for multiplier, shift in self.scales
        ]
        codes = [clamp(number, self.width) for number in exact]
        return [join([*((code, self.width) for code in codes), (codes != exact, 1)])]

    def reset(self) -> None:
        """Keep the constants; nothing else is held from beat to beat."""

    def rounded(self, x: int, multiplier: int, shift: int) -> int:
        """Return ``x * multiplier / 2^shift`` rounded to the nearest integer."""
        p = Fraction(abs(x) * multiplier, 2**shift)
        q = round(p) if self.rounding == "half_even" else math.floor(p + Fraction(1, 2))
        return -q if x < 0 else q
