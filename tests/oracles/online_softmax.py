"""Oracle of ``online_softmax``, from docs/softmax.md."""

import math
from fractions import Fraction

from tests.oracles.consmax_log2 import mantissa
from tests.oracles.payload import Fields, join, value
from tests.oracles.rows import beat


class Oracle:
    """The unit's streams."""

    def __init__(self, *, lanes: int, row: int, slack: int) -> None:
        self.lanes, self.slack = lanes, slack
        rank = math.ceil(math.log2(row))
        self.fraction = max(20, 12 + rank)
        self.width = self.fraction + 1 + slack + rank
        self.reset()

    def configure(self, payload: int) -> None:
        self.k = Fields(payload).unsigned(17)

    def reset(self) -> None:
        self.greatest, self.sum = -128, 0

    def accept(self, payload: int) -> list[int]:
        scores, last = beat(payload, self.lanes)
        exponents = [None if masked else self.k * code * 2**8 // 2**17 for code, masked in scores]
        wholes = [u // 2**8 for u in exponents if u is not None]
        top = max(wholes, default=-128)
        grown = max(top - self.greatest, 0) if top - self.greatest > self.slack else 0
        self.greatest += grown
        rescale = min(grown, 31)
        self.sum //= 2**rescale
        results = [0 if u is None else self.result(u) for u in exponents]
        self.sum += sum(math.floor(value(bits) * 2**self.fraction) for bits in results)
        self.sum %= 2**self.width
        shown = join(
            [
                *((bits, 16) for bits in results),
                (rescale, 5),
                (self.sum, self.width),
                (last, 1),
            ]
        )
        if last:
            self.reset()
        return [shown]

    def result(self, u: int) -> int:
        whole, a = divmod(u, 2**8)
        if self.greatest - whole >= 127:
            return 0
        significand = 1 + Fraction(mantissa(a, 8), 128)
        bits = (whole - self.greatest + 127) * 2**7 + int(significand * 128) - 128
        assert value(bits) == significand * Fraction(2) ** (whole - self.greatest)
        return bits
