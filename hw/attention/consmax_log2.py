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
from consilico.hw.arith import Columns, ColumnsCensus, booth_census, booth_digits
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

_DIGITS = (3, 3, 2)  # bits of the Booth digits of a score: only three rows have to be added


def latency(config: Log2Config) -> int:
    """Return the cycles from the input to the output handshake when nothing stalls."""
    return 2 + finish_stages(config)


class ConSmaxLog2(wiring.Component):
    """Unit that computes ``C * exp(scale * s) = 2 ** (k * s + b)``.

    Its stages are: Booth digits of the scores; multiply-add; mantissa; with fixed output,
    conversion. Throughput is ``lanes`` results per cycle. The operands of a masked lane hold still.

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

        constants = Signal.like(self.cfg.payload)
        m.d.comb += self.cfg.ready.eq(pipeline.free(0))
        gated_domain(m, "constants", self.cfg.valid & self.cfg.ready)
        m.d.constants += constants.eq(self.cfg.payload)
        k3 = Signal(
            config.k_width + 2
        )  # Booth digits of 3 bits need 3 k, which only changes with k
        m.d.constants += k3.eq(3 * self.cfg.payload.k)

        lane, last = self.parts.items()
        results = []
        for index in range(config.lanes):
            score = self.i.payload[index]
            done = place(
                m, f"lane{index}", *lane,
                clk=ClockSignal(), stage1_clk=ClockSignal("stage1"),
                advance=pipeline.advance, valid=self.i.valid,
                score=score.score.as_unsigned(), mask=score.mask,
                k=constants.k, k3=k3, b=constants.b,
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
        k, k3, b: In, the head's constants, and ``3 * k``.
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
                "b": In(config.b_width),
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

        digits = []
        for index, digit in enumerate(booth_digits(self.score, _DIGITS)):
            held = Signal(len(digit.bits), name=f"digit{index}")
            m.d.taken += held.eq(digit.bits)
            digits.append(digit.held(held))
        multiples = [self.k, Cat(C(0, 1), self.k), self.k3, Cat(C(0, 2), self.k)]
        # b + 63 is stored; adding 64 gives b the exponent bias of bf16, 127
        addend = Cat(self.b, C(0, 2)) + C((BF16_ONE - 63) << config.fraction)
        drop = config.k_fraction - config.fraction
        columns = Columns(9 + config.k_fraction)
        columns.add_product(m, digits, multiples, signed=False)
        columns.add(drop, addend)
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
    made.add("flop", c.k_width + c.b_width + c.k_width + 2, rate=0)
    made.add("add", c.k_width + 2)  # 3 k
    made.add("increment", c.b_width + 3)  # the addend
    made.add("and_or", 1)  # all lanes ask whether a beat comes

    # stage 0: digits of the score
    lane = booth_census(_DIGITS, drivers)
    lane.add("flop", sum(1 + (1 << (width - 1)) for width in _DIGITS), drivers)
    lane.add("and_or", 1, drivers)
    lane.add("clock_gate", 1)
    lane.add("mux", 1, drivers)
    lane.add("flop", 1 + 1, drivers)  # mask
    made.path(("lookup", 16, 1))
    # stage 1: their multiples of k and the addend, added up but for the fraction's carry
    columns = ColumnsCensus(9 + c.k_fraction)
    weight = 0
    for width in _DIGITS:
        columns.add_product(weight, c.k_width + width - 1, 1 << (width - 1), drivers, signed=False)
        weight += width
    columns.add(c.k_fraction - c.fraction, c.b_width + 3)
    rows, reduced = columns.rows(drivers)
    lane.include(rows)
    lane.add("add", 10, drivers)
    # with nothing below the addend one row is left there
    lane.add("add", (c.k_fraction + 1) * (c.k_fraction > c.fraction), drivers)
    lane.add("flop", 9 + 1 + c.address, drivers)
    row = ("and_or", 1, 3), ("xor", 1, 1)
    made.path(*row, *reduced, ("add", c.k_fraction + 1, 1))
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
