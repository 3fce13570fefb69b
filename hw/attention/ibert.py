"""Generate ``ibert``: the integer softmax of I-BERT.

Golden model: :mod:`consilico.golden.attention.ibert`.
"""

from typing import Any, NamedTuple

from amaranth import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring

from consilico.golden.attention.ibert import (
    FACTOR_BITS,
    MULTIPLIER_BITS,
    NUMERATOR_BITS,
    POWER_BITS,
    IbertConfig,
)
from consilico.hw.arith import Columns, booth_digits
from consilico.hw.attention.rows import (
    LANES_ADDED_AT_ONCE,
    TwoPasses,
    greatest_of,
    row_parts,
    row_signature,
)
from consilico.hw.cells import gated_domain

__all__ = ["DELIVER", "FACTOR_BITS", "GATHER", "READ_CONSTANTS", "Ibert", "cycles_of_sum"]

GATHER = 1  # stages of pass 1
DELIVER = 8  # stages of pass 2
_QUOTIENT = 4  # bits of a quotient: an exponential with a greater one is 0
READ_CONSTANTS = 5  # stages of pass 2 whose registers meet constants
_POWERS = 6  # stage whose registers hold exponentials


def cycles_of_sum(config: IbertConfig) -> int:
    """Return the cycles from the last word of a row's survey to the start of its delivery."""
    return _POWERS + 2 + int(config.lanes > LANES_ADDED_AT_ONCE) + FACTOR_BITS


class _Constants(NamedTuple):
    ln2: Signal
    b: Signal
    c: Signal
    align: Signal
    multiplier: Signal


