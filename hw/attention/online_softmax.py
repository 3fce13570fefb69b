"""Generate ``online_softmax``: exponentials relative to a running maximum, and their sum.

Golden model: :mod:`consilico.golden.attention.online_softmax`.
"""

from typing import Any

from amaranth import C, Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.attention.consmax import BF16_ONE
from consilico.golden.attention.consmax_log2 import mantissa_table
from consilico.golden.attention.online_softmax import (
    ADDRESS,
    K_FRACTION,
    LEAST,
    MOST_RESCALED,
    OnlineSoftmaxConfig,
)
from consilico.hw.arith import Columns
from consilico.hw.attention.powers import Multiplicand, correction, score_digits
from consilico.hw.attention.rows import greatest_of
from consilico.hw.cells import gated_domain
from consilico.hw.pipeline import Pipeline

__all__ = ["STAGES", "OnlineSoftmax"]

STAGES = 4
_EXCESS = 9  # bits of the difference of a reference and an exponent, signed


class OnlineSoftmax(wiring.Component):
    """Unit that computes ``2 ** (u - reference)`` of a row's scores as they come.

    Its stages are: digits of the scores; exponents; reference, and by how much it exceeds them;
    results and their sum. Latency is 4 cycles, throughput a beat per cycle. The operands of a
    masked lane hold still.

    Members:
        i: In, scores with mask bits; ``last`` ends a row.
        o: Out, for each beat: bf16 results; ``rescale``, by how many bits sums of results so far
            must be shifted right before this beat's are added; ``sum`` of the row so far; ``last``.
        cfg: In, ``k = scale * log2(e)`` with 17 fraction bits. It holds for scores accepted in the
            same cycle and later. A reset keeps it.
    """

    def __init__(self, config: OnlineSoftmaxConfig) -> None:
        self._config = config
        lanes = config.lanes
        scores = data.StructLayout(
            {
                "score": data.ArrayLayout(signed(config.score_width), lanes),
                "mask": data.ArrayLayout(unsigned(1), lanes),
                "last": 1,
            }
        )
        results = data.StructLayout(
            {
                "data": data.ArrayLayout(unsigned(16), lanes),
                "rescale": range(MOST_RESCALED + 1),
                "sum": unsigned(config.sum_width),
                "last": 1,
            }
        )
        super().__init__(
            {
                "i": In(stream.Signature(scores)),
                "o": Out(stream.Signature(results)),
                "cfg": In(stream.Signature(data.StructLayout({"k": unsigned(K_FRACTION)}))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        pipeline = Pipeline(m, self.i, self.o, STAGES)
        m.d.comb += self.cfg.ready.eq(pipeline.free(0))
        gated_domain(m, "constants", self.cfg.valid & self.cfg.ready)
        multiplicand = Multiplicand(m, "constants", self.cfg.payload.k)

        # The last beat of a row stays marked in the stages that hold a reference and a sum, until
        # the next beat comes there: it begins a row.
        lasts = [Signal(init=1, name=f"last{stage}") for stage in range(STAGES)]
        with m.If(pipeline.advance & self.i.valid):
            m.d.sync += lasts[0].eq(self.i.payload.last)
        for stage in range(1, STAGES):
            with m.If(pipeline.moves(stage)):
                m.d.sync += lasts[stage].eq(lasts[stage - 1])

        wholes, addresses, masks = self._exponents(m, pipeline, multiplicand)
        held, before, top = (Signal(signed(8), name=name) for name in ("held", "before", "top"))
        references = [Mux(mask, LEAST, whole) for mask, whole in zip(masks, wholes, strict=True)]
        m.d.comb += before.eq(Mux(lasts[2], LEAST, held))
        if config.slack:
            greatest = greatest_of(m, references)
            grows = Signal()
            m.d.comb += grows.eq(greatest > before + config.slack)
            m.d.comb += top.eq(Mux(grows, greatest, before))
        else:
            m.d.comb += top.eq(greatest_of(m, [before, *references]))
        growth, rescale = Signal(8), Signal(range(MOST_RESCALED + 1))
        m.d.comb += growth.eq(top - before)
        far = growth[len(rescale) :].any()
        m.d.stage2 += [held.eq(top), rescale.eq(growth[: len(rescale)] | far.replicate(5))]

        shift_places = config.sum_fraction + config.slack + 1  # bits of the greatest term
        columns = Columns(config.sum_width)
        for lane in range(config.lanes):
            excess, address = Signal(signed(_EXCESS), name=f"excess{lane}"), Signal(ADDRESS)
            hidden = Signal(name=f"hidden{lane}")
            m.d.stage2 += [
                excess.eq(top - wholes[lane]),
                address.eq(addresses[lane]),
                hidden.eq(masks[lane]),
            ]
            near = Signal(name=f"near{lane}")
            m.d.comb += near.eq(excess < BF16_ONE)
            mantissa = Signal(7, name=f"mantissa{lane}")
            m.d.comb += mantissa.eq(
                address[1:] + correction(m, mantissa_table(ADDRESS), 7, address)
            )
            exponent = Signal(8, name=f"biased{lane}")
            m.d.comb += exponent.eq(BF16_ONE - excess)
            m.d.stage3 += self.o.payload.data[lane].eq(
                Cat(mantissa, exponent) & near.replicate(15) & (~hidden).replicate(15)
            )
            places, shift = Signal(8, name=f"places{lane}"), Signal(shift_places.bit_length())
            m.d.comb += [
                places.eq(excess + config.slack),
                shift.eq(places[: len(shift)] | places[len(shift) :].any().replicate(len(shift))),
            ]
            term = Signal(shift_places, name=f"term{lane}")
            significand = Cat(mantissa, C(1, 1)) & near.replicate(8) & (~hidden).replicate(8)
            m.d.comb += term.eq(Cat(C(0, shift_places - 8), significand) >> shift)
            columns.add(0, term)
        total, scaled = Signal(config.sum_width), Signal(config.sum_width)
        m.d.comb += scaled.eq((total >> rescale) & (~lasts[3]).replicate(config.sum_width))
        columns.add(0, scaled)
        rows = columns.rows(m)
        late = Signal.like(rescale)
        m.d.stage3 += [total.eq(rows[0] + rows[1]), late.eq(rescale)]
        m.d.comb += [
            self.o.payload.sum.eq(total),
            self.o.payload.rescale.eq(late),
            self.o.payload.last.eq(lasts[3]),
        ]
        return m

    def _exponents(
        self, m: Module, pipeline: Pipeline, multiplicand: Multiplicand
    ) -> tuple[list[Value], list[Value], list[Value]]:
        """Add stages 0 and 1, and return integer part, fraction and mask of each exponent."""
        wholes, addresses, masks = [], [], []
        for lane in range(self._config.lanes):
            taken, mask = self.i.payload.mask[lane], Signal(name=f"mask{lane}")
            gated_domain(m, f"taken{lane}", pipeline.advance & self.i.valid & ~taken)
            digits = []
            for index, digit in enumerate(score_digits(m, self.i.payload.score[lane])):
                held = Signal(3, name=f"digit{lane}_{index}")
                m.d[f"taken{lane}"] += held.eq(digit)
                digits.append(held)
            with m.If(pipeline.advance):
                m.d.sync += mask.eq(taken)
            columns = Columns(8 + K_FRACTION)
            multiplicand.add_product(m, columns, digits)
            multiplicand.subtract_offset(columns)
            rows = columns.rows(m)
            exponent = Signal(8 + K_FRACTION, name=f"exponent{lane}")
            m.d.comb += exponent.eq(rows[0] + rows[1])
            whole, address = Signal(signed(8), name=f"whole{lane}"), Signal(ADDRESS)
            late = Signal(name=f"late_mask{lane}")
            m.d.stage1 += [
                whole.eq(exponent[K_FRACTION:]),
                address.eq(exponent[K_FRACTION - ADDRESS : K_FRACTION]),
                late.eq(mask),
            ]
            wholes.append(whole)
            addresses.append(address)
            masks.append(late)
        return wholes, addresses, masks
