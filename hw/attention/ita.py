"""Generate ``ita``: softmax by shifts, with one division per row.

Golden model: :mod:`consilico.golden.attention.ita`.
"""

from typing import Any

from amaranth import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring

from consilico.golden.attention.ita import LEAST, NUMERATOR, SUM_WIDTH, UNIT, ItaConfig
from consilico.hw.arith import Columns
from consilico.hw.attention.rows import (
    TwoPasses,
    gather_stages,
    greatest_of,
    row_parts,
    row_signature,
)
from consilico.hw.cells import gated_domain

__all__ = ["DELIVER", "DIVIDES", "Ita", "gather_stages"]

DELIVER = 1  # stages of pass 2
DIVIDES = 8  # cycles that the division takes, one for each bit of the quotient
_DIVISOR = 16  # bits: the quotient of a greater sum is 0
_SHIFT = 4  # bits of a shift; 9 and more make every power and result 0
_GROWTH = 5  # bits of a shift of the sum, without fraction bits; 19 and more make it 0


class Ita(wiring.Component):
    """Unit that gives each score of a row its power of two, divided by their sum, by shifts.

    Pass 1: scores; maximum, and the shift of each score; powers and their sum, for many lanes in
    two stages. Then the sum is divided, a bit of the quotient per cycle. Pass 2: the quotient,
    shifted. Throughput is a beat per cycle within a row.

    Members:
        i: In, scores with mask bits; ``last`` ends a row.
        o: Out, results with 8 fraction bits, see
            :func:`consilico.hw.attention.rows.row_signature`.
    """

    def __init__(self, config: ItaConfig) -> None:
        self._config = config
        super().__init__(row_signature(config, config.result_width))
        self.parts = row_parts(config, "ita")

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        left = Signal(range(DIVIDES + 1))  # steps of a division
        passes = TwoPasses(
            m, config, self.i, self.o, self.parts,
            gather=gather_stages(config), deliver=DELIVER, prepared=left == 0,
        )  # fmt: skip
        greatest, total = self._gather(m, passes)

        # the quotient of 255 * 2 ** 8, from its highest bit on: the remainder begins as 255
        gated_domain(m, "divide", passes.captured | (passes.waiting & (left != 0)))
        divisor, rest, quotient = Signal(_DIVISOR), Signal(_DIVISOR), Signal(DIVIDES)
        top = Signal(signed(8))
        m.d.capture += [divisor.eq(total[:_DIVISOR]), top.eq(greatest)]
        doubled, difference = Cat(C(0, 1), rest), Signal(_DIVISOR + 2)
        m.d.comb += difference.eq(doubled - divisor)
        fits = ~difference[-1]
        with m.If(passes.captured):
            m.d.divide += [rest.eq(NUMERATOR // UNIT), left.eq(DIVIDES)]
        with m.Else():
            m.d.divide += [
                rest.eq(Mux(fits, difference, doubled)),
                quotient.eq(Cat(fits, quotient)),
                left.eq(left - 1),
            ]
        none, most = Signal(), Signal()
        m.d.capture += none.eq(total[_DIVISOR:].any())
        exact: Value = quotient & (~none).replicate(DIVIDES)
        if config.wraps:  # then a sum may be less than the numerator allows for, or 0
            m.d.capture += [
                none.eq(total[_DIVISOR:].any() | ~total.any()),
                most.eq(~total[8:].any()),
            ]
            exact = (quotient | most.replicate(DIVIDES)) & (~none).replicate(DIVIDES)
        inverse, reference = Signal(DIVIDES), Signal(signed(8))
        m.d.start += [inverse.eq(exact), reference.eq(top)]
        for lane in range(config.lanes):
            word = passes.word.word_select(lane, config.score_width + 1)
            shift = self._shift(m, reference, word[:-1].as_signed())
            shown = (~(word[-1] | passes.long)).replicate(DIVIDES)
            m.d.deliver_stage0 += self.o.payload.data[lane].eq((inverse >> shift) & shown)
        return m

    def _gather(self, m: Module, passes: TwoPasses) -> tuple[Value, Value]:
        """Add pass 1, and return the registers of the greatest score and of the sum."""
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
        growth: Value = Signal(_SHIFT if config.fraction else _GROWTH)
        m.d.gather_stage1 += growth.eq(self._shift(m, top, greatest, len(growth)))

        powers = []
        for lane, (score, mask) in enumerate(zip(scores, masks, strict=True)):
            shift, hidden = Signal(_SHIFT, name=f"shift{lane}"), Signal(name=f"hidden{lane}")
            m.d.gather_stage1 += [shift.eq(self._shift(m, top, score)), hidden.eq(mask)]
            power = Signal(9, name=f"power{lane}")
            m.d.comb += power.eq((C(UNIT, 9) >> shift) & (~hidden).replicate(9))
            powers.append(power)
        columns = Columns(9 + (config.lanes - 1).bit_length())
        for power in powers:
            columns.add(0, power)
        added: Value = Signal(9 + (config.lanes - 1).bit_length())
        m.d.comb += added.eq(sum(columns.rows(m)))
        if gather_stages(config) == 4:
            addend, grown = Signal.like(added), Signal.like(growth)
            m.d.gather_stage2 += [addend.eq(added), grown.eq(growth)]
            added, growth = addend, grown
        total, following = Signal(SUM_WIDTH), Signal(SUM_WIDTH)
        m.d.comb += following.eq((total >> growth) + added)
        gated_domain(m, "total", moves(gather_stages(config) - 1) | passes.clear)
        m.d.total += total.eq(following & (~passes.clear).replicate(SUM_WIDTH))
        return greatest, total

    def _shift(self, m: Module, greatest: Value, score: Value, bits: int = _SHIFT) -> Value:
        """Return by how many bits a score is less than the maximum, limited to what ``bits`` hold.

        With fraction bits it is 8 at most.
        """
        excess, shift = Signal(8), Signal(bits)
        m.d.comb += excess.eq(greatest - score)
        if self._config.fraction == 5:
            m.d.comb += shift.eq(excess[5:] + excess[4])
        else:
            m.d.comb += shift.eq(excess[:bits] | excess[bits:].any().replicate(bits))
        return shift
