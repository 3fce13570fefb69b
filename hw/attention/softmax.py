"""Generate ``softmax``: exact softmax of rows, with logarithms instead of a division.

Golden model: :mod:`consilico.golden.attention.softmax`.
"""

from typing import Any

from amaranth import C, Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring

from consilico.golden.attention.softmax import (
    ADDRESS,
    FRACTION,
    GUARD_BITS,
    K_FRACTION,
    LEAST,
    LOG_ADDRESS,
    POWER_ADDRESS,
    POWER_FRACTION,
    STEP_BITS,
    SoftmaxConfig,
    log_segments,
    mantissa_table,
    power_segments,
    vexp_mantissa,
)
from consilico.hw.arith import Columns
from consilico.hw.attention.powers import Multiplicand, correction, interpolated, score_digits
from consilico.hw.attention.rows import (
    LANES_ADDED_AT_ONCE,
    TwoPasses,
    greatest_of,
    leading_one,
    row_parts,
    row_signature,
)
from consilico.hw.cells import gated_domain

__all__ = ["DELIVER", "Softmax", "gather_stages"]

DELIVER = 2  # stages of pass 2
_BIAS = 127  # of the exponents of bf16
_DROP = K_FRACTION - FRACTION  # fraction bits of a product that are cut
_VEXP = [vexp_mantissa(fraction) for fraction in range(128)]
_EXPONENT = 9  # integer bits of the binary logarithm of a result, signed


def gather_stages(config: SoftmaxConfig) -> int:
    """Return the stages of pass 1."""
    return 4 if config.lanes <= LANES_ADDED_AT_ONCE else 5


