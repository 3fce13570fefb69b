"""Oracle of ``matmul/quantize``, from docs/requantization.md."""

import math
from fractions import Fraction

from tests.oracles.payload import Fields, floor_log2, join, value


def round_away(number: Fraction) -> int:
    """Round to the nearest integer, ties away from zero."""
    magnitude = math.floor(abs(number) + Fraction(1, 2))
    return -magnitude if number < 0 else magnitude


def round_up(number: Fraction) -> Fraction:
    """Round a number that is not negative up to 8 significant bits."""
    if number == 0:
        return number
    unit = Fraction(2) ** (floor_log2(number) - 7)
    return math.ceil(number / unit) * unit


def pattern(number: Fraction) -> int:
    """Return the pattern of a normal bf16 number."""
    exponent = floor_log2(number)
    return (exponent + 127) << 7 | int(number / Fraction(2) ** (exponent - 7)) - 128


class Oracle:
    """The unit's streams."""

    def __init__(self, *, lanes: int, group: int, result: str, mode: str) -> None:
        self.lanes, self.group, self.minmax = lanes, group, mode == "minmax"
        self.width = int(result[-1])
        self.qmax = 2**self.width - 1 if self.minmax else 2 ** (self.width - 1) - 1
        self.reset()

    def reset(self) -> None:
        self.values: list[int] = []

    def accept(self, payload: int) -> list[int]:
        fields = Fields(payload)
        self.values += [fields.unsigned(16) for _ in range(self.lanes)]
        if len(self.values) < self.group:
            return []
        bits, x = self.values, [value(bits) for bits in self.values]
        self.reset()
        if self.minmax:
            least, greatest = min(Fraction(0), *x), max(Fraction(0), *x)
            reach = round_up(greatest - least)
        else:
            least, reach = Fraction(0), max(map(abs, x))
        scale = max(round_up(reach / self.qmax), Fraction(2) ** -126)
        zero = round_away(-least / scale)
        codes = [min(round_away(number / scale) + zero, self.qmax) for number in x]
        nonfinite = any(number >> 7 & 255 == 255 for number in bits)
        shared = [(pattern(scale), 16)]
        if self.minmax:
            shared.append((zero, self.width))
        shared.append((nonfinite, 1))
        return [
            join([*((code, self.width) for code in codes[at : at + self.lanes]), *shared])
            for at in range(0, self.group, self.lanes)
        ]
