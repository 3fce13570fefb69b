"""Generate ``matmul/requant``: INT32 sums to INT8 or INT4 codes, one scale per channel.

Golden model: :mod:`consilico.golden.matmul.requant`.
"""

from typing import Any

import numpy as np
from amaranth import C, Cat, ClockSignal, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.requant import SHIFT_WIDTH, RequantConfig
from consilico.hw.arith import Columns, ColumnsCensus, booth_census, booth_digits
from consilico.hw.cells import gated_domain
from consilico.hw.census import Batch, Census
from consilico.hw.parts import part_clock, place
from consilico.hw.pipeline import Pipeline, pipeline_census

__all__ = ["Requant", "RequantLane", "census", "constants_layout", "latency", "result_layout"]

_INPUT = 32  # bits of a sum, signed
_STAGES = 3
_DIGITS = (3,) * 10 + (2,)  # bits of the Booth digits of a sum's magnitude


def latency(config: RequantConfig) -> int:
    """Return the cycles from the input to the output handshake when nothing stalls."""
    return _STAGES


def constants_layout(config: RequantConfig) -> data.StructLayout:
    """Return the layout of a beat on ``cfg``: every lane's scale, and the zero point if any."""
    scale = data.StructLayout(
        {"multiplier": unsigned(config.multiplier_width), "shift": unsigned(SHIFT_WIDTH)}
    )
    zero = {"zero_point": signed(config.result_width)} if config.zero_point else {}
    return data.StructLayout({"scale": data.ArrayLayout(scale, config.lanes)} | zero)


def result_layout(config: RequantConfig) -> data.StructLayout:
    """Return the layout of a beat of results, and whether one of them was out of range."""
    codes = data.ArrayLayout(signed(config.result_width), config.lanes)
    return data.StructLayout({"code": codes, "saturated": 1})


class Requant(wiring.Component):
    """Unit that computes ``saturate(round(x * multiplier / 2 ** shift) + zero_point)``.

    A lane is a channel, that is, a column of a matrix result. Its constants hold for as many rows
    as there are, so they have a port of their own instead of traveling with every sum, which would
    double the input and make the constant side of the multipliers toggle. One beat on ``cfg``
    carries the constants of all lanes: the next columns follow without a gap, and where every beat
    has other channels, a beat on ``cfg`` along with each beat on ``i`` keeps the full rate.

    The stages are: sums; products; results. Throughput is ``lanes`` results per cycle.

    Members:
        i: In, one sum per lane, signed, 32 bits.
        o: Out, :func:`result_layout`.
        cfg: In, :func:`constants_layout`. It holds for sums accepted in the same cycle and later. A
            reset keeps it.
    """

    def __init__(self, config: RequantConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(signed(_INPUT), config.lanes))),
                "o": Out(stream.Signature(result_layout(config))),
                "cfg": In(stream.Signature(constants_layout(config))),
            }
        )
        self.parts: dict[str, wiring.Component] = {"matmul_requant_lane": RequantLane(config)}

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        pipeline = Pipeline(m, self.i, self.o, _STAGES)
        gated_domain(m, "taken", pipeline.advance & self.i.valid)

        # Shift and zero point are used two stages after the multiplier, so they are taken over only
        # when the first product that they are for moves on.
        fresh = Signal(init=1)
        taken = self.cfg.valid & self.cfg.ready
        m.d.comb += self.cfg.ready.eq(pipeline.free(0))
        with m.If(taken):
            m.d.sync += fresh.eq(1)
        with m.Elif(pipeline.moves(1)):
            m.d.sync += fresh.eq(0)
        gated_domain(m, "constants", taken)
        gated_domain(m, "late", pipeline.moves(1) & fresh)
        zero = Signal(signed(config.result_width))
        if config.zero_point:
            early = Signal.like(zero)
            m.d.constants += early.eq(self.cfg.payload.zero_point)
            m.d.late += zero.eq(early)

        (part,) = self.parts.items()
        clocks = {
            f"{name}_clk": ClockSignal(name)
            for name in ("taken", "constants", "late", "stage1", "stage2")
        }
        done = [
            place(
                m, f"lane{index}", *part, **clocks,
                x=self.i.payload[index], zero=zero,
                multiplier=self.cfg.payload.scale[index].multiplier,
                shift=self.cfg.payload.scale[index].shift,
            )
            for index in range(config.lanes)
        ]  # fmt: skip
        saturated = Signal()
        m.d.stage2 += saturated.eq(Cat(lane["over"] for lane in done).any())
        m.d.comb += self.o.payload.saturated.eq(saturated)
        for code, lane in zip(self.o.payload.code, done, strict=True):
            m.d.comb += code.eq(lane["code"])
        return m


