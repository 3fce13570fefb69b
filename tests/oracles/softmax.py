"""Oracle of ``softmax``, from docs/softmax.md."""

from functools import cache
from typing import Any

import mpmath

from tests.oracles.payload import Fields
from tests.oracles.rows import RowOracle, Score


def _nearest(value: Any) -> int:
    return int(mpmath.nint(value))


def _segment(function: Any, unit: int, segments: int, n: int) -> tuple[int, int]:
    with mpmath.workdps(50):
        values = [function(mpmath.mpf(n + end) / segments) for end in (0, 1)]
        slope = _nearest(unit * (values[1] - values[0]) / 64)
        rests = [
            unit * function((64 * n + low + mpmath.mpf(1) / 2) / (64 * segments)) - slope * low
            for low in range(64)
        ]
        return _nearest((min(rests) + max(rests)) / 2), slope


@cache
def power(a: int) -> int:
    """Return ``E[a]``."""
    n, low = divmod(a, 64)
    base, slope = _segment(lambda f: mpmath.power(2, f), 2**15, 16, n)
    return (base + slope * low + 8) // 16


@cache
def mantissa(f: int) -> int:
    """Return ``round(128 * 2^((8 f + 7/2) / 4096)) - 128``."""
    with mpmath.workdps(50):
        return _nearest(128 * mpmath.power(2, (8 * f + mpmath.mpf(7) / 2) / 4096)) - 128


@cache
def segment(n: int) -> tuple[int, int]:
    """Return base and slope of ``log2(1 + t)``."""
    return _segment(lambda t: mpmath.log(1 + t, 2), 2**16, 32, n)


def vexp(n: int) -> int:
    """Return the mantissa of VEXP."""
    if n < 64:
        return 8 * n * (n + 363) // 2**12
    return 127 - 7 * (255 - 2 * n) * (n + 278) // 2**12


class Oracle(RowOracle):
    """The unit's streams."""

    width = 16

    def __init__(self, *, exponential: str, **rows: Any) -> None:
        super().__init__(**rows)
        self.vexp = exponential == "vexp"

    def power(self, fraction: int) -> int:
        """Return the power, with 11 fraction bits, of a fraction with 12."""
        return (128 + vexp(fraction // 32)) * 2**4 if self.vexp else power(fraction // 4)

    def mantissa(self, fraction: int) -> int:
        return vexp(fraction // 32) if self.vexp else mantissa(fraction // 8)

    def configure(self, payload: int) -> None:
        self.next_k = Fields(payload).unsigned(17)

    def begin(self) -> None:
        self.k = self.next_k

    def exponent(self, code: int) -> int:
        return self.k * code * 2**12 // 2**17  # in 2 ** -12

    def results(self, beats: list[list[Score]]) -> list[int]:
        fraction = max(20, 12 + (self.row - 1).bit_length())
        greatest, total = -128, 0
        for scores in beats:
            exponents = [self.exponent(score.code) for score in scores if not score.masked]
            new = max([greatest, *(u // 2**12 for u in exponents)])
            total //= 2 ** (new - greatest)
            for u in exponents:
                added = self.power(u % 2**12) * 2 ** (fraction - 11)
                total += added // 2 ** (new - u // 2**12)
            greatest = new
        if total == 0:
            return [0] * (len(beats) * self.lanes)
        place = total.bit_length() - 1
        n, low = divmod(total * 2**11 // 2**place - 2**11, 64)
        base, slope = segment(n)
        log = (base + slope * low + 8) // 16
        return [
            0 if score.masked else self.pattern(score.code, place - fraction + greatest, log)
            for scores in beats
            for score in scores
        ]

    def pattern(self, code: int, whole: int, log: int) -> int:
        x = self.exponent(code) - whole * 2**12 - log + 127 * 2**12
        bits = x // 2**12 * 2**7 + self.mantissa(x % 2**12)
        return bits if bits >= 2**7 else 0
