"""Generate ``consmax/log2``: a multiply-add and a fraction table.

Golden model: :mod:`consilico.golden.attention.consmax_log2`.
"""

from functools import cache
from typing import Any

from amaranth import Array, C, Cat, ClockSignal, Module, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.attention.consmax import BF16_ONE
from consilico.golden.attention.consmax_log2 import Log2Config, mantissa_table
from consilico.hw.arith import Columns, ColumnsCensus
from consilico.hw.attention.consmax import (
    Finish,
    LaneResult,
    finish,
    finish_census,
    finish_stages,
    unit_signature,
)
from consilico.hw.bfloat16 import Product
from consilico.hw.cells import gated_domain
from consilico.hw.census import Batch, Census, table_size
from consilico.hw.parts import part_clock, place
from consilico.hw.pipeline import Pipeline, pipeline_census

__all__ = ["ConSmaxLog2", "Log2Lane", "census", "latency"]

_DIGITS = 4  # of a score, in base 4
_LEAST = 128  # what makes a score unsigned


def latency(config: Log2Config) -> int:
    """Return the cycles from the input to the output handshake when nothing stalls."""
    return 2 + finish_stages(config)


class ConSmaxLog2(wiring.Component):
    """Unit that computes ``C * exp(scale * s) = 2 ** (k * s + b)``.

    Its stages are: digits of the scores; multiply-add; mantissa; with fixed output, conversion.
    Throughput is ``lanes`` results per cycle. The operands of a masked lane hold still.

    Members:
        i: In, a beat of scores with mask bits, :func:`consilico.hw.attention.consmax.score_layout`.
        o: Out, results and flags, :func:`consilico.hw.attention.consmax.result_layout`.
        cfg: In, ``{k, b}`` of a head. They hold for scores accepted in the same cycle and later. A
            reset keeps them.
    """

    def __init__(self, config: Log2Config) -> None:
        self._config = config
        constants = data.StructLayout(
            {"k": unsigned(config.k_width), "b": unsigned(config.b_width)}
        )
        super().__init__(unit_signature(config, constants))
        self.parts: dict[str, wiring.Component] = {
            "consmax_log2_lane": Log2Lane(config),
            "consmax_log2_finish": Finish(config),
        }

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        pipeline = Pipeline(m, self.i, self.o, latency(config))

        # k * s + b = k * (s + 128) + (b - 128 k): without a sign nothing toggles above the product
        k, k3 = Signal(config.k_width), Signal(config.k_width + 2)
        offset = Signal(_offset_width(config))
        m.d.comb += self.cfg.ready.eq(pipeline.free(0))
        gated_domain(m, "constants", self.cfg.valid & self.cfg.ready)
        # b + 63 is stored; adding 64 gives b the exponent bias of bf16, 127
        addend = self.cfg.payload.b + C((BF16_ONE - 63) << config.fraction)
        place_of_b = config.k_fraction - config.fraction
        lowest = _offset_weight(config)
        m.d.constants += [
            k.eq(self.cfg.payload.k),
            k3.eq(3 * self.cfg.payload.k),
            offset.eq((addend << (place_of_b - lowest)) - (self.cfg.payload.k * _LEAST >> lowest)),
        ]

        lane, last = self.parts.items()
        results = []
        for index in range(config.lanes):
            score = self.i.payload[index]
            done = place(
                m, f"lane{index}", *lane,
                clk=ClockSignal(), stage1_clk=ClockSignal("stage1"),
                advance=pipeline.advance, valid=self.i.valid,
                score=score.score.as_unsigned(), mask=score.mask,
                k=k, k3=k3, offset=offset,
            )  # fmt: skip
            product = Product(done["bits"], done["underflow"], done["overflow"])
            results.append(LaneResult(product, done["late_mask"]))
        finish(m, 2, config, *last, results, self.o.payload)
        return m


