"""Quotient of a bf16 magnitude and a group's scale, and the constants it needs."""

from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from amaranth import Array, C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.matmul.quantize_config import QuantizeConfig, reciprocal, scale_significand
from hw.arith import booth_digits
from hw.parts import part_clock

__all__ = ["Ratio", "ScaleConstants", "reciprocal_width", "scale_constants", "sum_up"]


class ScaleConstants(NamedTuple):
    """What a group's range determines."""

    mantissa: Value  # 7 bits, of the scale
    top: Value  # 9 bits: its exponent plus the bits of the greatest code
    once: Value  # reciprocal of its significand
    thrice: Value  # three times that: Booth digits of 3 bits need it


def reciprocal_width(config: QuantizeConfig) -> int:
    """Bits of the greatest reciprocal, that of the significand 128."""
    return config.reciprocal_fraction - 6


def sum_up(m: Module, a: Value, b: Value) -> Value:
    """Sum of two magnitudes (15 bits), rounded up: 16 bits."""
    swap = Signal()
    m.d.comb += swap.eq(a < b)
    great, small = Mux(swap, b, a), Mux(swap, a, b)
    distance = Signal(8)
    m.d.comb += distance.eq(Mux(swap, b[7:] - a[7:], a[7:] - b[7:]))
    # the part of the small one above the point, rounded up; beyond 8 places only that is left
    wide = Signal(16)
    significand = Cat(small[:7] & small[7:].any().replicate(7), small[7:].any())
    places = Mux(distance[3:].any(), 8, distance[:3])
    m.d.comb += wide.eq(Cat(C(0, 8), significand) >> places)
    total, rounded = Signal(9), Signal(8)
    whole = Cat(great[:7] & great[7:].any().replicate(7), great[7:].any())
    m.d.comb += [
        total.eq(whole + wide[8:] + wide[:8].any()),
        rounded.eq(Mux(total[8], total[1:] + total[0], total[:8])),
    ]
    exponent = Signal(9)
    m.d.comb += exponent.eq(great[7:] + total[8])
    return Cat(rounded[:7], exponent)


def scale_constants(m: Module, spread: Value, config: QuantizeConfig) -> ScaleConstants:
    """Constants of a group from its range (16 bits): tables over the range's mantissa."""
    lifted = Signal(16)
    m.d.comb += lifted.eq(Mux(spread < config.least_range, config.least_range, spread))
    rows = [scale_significand(value, config.magnitude_width) for value in range(128, 256)]
    fraction, width = config.reciprocal_fraction, reciprocal_width(config)
    row = Signal(8 + width)
    table = Array(
        C(significand & 127 | carry << 7 | reciprocal(significand, fraction) << 8, 8 + width)
        for significand, carry in rows
    )
    m.d.comb += row.eq(table[lifted[:7]])
    once, thrice, top = Signal(width), Signal(width + 2), Signal(9)
    m.d.comb += [once.eq(row[8:]), thrice.eq(once + (once << 1)), top.eq(lifted[7:] + row[7])]
    return ScaleConstants(row[:7], top, once, thrice)


class Ratio(wiring.Component):
    """``magnitude / scale`` as an integer and the bit below it; adding that bit rounds ties up.

    The product with the reciprocal, rounded up, is never below a tie that the exact quotient is
    and never reaches the next one, so that the result is that of exact division.

    Members:
        clk: In, gated clock of the product's register.
        magnitude: In, bf16 without its sign; exponent 0 is zero.
        once, thrice, top: In, :class:`ScaleConstants`.
        whole, guard: Out, after the register.
    """

    def __init__(self, config: QuantizeConfig) -> None:
        self._config = config
        width = reciprocal_width(config)
        super().__init__(
            {
                "clk": In(1),
                "magnitude": In(15),
                "once": In(width),
                "thrice": In(width + 2),
                "top": In(9),
                "whole": Out(config.magnitude_width),
                "guard": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "product", self.clk)
        width, fraction = self._config.magnitude_width, self._config.reciprocal_fraction
        digits = booth_digits(Cat(self.magnitude[:7], C(1, 2)), (3, 3, 3))
        multiples = [self.once, Cat(C(0, 1), self.once), self.thrice, Cat(C(0, 2), self.once)]
        rows: list[Value] = []
        for digit in digits:
            row = Signal(len(multiples[-1]), name=f"row{digit.weight}")
            terms = [
                multiple & chosen.replicate(len(multiple))
                for multiple, chosen in zip(multiples, digit.chosen, strict=True)
            ]
            m.d.comb += row.eq(reduce(or_, terms) ^ digit.negative.replicate(len(row)))
            rows.append(Cat(C(0, digit.weight), row, digit.negative.replicate(fraction)))
        # the highest digit is never negative, and its row has room for what the others' two's
        # complement lacks
        rows[2] |= Cat(*(Cat(digit.negative, C(0, 2)) for digit in digits[:2]))
        a, b, c = (row[: fraction + 1] for row in rows)
        product = Signal(fraction + 1)
        # places to the right until the point is above the guard bit; so many that nothing is
        # left if they are too many to count, or the magnitude is zero
        distance = Signal(9)
        m.d.comb += [
            product.eq((a ^ b ^ c) + Cat(C(0, 1), (a & b) | (c & (a ^ b)))),
            distance.eq(self.top - self.magnitude[7:]),
        ]
        kept, places = Signal(width + 2), Signal((width + 2).bit_length())
        nothing = distance[len(places) :].any() | ~self.magnitude[7:].any()
        m.d.product += [
            kept.eq(product[fraction - width - 1 :]),
            places.eq(distance | nothing.replicate(len(places))),
        ]
        shifted = Signal(width + 1)
        m.d.comb += [
            shifted.eq(kept >> places),
            self.guard.eq(shifted[0]),
            self.whole.eq(shifted[1:]),
        ]
        return m
