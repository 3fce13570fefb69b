"""Generate ``sole``: E2Softmax, powers of two and a division of logarithms.

Golden model: :mod:`consilico.golden.attention.sole`.
"""

from typing import Any

from amaranth import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring

from consilico.golden.attention.sole import (
    LEAST,
    MOST_EXPONENT,
    NUMERATORS,
    SCORE_FRACTION,
    SUM_FRACTION,
    SoleConfig,
)
from consilico.hw.arith import Columns
from consilico.hw.attention.rows import (
    TwoPasses,
    gather_stages,
    greatest_of,
    leading_one,
    row_parts,
    row_signature,
)
from consilico.hw.cells import gated_domain

__all__ = ["DELIVER", "Sole", "gather_stages"]

DELIVER = 1  # stages of pass 2
_POWER = SUM_FRACTION + 1  # bits of a power
_EXPONENT = MOST_EXPONENT.bit_length()


class Sole(wiring.Component):
    """Unit that gives each score of a row its power of two, divided by their sum, as logarithms.

    Pass 1: scores; maximum, and the exponent of each score; powers and their sum, for many lanes in
    two stages. Then the place of the sum's leading one is found. Pass 2: one of two numerators,
    shifted by the sum of both exponents. Throughput is a beat per cycle within a row. With
    ``stores=exponents`` the buffer keeps those of pass 1, with the maximum so far; pass 2 adds one
    exponent of what that grew by since, for all lanes.

    Members:
        i: In, scores with mask bits; ``last`` ends a row.
        o: Out, results with 8 fraction bits, see
            :func:`consilico.hw.attention.rows.row_signature`.
    """

    def __init__(self, config: SoleConfig) -> None:
        self._config = config
        super().__init__(row_signature(config, config.result_width))
        self.parts = row_parts(config, "sole")

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        stored = Signal(config.word_bits) if config.stores == "exponents" else None
        passes = TwoPasses(
            m, config, self.i, self.o, self.parts,
            gather=gather_stages(config), deliver=DELIVER, stored=stored,
        )  # fmt: skip
        greatest, total, exponents = self._gather(m, passes)
        if stored is not None:
            m.d.comb += stored.eq(Cat(*exponents, greatest))

        # the greatest score adds 1: the leading one is no lower, unless all scores are masked
        normal, where = leading_one(m, total)
        places = Signal(range(len(total) - SUM_FRACTION))
        second, top = Signal(), Signal(signed(8))
        m.d.capture += [
            places.eq(where - SUM_FRACTION),
            second.eq(normal[-2]),
            top.eq(greatest),
        ]
        shift, smaller, reference = Signal.like(places), Signal(), Signal(signed(8))
        m.d.start += [shift.eq(places), smaller.eq(second), reference.eq(top)]
        width = config.result_width
        of_all: Value = shift
        if stored is not None:
            of_all = Signal(max(_EXPONENT, len(shift)) + 1)
            so_far = passes.word[-config.score_width :].as_signed()
            m.d.comb += of_all.eq(_exponent(m, reference, so_far) + shift)
        for lane in range(config.lanes):
            if stored is None:
                word = passes.word.word_select(lane, config.score_width + 1)
                own, mask = _exponent(m, reference, word[:-1].as_signed()), word[-1]
            else:  # the greatest exponent makes the result 0
                own, mask = passes.word.word_select(lane, _EXPONENT), C(0, 1)
            whole = Signal(max(_EXPONENT, len(of_all)) + 1, name=f"whole_exponent{lane}")
            m.d.comb += whole.eq(own + of_all)
            guarded = Signal(width + 1, name=f"guarded{lane}")
            first, other = (C(each, width + 1) for each in NUMERATORS)
            m.d.comb += guarded.eq(Mux(smaller, other, first) >> whole)
            shown = (~(mask | passes.long)).replicate(width)
            rounded = (guarded[1:] + guarded[0])[:width]
            m.d.deliver_stage0 += self.o.payload.data[lane].eq(rounded & shown)
        return m

    def _gather(self, m: Module, passes: TwoPasses) -> tuple[Value, Value, list[Value]]:
        """Add pass 1, and return what comes of it.

        Returns:
            The registers of the greatest score and of the sum; the exponents of the beat that
            leaves stage 1, relative to that score.
        """
        config, taken = self._config, self.i.payload
        moves = passes.gathering.moves
        scores, masks = [], []
        for lane in range(config.lanes):
            score, mask = Signal(signed(8), name=f"score{lane}"), Signal(name=f"mask{lane}")
            m.d.gather_stage0 += [score.eq(taken.score[lane]), mask.eq(taken.mask[lane])]
            scores.append(score)
            masks.append(mask)
        greatest, top = Signal(signed(8)), Signal(signed(8))
        shown = [Mux(mask, LEAST, score) for score, mask in zip(scores, masks, strict=True)]
        m.d.comb += top.eq(greatest_of(m, [greatest, *shown]))
        gated_domain(m, "greatest", moves(1) | passes.clear)
        m.d.greatest += greatest.eq(Mux(passes.clear, LEAST, top))
        growth: Value = Signal(_EXPONENT)
        m.d.gather_stage1 += growth.eq(_exponent(m, top, greatest))

        columns = Columns(_POWER + (config.lanes - 1).bit_length())
        exponents: list[Value] = []
        for lane, (score, mask) in enumerate(zip(scores, masks, strict=True)):
            exponent = Signal(_EXPONENT, name=f"exponent{lane}")
            hidden = Signal(name=f"hidden{lane}")
            m.d.gather_stage1 += [exponent.eq(_exponent(m, top, score)), hidden.eq(mask)]
            power = Signal(_POWER, name=f"power{lane}")
            m.d.comb += power.eq(
                (C(1 << SUM_FRACTION, _POWER) >> exponent) & (~hidden).replicate(_POWER)
            )
            columns.add(0, power)
            exponents.append(exponent | hidden.replicate(_EXPONENT))
        added: Value = Signal(_POWER + (config.lanes - 1).bit_length())
        m.d.comb += added.eq(sum(columns.rows(m)))
        if gather_stages(config) == 4:
            addend, grown = Signal.like(added), Signal.like(growth)
            m.d.gather_stage2 += [addend.eq(added), grown.eq(growth)]
            added, growth = addend, grown
        width = config.sum_width
        total, following = Signal(width), Signal(width)
        m.d.comb += following.eq((total >> growth) + added)
        gated_domain(m, "total", moves(gather_stages(config) - 1) | passes.clear)
        m.d.total += total.eq(following & (~passes.clear).replicate(width))
        return greatest, total, exponents


def _exponent(m: Module, greatest: Value, score: Value) -> Value:
    """Return the exponent of a score's exponential as a power of two, without its sign."""
    excess, product, rounded = Signal(8), Signal(9), Signal(_EXPONENT + 1)
    m.d.comb += [
        excess.eq(greatest - score),
        product.eq(excess + excess[1:] - excess[4:]),
        rounded.eq(product[SCORE_FRACTION:] + product[SCORE_FRACTION - 1]),
    ]
    limited = Signal(_EXPONENT)
    m.d.comb += limited.eq(rounded[:_EXPONENT] | rounded[-1].replicate(_EXPONENT))
    return limited
