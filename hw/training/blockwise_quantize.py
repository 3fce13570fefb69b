"""Generate ``training/blockwise_quantize``: bf16 optimizer states to 8-bit codes.

Golden model: :mod:`consilico.golden.training.blockwise_quantize`.

Within a decade of the code book the code grows in equal steps, and within a binade so does the
mantissa. So within a binade the nearest code is ``(slope * mantissa + offset) >> SHIFT``, except
for a bend where two decades meet. A few dozen pairs of small integers and one multiplier of 7 bits
replace 128 or 255 thresholds. The lines are fitted here to the code book itself and hold for every
bf16 number; a run ends where no line fits any more.
"""

from bisect import bisect_left
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from amaranth import Array, C, Cat, ClockSignal, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.training.blockwise_quantize import (
    BlockwiseQuantizeConfig,
    reciprocal_significand,
)
from consilico.golden.training.dynamic_code import magnitudes, values
from consilico.hw.arith import Columns, ColumnsCensus
from consilico.hw.cells import gated_domain
from consilico.hw.census import Batch, Census, table_size
from consilico.hw.parts import part_clock, place
from consilico.hw.pipeline import Pipeline, after_constants, after_constants_census, pipeline_census

__all__ = [
    "LEAST_EXPONENT",
    "SHIFT",
    "BlockwiseQuantize",
    "BlockwiseQuantizeLane",
    "Line",
    "census",
    "latency",
    "lines",
]

# Significands of the reciprocals without their leading bit, by mantissa.
_RECIPROCALS = tuple(reciprocal_significand(mantissa) & 255 for mantissa in range(128))

SHIFT = 12

LEAST_EXPONENT = 96  # smaller numbers are nearest to zero; 5 bits hold exponents from 96 to 127

_ONE = 127  # exponent of 1


def latency(config: BlockwiseQuantizeConfig) -> int:
    """Return the cycles from the input to the output handshake when nothing stalls."""
    return 2


class BlockwiseQuantize(wiring.Component):
    """Unit that finds the codes nearest to states divided by the absolute maximum of their block.

    The stages are: product with the reciprocal, rounded to bf16; nearest code. Throughput is
    ``lanes`` states per cycle, but none in a cycle that loads a constant.

    Members:
        i: In, a beat of states, bf16.
        o: Out, a beat of codes.
        cfg: In, absolute maximum of the block, bf16 and not negative (its sign bit is ignored). It
            holds for states accepted later. A reset keeps it.
    """

    def __init__(self, config: BlockwiseQuantizeConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(unsigned(16), config.lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(unsigned(8), config.lanes))),
                "cfg": In(stream.Signature(unsigned(16))),
            }
        )
        self.parts: dict[str, wiring.Component] = {"quantize_lane": BlockwiseQuantizeLane(config)}

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        i = after_constants(m, self.i, self.cfg)
        pipeline = Pipeline(m, i, self.o, latency(self._config))
        gated_domain(m, "stage0", pipeline.advance & i.valid)
        m.d.comb += self.cfg.ready.eq(1)
        gated_domain(m, "constants", self.cfg.valid)
        mantissa, exponent = self.cfg.payload[:7], self.cfg.payload[7:15]
        table = Array(C(value, 8) for value in _RECIPROCALS)
        reciprocal, offset, nonzero = Signal(9), Signal(signed(9)), Signal()
        one = ~mantissa.any()
        m.d.constants += [
            reciprocal.eq(Cat(table[mantissa] & (~one).replicate(8), 1)),
            # A power of two would have the reciprocal 512. It gets 256, and one more binade.
            offset.eq(126 + one - exponent),
            nonzero.eq(exponent.any()),
        ]
        ((name, part),) = self.parts.items()
        for index in range(self._config.lanes):
            lane = place(
                m, f"lane{index}", name, part,
                stage0_clk=ClockSignal("stage0"), stage1_clk=ClockSignal("stage1"),
                state=i.payload[index], reciprocal=reciprocal, offset=offset, nonzero=nonzero,
            )  # fmt: skip
            m.d.comb += self.o.payload[index].eq(lane["code"])
        return m