class Softmax(wiring.Component):
    """Unit that computes ``exp(scale * s)`` of a row's scores, divided by their sum.

    Pass 1: digits of the scores; exponents; maximum, and by how much it exceeds them; powers and
    their sum, for many lanes in two stages. Then the logarithm of the sum is taken. Pass 2:
    exponents minus that logarithm; mantissas. Throughput is a beat per cycle within a row.

    Members:
        i: In, scores with mask bits; ``last`` ends a row.
        o: Out, bf16 results, see :func:`consilico.hw.attention.rows.row_signature`.
        cfg: In, ``k = scale * log2(e)`` with 17 fraction bits, for the rows that begin in the same
            cycle and later. A reset keeps it.
    """

    def __init__(self, config: SoftmaxConfig) -> None:
        self._config = config
        constants = data.StructLayout({"k": unsigned(K_FRACTION)})
        super().__init__(row_signature(config, config.result_width, constants))
        self.parts = row_parts(config, "softmax")

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        passes = TwoPasses(
            m, config, self.i, self.o, self.parts,
            gather=gather_stages(config), deliver=DELIVER, cfg=self.cfg,
        )  # fmt: skip
        loaded = Signal(K_FRACTION)
        m.d.constants += loaded.eq(self.cfg.payload.k)
        k = Multiplicand(m, "apply", loaded)
        greatest, total = self._gather(m, passes, k)
        offset, nothing = self._prepare(m, greatest, total, k)

        for lane in range(config.lanes):
            word = passes.word.word_select(lane, config.score_width + 1)
            columns = Columns(_EXPONENT + K_FRACTION)
            k.add_product(m, columns, score_digits(m, word[:-1]))
            columns.add(_DROP, offset)
            rows = columns.rows(m)
            result = Signal(_EXPONENT + K_FRACTION, name=f"log_result{lane}")
            m.d.comb += result.eq(rows[0] + rows[1])
            # below the address of the mantissa nothing counts any more
            kept = Signal(_EXPONENT + ADDRESS, name=f"kept{lane}")
            hidden = Signal(name=f"hidden_result{lane}")
            m.d.deliver_stage0 += [
                kept.eq(result[K_FRACTION - ADDRESS :]),
                hidden.eq(word[-1] | nothing | passes.long),
            ]
            bits = Signal(_EXPONENT + 7, name=f"bits{lane}")
            mantissa = self._mantissa(m, kept[:ADDRESS])
            m.d.comb += bits.eq(kept[ADDRESS - 7 :] + mantissa)
            shown = ~hidden & ~bits[-1] & bits[7:].any()
            m.d.deliver_stage1 += self.o.payload.data[lane].eq(bits[:15] & shown.replicate(15))
        return m

    def _gather(self, m: Module, passes: TwoPasses, k: Multiplicand) -> tuple[Value, Value]:
        """Add pass 1, and return the registers of the greatest exponent and of the sum."""
        config, taken, moves = self._config, self.i.payload, passes.gathering.moves
        stages = gather_stages(config)
        wholes: list[Value] = []
        addresses: list[Value] = []
        masks: list[Value] = []
        references: list[Value] = []
        for lane in range(config.lanes):
            columns = Columns(8 + K_FRACTION)
            digits = []
            for index, digit in enumerate(score_digits(m, taken.score[lane])):
                held = Signal(3, name=f"digit{lane}_{index}")
                m.d.gather_stage0 += held.eq(digit)
                digits.append(held)
            mask, late_mask = Signal(name=f"mask{lane}"), Signal(name=f"late_mask{lane}")
            m.d.gather_stage0 += mask.eq(taken.mask[lane])
            k.add_product(m, columns, digits)
            k.subtract_offset(columns)
            rows = columns.rows(m)
            exponent = Signal(8 + K_FRACTION, name=f"exponent{lane}")
            m.d.comb += exponent.eq(rows[0] + rows[1])
            whole, address = Signal(signed(8), name=f"whole{lane}"), Signal(POWER_ADDRESS)
            m.d.gather_stage1 += [
                whole.eq(exponent[K_FRACTION:]),
                address.eq(exponent[K_FRACTION - POWER_ADDRESS : K_FRACTION]),
                late_mask.eq(mask),
            ]
            reference = Signal(signed(8), name=f"reference{lane}")
            m.d.comb += reference.eq(Mux(late_mask, LEAST, whole))
            wholes.append(whole)
            addresses.append(address)
            masks.append(late_mask)
            references.append(reference)

        greatest, top = Signal(signed(8)), Signal(signed(8))
        m.d.comb += top.eq(greatest_of(m, [greatest, *references]))
        gated_domain(m, "greatest", moves(2) | passes.clear)
        m.d.greatest += greatest.eq(Mux(passes.clear, LEAST, top))
        width = config.sum_width
        growth: Value = Signal(width.bit_length())
        m.d.gather_stage2 += growth.eq(_limited(m, top - greatest, len(growth)))

        one = config.sum_fraction + 1  # bits of the greatest power
        added = Columns(one + (config.lanes - 1).bit_length())
        for lane in range(config.lanes):
            shift, late = Signal(one.bit_length(), name=f"shift{lane}"), Signal(POWER_ADDRESS)
            hidden = Signal(name=f"hidden{lane}")
            m.d.gather_stage2 += [
                shift.eq(_limited(m, top - wholes[lane], len(shift))),
                late.eq(addresses[lane]),
                hidden.eq(masks[lane]),
            ]
            power = self._power(m, late)
            shifted = Signal(one, name=f"shifted{lane}")
            m.d.comb += shifted.eq(Cat(C(0, one - len(power)), power) >> shift)
            added.add(0, shifted & (~hidden).replicate(one))
        rows = added.rows(m)
        addend: Value = Signal(one + (config.lanes - 1).bit_length())
        m.d.comb += addend.eq(rows[0] + rows[1])
        if stages == 5:
            held, grown = Signal.like(addend), Signal.like(growth)
            m.d.gather_stage3 += [held.eq(addend), grown.eq(growth)]
            addend, growth = held, grown

        total, following = Signal(width), Signal(width)
        m.d.comb += following.eq((total >> growth) + addend)
        gated_domain(m, "total", moves(stages - 1) | passes.clear)
        m.d.total += total.eq(following & (~passes.clear).replicate(width))
        return greatest, total

    def _mantissa(self, m: Module, fraction: Value) -> Value:
        """Return by how much the mantissa of ``2 ** f`` exceeds the upper 7 bits of ``f``."""
        if self._config.exponential == "vexp":
            return correction(m, _VEXP, 7, fraction[-7:])
        return correction(m, mantissa_table(), 7, fraction)

    def _power(self, m: Module, fraction: Value) -> Value:
        """Return ``2 ** f`` with 11 fraction bits and the leading 1."""
        if self._config.exponential == "vexp":
            upper, mantissa = fraction[-7:], Signal(7)
            m.d.comb += mantissa.eq(upper + correction(m, _VEXP, 7, upper))
            return Cat(C(0, POWER_FRACTION - 7), mantissa, C(1, 1))
        return interpolated(m, power_segments(), fraction, GUARD_BITS, STEP_BITS)

    def _prepare(
        self, m: Module, greatest: Value, total: Value, k: Multiplicand
    ) -> tuple[Value, Value]:
        """Return registers for pass 2: what a product lacks of a result's logarithm; no result.

        The product is that of an unsigned score, which is greater by 128.
        """
        normal, where = leading_one(m, total)
        place, fraction, top, zero = (
            Signal.like(where), Signal(LOG_ADDRESS), Signal(signed(8)), Signal()
        )  # fmt: skip
        m.d.capture += [
            place.eq(where),
            fraction.eq(normal[-1 - LOG_ADDRESS : -1]),
            top.eq(greatest),
            zero.eq(~normal[-1]),
        ]
        logarithm = interpolated(m, log_segments(), fraction, GUARD_BITS, STEP_BITS)
        whole, offset = Signal(signed(_EXPONENT)), Signal(_EXPONENT + FRACTION)
        m.d.comb += whole.eq(self._config.sum_fraction + _BIAS - place - top)
        below = Signal(_EXPONENT + FRACTION)
        m.d.comb += below.eq(logarithm + k.offset(_DROP))
        nothing = Signal()
        m.d.start += [offset.eq(Cat(C(0, FRACTION), whole) - below), nothing.eq(zero)]
        return offset, nothing


def _limited(m: Module, excess: Value, width: int) -> Value:
    """Return a difference of exponents, 0 to 255, limited to ``width`` bits."""
    whole = Signal(8)
    m.d.comb += whole.eq(excess)
    return whole[:width] | whole[width:].any().replicate(width)