class RequantLane(wiring.Component):
    """One channel. Magnitudes are multiplied, so rounding is the same for both signs.

    Members:
        taken_clk, stage1_clk, stage2_clk: In, gated clocks of sum, product and result.
        constants_clk, late_clk: In, gated clocks of the constants: of the scale when it is loaded,
            and of its shift once more when the first product moves on.
        x: In, the incoming sum, two's complement.
        multiplier, shift: In, the incoming scale.
        zero: In, the zero point of the product in stage 1.
        code: Out, registered.
        over: Out, not registered: the result that comes next is out of range.
    """

    def __init__(self, config: RequantConfig) -> None:
        self._config = config
        clocks = ("taken", "stage1", "stage2", "constants", "late")
        super().__init__(
            {f"{name}_clk": In(1) for name in clocks}
            | {
                "x": In(_INPUT),
                "multiplier": In(config.multiplier_width),
                "shift": In(SHIFT_WIDTH),
                "zero": In(signed(config.result_width)),
                "code": Out(config.result_width),
                "over": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for name in ("taken", "stage1", "stage2", "constants", "late"):
            part_clock(m, name, getattr(self, f"{name}_clk"))
        multiplier, early, shift = Signal.like(self.multiplier), Signal(6), Signal(6)
        triple = Signal(len(multiplier) + 2)  # Booth digits of 3 bits need three times
        m.d.constants += [
            multiplier.eq(self.multiplier),
            triple.eq(3 * self.multiplier),
            early.eq(self.shift),
        ]
        m.d.late += shift.eq(early)

        # The magnitude of a negative x is its one's complement plus 1. That 1, times the
        # multiplier, is one more row of the product.
        magnitude, negative = Signal(_INPUT - 1), Signal(name="negative0")
        sign = self.x[-1]
        m.d.taken += [
            magnitude.eq(self.x[:-1] ^ sign.replicate(len(magnitude))),
            negative.eq(sign),
        ]
        columns = Columns(_INPUT - 1 + len(multiplier))
        digits = booth_digits(Cat(magnitude, C(0, 1)), _DIGITS)
        multiples = [multiplier, Cat(C(0, 1), multiplier), triple, Cat(C(0, 2), multiplier)]
        columns.add_product(m, digits, multiples, signed=False)
        columns.add(0, multiplier & negative.replicate(len(multiplier)), 1)
        # the carry out of the low half is added in the next stage, which has time for it
        rows = columns.rows(m)
        half = len(rows[0]) // 2
        low, high = Signal(half + 1), Signal(len(rows[0]) - half)
        late_negative, product = Signal(name="negative1"), Signal(len(rows[0]))
        m.d.stage1 += [
            low.eq(rows[0][:half] + rows[1][:half]),
            high.eq(rows[0][half:] + rows[1][half:]),
            late_negative.eq(negative),
        ]
        m.d.comb += product.eq(Cat(low[:half], high + low[half]))
        self._result(m, product, shift, late_negative)
        return m

    def _result(self, m: Module, product: Value, shift: Value, negative: Value) -> None:
        """Shift a product, round it, apply sign and zero point, and saturate."""
        width = self._config.result_width
        value: Value = Cat(C(0, 1), product)  # a guard bit below the unit is kept for rounding
        great: Value = C(0, 1)
        sticky: Value = C(0, 1)
        for level in reversed(range(SHIFT_WIDTH)):
            step = 1 << level
            sticky |= value[:step].any() & shift[level]
            shifted = Signal(max(len(value), step), name=f"shifted{level}")
            m.d.comb += shifted.eq(Mux(shift[level], value[step:], value))
            # bits that the remaining levels cannot shift into the result make it too great
            needed = width + step
            if len(shifted) > needed:
                great |= shifted[needed:].any()
            value = shifted[:needed]
        whole, guard = value[1:], value[0]
        away = self._config.rounding == "half_away"
        up = guard if away else guard & (sticky | whole[0])
        signs = negative.replicate(width + 2)
        total = Signal(signed(width + 2))
        m.d.comb += [
            # -(whole + up) is ~whole + 1 - up
            total.eq(self.zero + (whole ^ signs).as_signed() + (up ^ negative)),
            self.over.eq(great | (total[width - 1 :] != total[-1].replicate(3))),
        ]
        limit = Cat((~negative).replicate(width - 1), negative)
        m.d.stage2 += self.code.eq(Mux(self.over, limit, total[:width]))


def census(c: Batch) -> Census:
    """Return the operators of :class:`Requant`, and its longest paths."""
    made = pipeline_census(_STAGES)
    made.add("clock_gate", 3)
    made.add("and_or", 4 + 3 + c.lanes - 1)  # their enables, fresh, saturated
    made.add("flop", 2)
    made.add("flop", 2 * c.result_width * c.zero_point, rate=0)
    for part in (_product_census(c), _result_census(c)):
        made.include(part, c.lanes)
        made.paths += part.paths
    return made


def _product_census(c: Batch) -> Census:
    """Return the operators of a lane up to the registers of stage 1."""
    drivers, width = ("payload",), c.multiplier_width
    lane = Census()
    lane.add("flop", 2 * width + 2 + 2 * SHIFT_WIDTH, rate=0)  # constants
    lane.add("add", width + 2)
    lane.add("xor", _INPUT - 1, drivers)
    lane.add("flop", _INPUT, drivers)
    lane.include(booth_census(_DIGITS, drivers))
    columns = ColumnsCensus(_INPUT - 1 + width)
    weight = 0
    for digit in _DIGITS:
        multiples = 1 << (digit - 1)
        columns.add_product(weight, width + digit - 1, multiples, drivers, signed=False)
        weight += digit
    lane.add("and_or", width, drivers)  # the multiplier once more
    columns.add(0, width)
    reduced, steps = columns.rows(drivers)
    lane.include(reduced)
    product = _INPUT - 1 + width
    high = product - product // 2
    lane.add("add", product + 2, drivers)
    lane.add("flop", product + 2, drivers)
    lane.path(("lookup", 15, 1), ("and_or", 1, 4), ("xor", 1, 1), *steps, ("add", high + 1, 1))
    return lane


def _result_census(c: Batch) -> Census:
    """Return the operators of a lane from the registers of stage 1 on."""
    drivers, width, exact = ("payload",), c.result_width, c.rounding == "half_even"
    lane = Census()
    product = _INPUT - 1 + c.multiplier_width
    high = product - product // 2
    lane.add("increment", high + 1, drivers)
    bits = product + 1
    for level in reversed(range(SHIFT_WIDTH)):
        step = 1 << level
        lane.add("mux", bits, drivers)
        lane.add("and_or", (step + 1) * exact, drivers)  # bits that leave below
        beyond = np.maximum(0, bits - width - step)  # bits above what may be left
        lane.add("and_or", beyond, drivers)
        bits = bits - beyond
    lane.add("and_or", 1 * exact, drivers)
    lane.add("xor", width + 3, drivers)
    lane.add("add", 2 * width + 7, drivers)
    lane.add("equal", 2, drivers)
    lane.add("mux", width, drivers)
    lane.add("flop", width, drivers)
    rounds = (("xor", 1, 1), ("add", width + 4, 2), ("equal", 2, 1), ("and_or", 1, 1))
    lane.path(("increment", high + 1, 1), ("mux", 1, SHIFT_WIDTH), *rounds, ("mux", width, 1))
    return lane
