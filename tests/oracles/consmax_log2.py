"""Oracle of ``consmax/log2``, from docs/consmax.md."""

from functools import cache
from typing import Any

import mpmath

from tests.oracles import consmax
from tests.oracles.payload import GREATEST, Fields


@cache
def mantissa(a: int, address: int) -> int:
    """Return ``min(round(128 * 2^((a + 1/2) / 2^address)) - 128, 127)``."""
    with mpmath.workdps(50):
        power = 128 * mpmath.power(2, (a + mpmath.mpf(1) / 2) / 2**address)
        return min(int(mpmath.nint(power)) - 128, 127)


class Oracle:
    """The unit's streams."""

    def __init__(
        self, *, lanes: int, k_fraction: int, fraction: int, address: int, **output: Any
    ) -> None:
        self.lanes, self.output = lanes, output
        self.k_fraction, self.fraction, self.address = k_fraction, fraction, address

    def configure(self, payload: int) -> None:
        fields = Fields(payload)
        self.k = fields.unsigned(self.k_fraction)  # in 2 ** -k_fraction
        self.b = fields.unsigned(7 + self.fraction)  # in 2 ** -fraction

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        lanes = [(fields.signed(8), fields.unsigned(1)) for _ in range(self.lanes)]
        products = [self.product(score) for score, _ in lanes]
        return [consmax.beat(products, [mask for _, mask in lanes], **self.output)]

    def reset(self) -> None:
        """Keep the constants; nothing else is held from beat to beat."""

    def product(self, score: int) -> consmax.Product:
        # e in units of 2 ** -fraction
        e = self.k * score * 2**self.fraction // 2**self.k_fraction + self.b + 64 * 2**self.fraction
        exponent, rest = divmod(e, 2**self.fraction)
        if exponent < 1:
            return 0, True, False
        if exponent > 254:
            return GREATEST, False, True
        a = rest // 2 ** (self.fraction - self.address)
        return exponent << 7 | mantissa(a, self.address), False, False