class Log2Lane(wiring.Component):
    """One lane up to its product, which leaves from the registers of stage 1.

    Members:
        clk: In, clock of the unit.
        stage1_clk: In, gated clock of stage 1.
        advance, valid: In, whether the pipeline moves and whether the incoming beat is valid.
        score, mask: In, the lane's part of the incoming beat.
        k, k3: In, the head's ``k``, and ``3 * k``.
        offset: In, ``b + 64 - 128 * k``, see :func:`_offset_weight`.
        bits, underflow, overflow: Out, the product, see :class:`consilico.hw.bfloat16.Product`.
        late_mask: Out, the product's mask bit.
    """

    def __init__(self, config: Log2Config) -> None:
        self._config = config
        super().__init__(
            {
                "clk": In(1),
                "stage1_clk": In(1),
                "advance": In(1),
                "valid": In(1),
                "score": In(8),
                "mask": In(1),
                "k": In(config.k_width),
                "k3": In(config.k_width + 2),
                "offset": In(_offset_width(config)),
                "bits": Out(15),
                "underflow": Out(1),
                "overflow": Out(1),
                "late_mask": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        part_clock(m, "sync", self.clk)
        part_clock(m, "stage1", self.stage1_clk)
        gated_domain(m, "taken", self.advance & self.valid & ~self.mask)
        mask = Signal()
        with m.If(self.advance):
            m.d.sync += mask.eq(self.mask)
        m.d.stage1 += self.late_mask.eq(mask)

        score = Cat(self.score[:7], ~self.score[7])
        multiples = [self.k, Cat(C(0, 1), self.k), self.k3]
        columns = Columns(9 + config.k_fraction)
        # The digits that change least come first: full adders take them with the offset.
        for index in reversed(range(_DIGITS)):
            decoded, digit = Signal(4), Signal(3, name=f"digit{index}")
            m.d.comb += decoded.eq(1 << score.word_select(index, 2))
            m.d.taken += digit.eq(decoded[1:])
            columns.add_chosen(m, 2 * index, multiples, digit)
        columns.add(_offset_weight(config), self.offset)
        rows = columns.rows(m)
        # The carry out of the fraction is added in the next stage, where the table takes longer
        # anyway.
        point = config.k_fraction
        low, high, carry = Signal(point + 1), Signal(9), Signal()
        address = Signal(config.address)
        m.d.comb += low.eq(rows[0][:point] + rows[1][:point])
        m.d.stage1 += [
            high.eq(rows[0][point:] + rows[1][point:]),
            carry.eq(low[point]),
            address.eq(low[point - config.address : point]),
        ]
        # The exponent lies in [-64, 319]. Modulo 512, the two top bits tell a negative one from one
        # that is too great.
        exponent = Signal(9)
        m.d.comb += [
            exponent.eq(high + carry),
            self.bits.eq(Cat(self._mantissa(m, address), exponent[:8])),
            self.underflow.eq(exponent[7:].all() | ~exponent.any()),
            self.overflow.eq((exponent[8] & ~exponent[7]) | (exponent[:8].all() & ~exponent[8])),
        ]
        return m

    def _mantissa(self, m: Module, address: Signal) -> Value:
        """Return the mantissa, from a table of corrections to the address itself.

        This takes half the logic of a table of mantissas.
        """
        size = self._config.address
        corrections = _corrections(size)
        width = max(max(corrections).bit_length(), (-min(corrections) - 1).bit_length()) + 1
        correction = Signal(width)
        m.d.comb += correction.eq(Array(C(value, width) for value in corrections)[address])
        lead = Cat(C(0, max(7 - size, 0)), address)[-7:]
        mantissa = Signal(7)
        m.d.comb += mantissa.eq(lead + correction.as_signed())
        return mantissa


def _offset_weight(config: Log2Config) -> int:
    """Return log2 of the place of an offset's lowest bit, in last places of ``k``."""
    return min(_LEAST.bit_length() - 1, config.k_fraction - config.fraction)


def _offset_width(config: Log2Config) -> int:
    """Return the number of bits of an offset, which is taken modulo 512."""
    return 9 + config.k_fraction - _offset_weight(config)


@cache
def _corrections(address: int) -> tuple[int, ...]:
    """Return by how much the mantissa exceeds the address itself, by address."""
    leading = ((index << 7) >> address for index in range(1 << address))
    return tuple(value - lead for value, lead in zip(mantissa_table(address), leading, strict=True))


def census(c: Batch) -> Census:
    """Return the operators of :class:`ConSmaxLog2`, and its longest paths."""
    drivers = ("score",)
    made = pipeline_census(c.of(latency))
    made.add("and_or", 2)
    made.add("clock_gate", 1)
    offset_width, lowest = c.of(_offset_width), c.of(_offset_weight)
    made.add("flop", c.k_width + c.k_width + 2 + offset_width, rate=0)
    made.add("add", c.k_width + 2)  # 3 k
    made.add("increment", c.b_width + 3)  # the addend
    made.add("add", offset_width)
    made.add("and_or", 1)  # all lanes ask whether a beat comes

    # stage 0: digits of the score
    lane = Census()
    lane.add("decode", 4 * _DIGITS, drivers)
    lane.add("flop", 3 * _DIGITS, drivers)
    lane.add("and_or", 1, drivers)
    lane.add("clock_gate", 1)
    lane.add("mux", 1, drivers)
    lane.add("flop", 1 + 1, drivers)  # mask
    made.path(("decode", 4, 1))
    # stage 1: their multiples of k and the offset, added up but for the fraction's carry
    columns = ColumnsCensus(9 + c.k_fraction)
    for index in range(_DIGITS):
        columns.add_chosen(2 * index, c.k_width + 2, 3, drivers)
    columns.add(lowest, offset_width)
    rows, reduced = columns.rows(drivers)
    lane.include(rows)
    lane.add("add", 10, drivers)
    lane.add("add", c.k_fraction + 1, drivers)
    lane.add("flop", 9 + 1 + c.address, drivers)
    made.path(("and_or", 1, 3), *reduced, ("add", c.k_fraction + 1, 1))
    # stage 2: mantissa and exponent
    lane.add("table", c.of(lambda config: table_size(_corrections(config.address))), drivers)
    lane.add("add", 9, drivers)
    lane.add("increment", 10, drivers)
    lane.add("and_or", 1 + 8 + 1 + 1 + 7 + 2, drivers)
    made.include(lane, c.lanes)
    finished, paths = finish_census(c)
    made.include(finished)
    made.path(("table", 1 << c.address, 1), ("add", 9, 1), *paths[0])
    made.path(("increment", 10, 1), ("and_or", 1, 5), *paths[0])
    for path in paths[1:]:
        made.path(*path)
    return made