class BlockwiseQuantizeLane(wiring.Component):
    """One lane, which turns a bf16 number into an 8-bit code.

    Members:
        stage0_clk, stage1_clk: In, gated clocks of the stages.
        state: In, the lane's part of the incoming beat.
        reciprocal, offset, nonzero: In, reciprocal of the absolute maximum: its significand, what
            it adds to an exponent, and whether there is one.
        code: Out, registered.
    """

    def __init__(self, config: BlockwiseQuantizeConfig) -> None:
        self._config = config
        super().__init__(
            {
                "stage0_clk": In(1),
                "stage1_clk": In(1),
                "state": In(16),
                "reciprocal": In(9),
                "offset": In(signed(9)),
                "nonzero": In(1),
                "code": Out(8),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "stage0", self.stage0_clk)
        part_clock(m, "stage1", self.stage1_clk)
        product = _product(m, Cat(self.state[:7], C(1, 1)), self.reciprocal)
        wide = product[16]
        rounded = Signal(9)
        m.d.comb += rounded.eq(
            Mux(wide, product[9:17], product[8:16]) + Mux(wide, product[8], product[7])
        )
        exponent = Signal(signed(11))
        m.d.comb += exponent.eq(self.state[7:15] + self.offset + (wide + rounded[8]))
        nonzero = self.nonzero & self.state[7:15].any()
        above = ~exponent[10] & (exponent[7:10].any() | exponent[:7].all())  # 1 or greater
        within = nonzero & (above | (exponent[5:] == LEAST_EXPONENT >> 5))
        mantissa, binade, sign = Signal(7), Signal(5), Signal()
        m.d.stage0 += [
            mantissa.eq(rounded[:7]),
            # 0 stands for zero, 1 to 30 for the exponents below that of 1, and 31 for 1 or greater
            binade.eq((exponent[:5] | above.replicate(5)) & within.replicate(5)),
            sign.eq(self.state[15]),
        ]
        m.d.stage1 += self.code.eq(self._nearest(m, mantissa, binade, sign))
        return m

    def _nearest(self, m: Module, mantissa: Signal, binade: Signal, sign: Signal) -> Value:
        """Return the code of a number from its mantissa, its exponent (5 bits) and its sign."""
        book = self._config.signed
        zero = values(signed=book).index(Fraction(0))
        fitted = lines(signed=book)
        slope = Signal(max(line.slope for run in fitted.values() for line in run).bit_length())
        offset = Signal(8 + SHIFT)
        with m.Switch(binade):
            for exponent, run in fitted.items():
                with m.Case(exponent - LEAST_EXPONENT):
                    for line in run:
                        with m.If(mantissa >= line.mantissa):
                            m.d.comb += slope.eq(line.slope)
                            m.d.comb += offset.eq(line.offset + (zero << SHIFT))
            with m.Default():
                m.d.comb += offset.eq(255 << SHIFT)
        columns = Columns(8 + SHIFT)
        columns.add(0, offset, 3)
        for weight, bit in enumerate(mantissa):
            columns.add(weight, slope & bit.replicate(len(slope)), 3)
        if book:
            # The code of a negative number is 127 minus the index: the bits of 128 plus the index,
            # inverted. The offset already contains the code of zero, which is 127.
            columns.add(SHIFT, sign & ~binade.all())
        total = Signal(8 + SHIFT)
        m.d.comb += total.eq(sum(columns.rows(m)))
        index = total[SHIFT:]
        return index ^ sign.replicate(8) if book else index & ~sign.replicate(8)


def _product(m: Module, a: Value, b: Value) -> Signal:
    """Return the product of two unsigned values."""
    width = len(a) + len(b)
    columns = Columns(width)
    for weight, bit in enumerate(a):
        columns.add(weight, b & bit.replicate(len(b)), 1)
    product = Signal(width)
    m.d.comb += product.eq(sum(columns.rows(m)))
    return product


def census(c: Batch) -> Census:
    """Return the operators of :class:`BlockwiseQuantize`, and its longest paths."""
    drivers, book = ("payload",), c.code == "signed"
    made = pipeline_census(2)
    made.include(after_constants_census())
    made.add("and_or", 1)
    made.add("clock_gate", 2)
    made.add("table", table_size(_RECIPROCALS))  # reciprocal of the absolute maximum
    made.add("and_or", 6 + 8 + 7)
    made.add("increment", 8)
    made.add("add", 9)
    made.add("flop", 9 + 9 + 1, rate=0)

    # stage 0: product with the reciprocal, as bf16
    product = ColumnsCensus(17)
    for weight in range(8):
        product.add(weight, 9)
    lane, multiplied = product.rows(drivers)
    lane.add("and_or", 7 * 9, drivers)
    lane.add("add", 19, drivers)
    lane.add("mux", 8 + 1, drivers)
    lane.add("increment", 9, drivers)
    lane.add("add", 10 + 11, drivers)
    lane.add("increment", 2, drivers)
    lane.add("and_or", 7 + 1 + 2 + 6 + 2, drivers)  # zero, above
    lane.add("equal", 6, drivers)
    lane.add("and_or", 2 + 5 + 5, drivers)
    lane.add("flop", 7 + 5 + 1, drivers)
    made.path(
        ("and_or", 1, 1), *multiplied, ("add", 17, 1), ("mux", 8, 1), ("increment", 9, 1),
        ("add", 11, 1), ("and_or", 1, 6),
    )  # fmt: skip
    # stage 1: a line by its binade and mantissa, and what it has there
    fitted = lines(signed=book)
    slope = max(line.slope for run in fitted.values() for line in run).bit_length()
    bent = [run for run in fitted.values() if len(run) > 1]
    lane.add("less", 7 * len({line.mantissa for run in bent for line in run[1:]}), drivers)
    lane.add("equal", 5 * len(bent), drivers)
    # a table of the others
    straight = [run[0] for run in fitted.values() if len(run) == 1]
    zero = values(signed=book).index(Fraction(0))
    offsets = (255 << SHIFT, *(line.offset + (zero << SHIFT) for line in straight))
    lane.add("table", table_size(offsets), drivers)
    lane.add("table", table_size(tuple(line.slope for line in straight)), drivers)
    lane.add("mux", (8 + SHIFT + slope) * len(bent), drivers)
    lane.add("and_or", (8 + SHIFT + slope) * sum(len(run) - 2 for run in bent), drivers)
    columns = ColumnsCensus(8 + SHIFT)
    columns.add(0, 8 + SHIFT)
    for weight in range(7):
        columns.add(weight, slope)
    if book:
        columns.add(SHIFT, 1)
        lane.add("and_or", 4 + 1, drivers)
    line, added = columns.rows(drivers)
    lane.include(line)
    lane.add("and_or", 7 * slope, drivers)
    lane.add("add", 8 + SHIFT + 2, drivers)
    lane.add("xor" if book else "and_or", 8, drivers)
    lane.add("flop", 8, drivers)
    made.include(lane, c.lanes)
    made.path(
        ("table", 32, 1), ("mux", 8 + SHIFT, len(bent)), ("and_or", 1, 1), *added,
        ("add", 8 + SHIFT, 1), ("xor", 1, 1),
    )  # fmt: skip
    return made


class Line(NamedTuple):
    """A straight line that holds from a mantissa on, until the next line of the same exponent."""

    mantissa: int
    slope: int
    offset: int


def _indices(signed: bool) -> list[list[int]]:
    """Return the index of the nearest magnitude by exponent, below that of 1, and by mantissa."""
    numbers = magnitudes(signed=signed)
    middles = [(low + high) / 2 for low, high in pairwise(numbers)]
    return [
        [
            bisect_left(middles, Fraction(128 + mantissa, 128) * Fraction(2) ** (exponent - _ONE))
            for mantissa in range(128)
        ]
        for exponent in range(LEAST_EXPONENT, _ONE)
    ]


def _simplest(low: int, high: int) -> int:
    """Return the number in ``[low, high]`` with the most trailing zeros."""
    for zeros in range(high.bit_length(), -1, -1):
        if (found := -(-low >> zeros) << zeros) <= high:
            return found
    raise AssertionError("an empty range has no number")


@cache
def lines(*, signed: bool) -> dict[int, list[Line]]:
    """Return the lines of each exponent from ``LEAST_EXPONENT`` to 126, exact for every mantissa.

    ``(slope * mantissa + offset) >> SHIFT`` is the index of the nearest of
    :func:`consilico.golden.training.dynamic_code.magnitudes`, and the lesser one of two equally
    near.
    """
    slopes = np.arange(1 << SHIFT)
    found: dict[int, list[Line]] = {}
    for exponent, indices in enumerate(_indices(signed), LEAST_EXPONENT):
        found[exponent] = []
        start = 0
        while start < 128:
            low = np.full(len(slopes), -(1 << 30))
            high = np.full(len(slopes), 1 << 30)
            end = start
            while end < 128:
                least = (indices[end] << SHIFT) - slopes * end
                lower, upper = np.maximum(low, least), np.minimum(high, least + (1 << SHIFT) - 1)
                if not (lower <= upper).any():
                    break
                low, high, end = lower, upper, end + 1
            fits = np.flatnonzero(low <= high)
            slope = _simplest(int(fits[0]), int(fits[-1]))
            if low[slope] > high[slope]:
                slope = int(fits[0])
            found[exponent].append(Line(start, slope, _simplest(int(low[slope]), int(high[slope]))))
            start = end
    return found