class Ibert(wiring.Component):
    """Unit that computes exponentials of a row's scores in integers, divided by their sum.

    Pass 1 finds the greatest score. Pass 2 makes an exponential of each score, in seven stages: how
    much less than the greatest one it is; the quotient of that and ln 2, two bits in each of two
    stages, with the rest; the polynomial of the rest in two; requantization; the shift by the
    quotient. It runs twice over a row: first to add the exponentials up, after which the factor is
    divided, a bit per cycle, then to multiply them by it, in the eighth stage. Throughput is a beat
    in two cycles.

    Members:
        i: In, scores with mask bits; ``last`` ends a row.
        o: Out, results with 8 fraction bits, see
            :func:`consilico.hw.attention.rows.row_signature`.
        cfg: In, the constants of a scale. They are taken when no row that has ended needs the ones
            before, and hold for the rows that end later. A reset keeps them.
    """

    def __init__(self, config: IbertConfig) -> None:
        self._config = config
        width = config.polynomial_width
        constants = data.StructLayout(
            {
                "ln2": config.score_width - 1,
                "b": config.score_width + 1,
                "c": width,
                "align": (width - 1).bit_length(),
                "multiplier": MULTIPLIER_BITS,
            }
        )
        super().__init__(row_signature(config, config.result_width, constants))
        self.parts = row_parts(config, "ibert")

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, width = self._config, self._config.score_width
        # rows end before constants that wait, or after they are taken
        i = stream.Signature(self.i.payload.shape()).create(path=("ending",))
        ends = Signal()
        m.d.comb += [
            ends.eq(~(self.cfg.valid & self.i.payload.last)),
            i.valid.eq(self.i.valid & ends),
            i.payload.eq(self.i.payload),
            self.i.ready.eq(i.ready & ends),
        ]
        busy = Signal()
        passes = TwoPasses(
            m, config, i, self.o, self.parts,
            gather=GATHER, deliver=DELIVER, prepared=~busy, survey=True,
        )  # fmt: skip
        in_use = Cat(passes.delivering.valid[:READ_CONSTANTS])
        needed = passes.closing | passes.waiting | passes.active | in_use.any()
        m.d.comb += self.cfg.ready.eq(~needed)
        gated_domain(m, "constants", self.cfg.valid & self.cfg.ready)
        constants = []
        for name in _Constants._fields:
            value = self.cfg.payload[name]
            kept = Signal(len(value), name=name)
            m.d.constants += kept.eq(value)
            constants.append(kept)

        least = -(1 << width - 1)
        greatest, top, reference = (Signal(signed(width)) for _ in range(3))
        accepted = Signal()
        m.d.comb += accepted.eq(i.valid & i.ready)
        shown = [
            Mux(i.payload.mask[lane] | ~accepted, least, i.payload.score[lane])
            for lane in range(config.lanes)
        ]
        gated_domain(m, "greatest", accepted | passes.clear)
        beginning = Signal(signed(width))
        m.d.comb += beginning.eq(Mux(passes.clear, least, greatest))
        m.d.greatest += greatest.eq(greatest_of(m, [beginning, *shown]))
        m.d.capture += top.eq(greatest)
        m.d.survey += reference.eq(top)

        powers = []
        for lane in range(config.lanes):
            word = passes.word.word_select(lane, width + 1)
            hidden = word[-1] | passes.long
            powers.append(
                self._power(m, lane, reference - word[:-1].as_signed(), hidden, constants)
            )
        factor = self._factor(m, passes, powers, busy)
        for lane, power in enumerate(powers):
            # the multiplier rests while powers are added up
            shown_power = power & (~passes.surveyed[_POWERS]).replicate(POWER_BITS)
            product = _product(m, shown_power, factor)
            last = DELIVER - 1
            m.d[f"deliver_stage{last}"] += self.o.payload.data[lane].eq(
                product[NUMERATOR_BITS - config.result_width : NUMERATOR_BITS]
            )
        return m

    def _power(
        self, m: Module, lane: int, excess: Value, hidden: Value, values: list[Signal]
    ) -> Value:
        """Return the register of a lane's exponential in stage 6."""
        config, width = self._config, self._config.score_width
        k = _Constants(*values)
        rest = Signal(width, name=f"excess{lane}")
        none = Signal(name=f"hidden{lane}_0")
        m.d.deliver_stage0 += [rest.eq(excess), none.eq(hidden)]

        # the quotient from its highest bit on, and what is left
        m.d.comb += (far := Signal(name=f"far{lane}")).eq(rest >= k.ln2 << _QUOTIENT)
        none = none | far
        quotient: Value = C(0, 0)
        for stage, bits in ((1, (3, 2)), (2, (1, 0))):
            for bit in bits:
                left = Signal(width + _QUOTIENT, name=f"left{lane}_{bit}")
                m.d.comb += left.eq(rest - (k.ln2 << bit))
                fits = ~left[-1]
                rest = Mux(fits, left[:width], rest)
                quotient = Cat(fits, quotient)
            kept = Signal(width - (stage == 2), name=f"rest{lane}_{stage}")
            m.d[f"deliver_stage{stage}"] += kept.eq(rest)
            rest = kept
            quotient, none = self._held(m, lane, stage, quotient, none)

        # r is -rest: (r + b) r + c
        slope = Signal(signed(width + 2), name=f"slope{lane}")
        late = Signal.like(rest, name=f"late{lane}")
        m.d.deliver_stage3 += [slope.eq(rest - k.b), late.eq(rest)]
        quotient, none = self._held(m, lane, 3, quotient, none)
        columns = Columns(config.polynomial_width)
        multiples = [slope, Cat(C(0, 1), slope)]
        digits = booth_digits(*_whole_digits(late))
        columns.add_product(m, digits, multiples, signed=True)
        columns.add(0, k.c)
        value = Signal(config.polynomial_width, name=f"value{lane}")
        m.d.deliver_stage4 += value.eq(sum(columns.rows(m)))
        quotient, none = self._held(m, lane, 4, quotient, none)

        # 16 bits above the one that guards the rounding
        aligned = Signal(config.polynomial_width, name=f"aligned{lane}")
        m.d.comb += aligned.eq(value << k.align)
        product = _product(m, aligned[-config.kept_width :], k.multiplier)
        exact = Signal(POWER_BITS + 1, name=f"exact{lane}")
        m.d.deliver_stage5 += exact.eq(product[config.kept_width - 1 :])
        quotient, none = self._held(m, lane, 5, quotient, none)
        guarded, power = Signal.like(exact, name=f"guarded{lane}"), Signal(POWER_BITS)
        m.d.comb += guarded.eq(exact >> quotient)
        rounded = (guarded[1:] + guarded[0])[:POWER_BITS]
        m.d.deliver_stage6 += power.eq(rounded & (~none).replicate(POWER_BITS))
        return power

    def _held(
        self, m: Module, lane: int, stage: int, quotient: Value, none: Value
    ) -> tuple[Value, Value]:
        """Return a stage's registers of the quotient, and of whether there is no exponential."""
        kept = Signal(len(quotient), name=f"quotient{lane}_{stage}")
        hidden = Signal(name=f"hidden{lane}_{stage}")
        m.d[f"deliver_stage{stage}"] += [kept.eq(quotient), hidden.eq(none)]
        return kept, hidden

    def _factor(self, m: Module, passes: TwoPasses, powers: list[Signal], busy: Signal) -> Value:
        """Add exponentials up, and return the register of ``2 ** 32`` divided by their sum."""
        config, stage = self._config, _POWERS
        width = config.sum_width
        columns = Columns(POWER_BITS + (config.lanes - 1).bit_length())
        for power in powers:  # the adders rest while results are delivered
            columns.add(0, power & passes.surveyed[stage].replicate(POWER_BITS))
        added: Value = Signal(POWER_BITS + (config.lanes - 1).bit_length())
        m.d.comb += added.eq(sum(columns.rows(m)))
        arrives = passes.delivering.valid[stage] & passes.delivering.advance
        if config.lanes > LANES_ADDED_AT_ONCE:
            addend = Signal.like(added)
            m.d[f"deliver_stage{stage + 1}"] += addend.eq(added)
            added, stage = addend, stage + 1
            arrives = passes.delivering.valid[stage] & passes.delivering.advance
        total, summed = Signal(width), Signal()
        adds = Signal()
        m.d.comb += [
            adds.eq(arrives & passes.surveyed[stage]),
            summed.eq(adds & passes.last[stage]),
        ]
        gated_domain(m, "total", adds | passes.surveys)
        m.d.total += total.eq((total + added) & (~passes.surveys).replicate(width))

        # the quotient from its highest bit on; the sum is more than the first remainder, or 0
        dividing, left = Signal(), Signal(range(FACTOR_BITS + 1))
        rest, factor = Signal(width), Signal(FACTOR_BITS)
        doubled, difference = Cat(C(0, 1), rest), Signal(width + 2)
        m.d.comb += difference.eq(doubled - total)
        fits = ~difference[-1]
        ended = dividing & (left == 1)
        m.d.sync += [
            dividing.eq(summed | (dividing & ~ended)),
            busy.eq(passes.surveys | (busy & ~ended)),
        ]
        gated_domain(m, "divide", summed | dividing)
        with m.If(summed):
            m.d.divide += [rest.eq(1 << NUMERATOR_BITS - FACTOR_BITS), left.eq(FACTOR_BITS)]
        with m.Else():
            m.d.divide += [
                rest.eq(Mux(fits, difference, doubled)),
                factor.eq(Cat(fits, factor)),
                left.eq(left - 1),
            ]
        return factor


def _whole_digits(value: Value) -> tuple[Value, list[int]]:
    """Return an unsigned multiplier as a signed one, and the widths of its Booth digits."""
    count = len(value) // 2 + 1
    return Cat(value, C(0, 2 * count - len(value))), [2] * count


def _product(m: Module, multiplicand: Value, multiplier: Value) -> Value:
    """Return the product of two unsigned numbers; the digits are the multiplier's."""
    width = len(multiplicand) + len(multiplier)
    columns = Columns(width)
    multiples = [multiplicand, Cat(C(0, 1), multiplicand)]
    columns.add_product(m, booth_digits(*_whole_digits(multiplier)), multiples, signed=False)
    product = Signal(width)
    m.d.comb += product.eq(sum(columns.rows(m)))
    return product
