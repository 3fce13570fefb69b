"""Divide bf16 magnitudes by a group's scale, and compute the constants that this needs."""

from collections.abc import Sequence
from functools import cache, reduce
from operator import or_
from typing import Any, NamedTuple

from amaranth import Array, C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.quantize import QuantizeConfig, reciprocal, scale_significand
from consilico.hw.arith import booth_census, booth_digits
from consilico.hw.census import Batch, Census, bit_length, table_size
from consilico.hw.parts import part_clock

__all__ = [
    "Ratio",
    "ScaleConstants",
    "ratio_census",
    "reciprocal_width",
    "scale_census",
    "scale_constants",
    "sum_up",
    "sum_up_census",
]

_DIGITS = (3, 3, 3)  # bits of the Booth digits of a significand


class ScaleConstants(NamedTuple):
    """Signals that the range of a group determines: its scale, and the reciprocal of the scale."""

    mantissa: Value  # mantissa of the scale, 7 bits
    top: Value  # exponent of the scale plus the number of bits of the greatest code, 9 bits
    once: Value  # reciprocal of the scale's significand
    thrice: Value  # three times that, which Booth digits of 3 bits need


def reciprocal_width(config: QuantizeConfig) -> int:
    """Return the number of bits of the greatest reciprocal, that of the significand 128."""
    return config.reciprocal_fraction - 6


def sum_up(m: Module, a: Value, b: Value) -> Value:
    """Add two magnitudes (15 bits), rounding up; the result has 16 bits.

    Golden model: :func:`consilico.golden.matmul.quantize.sum_up`.
    """
    swap = Signal()
    m.d.comb += swap.eq(a < b)
    great, small = Mux(swap, b, a), Mux(swap, a, b)
    distance = Signal(8)
    m.d.comb += distance.eq(Mux(swap, b[7:] - a[7:], a[7:] - b[7:]))
    # The smaller significand is aligned and rounded up. Shifted by 8 places or more, nothing of it
    # is left but that rounding.
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
    """Return the constants of a group from its range (16 bits), from tables over its mantissa."""
    lifted = Signal(16)
    m.d.comb += lifted.eq(Mux(spread < config.least_range, config.least_range, spread))
    width = reciprocal_width(config)
    row = Signal(8 + width)
    rows = _rows(config.magnitude_width, config.reciprocal_fraction)
    m.d.comb += row.eq(Array(C(value, 8 + width) for value in rows)[lifted[:7]])
    once, thrice, top = Signal(width), Signal(width + 2), Signal(9)
    m.d.comb += [once.eq(row[8:]), thrice.eq(once + (once << 1)), top.eq(lifted[7:] + row[7])]
    return ScaleConstants(row[:7], top, once, thrice)


@cache
def _rows(magnitude_width: int, fraction: int) -> tuple[int, ...]:
    """Return the scale's mantissa, its carry and its reciprocal, packed, for each mantissa."""
    scales = (scale_significand(value, magnitude_width) for value in range(128, 256))
    return tuple(
        significand & 127 | carry << 7 | reciprocal(significand, fraction) << 8
        for significand, carry in scales
    )


class Ratio(wiring.Component):
    """``magnitude / scale`` as an integer and the bit below it; adding that bit rounds ties up.

    The reciprocal is rounded up and has enough bits. Its product with the magnitude is therefore
    never below a tie that the exact quotient reaches, and never reaches the next tie, so the result
    is that of exact division.

    Members:
        clk: In, gated clock of the product's register.
        magnitude: In, bf16 without its sign; exponent 0 is zero.
        once, thrice, top: In, :class:`ScaleConstants`.
        whole, guard: Out, combinational from the register.
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
        digits = booth_digits(Cat(self.magnitude[:7], C(1, 2)), _DIGITS)
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
        # The highest digit is never negative, so the low bits of its row are free for the ones that
        # complete the two's complements of the other rows.
        rows[2] |= Cat(*(Cat(digit.negative, C(0, 2)) for digit in digits[:2]))
        a, b, c = (row[: fraction + 1] for row in rows)
        product = Signal(fraction + 1)
        # The product is shifted right until the point is just above the guard bit. If there are
        # too many places to count, or the magnitude is zero, it is shifted out altogether.
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


def sum_up_census(drivers: Sequence[str]) -> Census:
    """Return the operators of :func:`sum_up`, and its longest path."""
    census = Census()
    census.add("less", 15, drivers)
    census.add("mux", 2 * 15 + 9, drivers)
    census.add("add", 2 * 9, drivers)
    census.add("and_or", 2 * 14 + 8, drivers)  # significands, places
    census.add("shift", 16 * 4, drivers)
    census.add("and_or", 7, drivers)
    census.add("add", 9, drivers)
    census.add("increment", 10 + 9 + 9, drivers)
    census.add("mux", 9, drivers)
    census.path(
        ("less", 15, 1), ("mux", 9, 1), ("and_or", 1, 4), ("shift", 16, 1),
        ("and_or", 1, 3), ("add", 9, 1), ("increment", 10, 2), ("mux", 9, 1),
    )  # fmt: skip
    return census


def scale_census(c: Batch, drivers: Sequence[str]) -> Census:
    """Return the operators of :func:`scale_constants`, and its longest path."""
    width = c.of(reciprocal_width)
    census = Census()
    census.add("less", 16, drivers)
    census.add("and_or", 16, drivers)
    rows = c.of(lambda one: table_size(_rows(one.magnitude_width, one.reciprocal_fraction)))
    census.add("table", rows, drivers)
    census.add("add", width + 2, drivers)
    census.add("increment", 10, drivers)
    table = (("table", 128, 1), ("add", width + 2, 1))
    census.path(("less", 16, 1), ("and_or", 1, 1), *table)
    return census


def ratio_census(c: Batch, drivers: Sequence[str]) -> Census:
    """Return operators of :class:`Ratio`, and its paths; what follows is on the last one."""
    width, reciprocal_bits = c.magnitude_width, c.of(reciprocal_width)
    product, places = c.reciprocal_fraction + 1, bit_length(c.magnitude_width + 2)
    census = booth_census(_DIGITS, drivers)
    census.add("and_or", len(_DIGITS) * (7 * reciprocal_bits + 10), drivers)
    census.add("xor", len(_DIGITS) * (reciprocal_bits + 2), drivers)
    census.add("and_or", 2 * product + 3 * product, drivers)
    census.add("xor", 2 * product, drivers)
    census.add("add", product + 2, drivers)
    census.add("add", 10, drivers)  # distance
    census.add("and_or", 8 - places + 7 + 1 + 9, drivers)
    census.add("flop", width + 2 + places, drivers)
    census.add("shift", (width + 2) * places, drivers)
    rows = (("lookup", 15, 1), ("and_or", 1, 5), ("xor", 1, 3), ("and_or", 1, 2))
    census.path(*rows, ("add", product + 2, 1))
    census.path(("shift", width + 2, 1))
    return census
