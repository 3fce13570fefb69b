"""Generate ``softermax``: softmax in base 2 with a running integer maximum.

Golden model: :mod:`consilico.golden.attention.softermax`.
"""

from typing import Any

from amaranth import Array, C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring

from consilico.golden.attention.softermax import (
    LEAST,
    POWER_FRACTION,
    POWERS,
    REFERENCE_WIDTH,
    RESULT_FRACTION,
    SUM_FRACTION,
    SUM_WIDTH,
    SoftermaxConfig,
    reciprocal,
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

__all__ = ["DELIVER", "Softermax", "gather_stages"]

DELIVER = 2  # stages of pass 2
_POWER = POWER_FRACTION + 1  # bits of a power
_NEAR = 4  # bits of the excess of the maximum; a greater one makes a power 0
_EXCESSES = 65  # values of that excess before it is limited
_LEAST_PLACE = 5  # of the leading one of a sum that is not 0: its greatest score adds 38 at least


class Softermax(wiring.Component):
    """Unit that computes ``2 ** x`` of a row's scores, divided by their sum.

    Pass 1: scores; maximum, and by how much it exceeds each score; powers and their sum, for many
    lanes in two stages. Then the sum is
    normalized, and its reciprocal is looked up. Pass 2: powers again; product, shifted and rounded.
    Throughput is a beat per cycle within a row.

    Members:
        i: In, scores with mask bits; ``last`` ends a row.
        o: Out, results in Q(1,7), see :func:`consilico.hw.attention.rows.row_signature`.
    """

    def __init__(self, config: SoftermaxConfig) -> None:
        self._config = config
        super().__init__(row_signature(config, config.result_width))
        self.parts = row_parts(config, "softermax")

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        stored = Signal(config.word_bits) if config.stores == "powers" else None
        passes = TwoPasses(
            m, config, self.i, self.o, self.parts,
            gather=gather_stages(config), deliver=DELIVER, holds=2, stored=stored,
        )  # fmt: skip
        greatest, total, powers = self._gather(m, passes)
        if stored is not None:
            m.d.comb += stored.eq(Cat(*powers, greatest))

        # the sum as a power of two times 1 to 2, and then the reciprocal of the latter
        normal, where = leading_one(m, total)
        fraction, place, zero = Signal(RESULT_FRACTION), Signal(4), Signal()
        top, reference = Signal(signed(REFERENCE_WIDTH)), Signal(signed(REFERENCE_WIDTH))
        m.d.capture += [
            fraction.eq(normal[-1 - RESULT_FRACTION : -1]),
            place.eq(where - _LEAST_PLACE),
            zero.eq(~normal[-1]),
            top.eq(greatest),
        ]
        inverse, shift, nothing = Signal(config.result_width), Signal(4), Signal()
        m.d.start += [
            inverse.eq(Array(C(reciprocal(each), 8) for each in range(128))[fraction]),
            shift.eq(place),
            nothing.eq(zero),
            reference.eq(top),
        ]
        for lane in range(config.lanes):
            if stored is None:
                word = passes.word.word_select(lane, config.score_width + 1)
                score, mask = word[:-1].as_signed(), word[-1]
                relative_to, before = _ceiling(score), _power(score)
            else:
                relative_to, mask = passes.word[-REFERENCE_WIDTH:].as_signed(), C(0, 1)
                before = passes.word.word_select(lane, _POWER)
            excess = Signal(range(_EXCESSES), name=f"late_excess{lane}")
            m.d.comb += excess.eq(reference - relative_to)
            hidden = mask | excess[_NEAR:].any() | nothing | passes.long
            power = Signal(_POWER, name=f"late_power{lane}")
            m.d.deliver_stage0 += power.eq((before >> excess[:_NEAR]) & (~hidden).replicate(_POWER))
            product = Signal(_POWER + len(inverse))
            columns = Columns(len(product))
            for place_of_bit, bit in enumerate(inverse):
                columns.add(place_of_bit, power & bit.replicate(_POWER), 1)
            m.d.comb += product.eq(sum(columns.rows(m)))
            guarded = Signal(config.result_width + 1, name=f"guarded{lane}")
            first = _LEAST_PLACE + POWER_FRACTION - SUM_FRACTION - 1
            m.d.comb += guarded.eq(product[first:] >> shift)
            m.d.deliver_stage1 += self.o.payload.data[lane].eq(guarded[1:] + guarded[0])
        return m

    def _gather(self, m: Module, passes: TwoPasses) -> tuple[Value, Value, list[Value]]:
        """Add pass 1, and return what comes of it.

        Returns:
            The registers of the greatest reference and of the sum; the powers of the beat that
            leaves stage 1, relative to that reference.
        """
        lanes, stages = self._config.lanes, gather_stages(self._config)
        masks, scores, references = [], [], []
        taken = self.i.payload
        for lane in range(lanes):
            score, mask = Signal(signed(8), name=f"score{lane}"), Signal(name=f"mask{lane}")
            m.d.gather_stage0 += [score.eq(taken.score[lane]), mask.eq(taken.mask[lane])]
            reference = Signal(signed(REFERENCE_WIDTH), name=f"reference{lane}")
            m.d.comb += reference.eq(Mux(mask, LEAST, _ceiling(score)))
            scores.append(score)
            masks.append(mask)
            references.append(reference)

        moves = passes.gathering.moves
        greatest, top = Signal(signed(REFERENCE_WIDTH)), Signal(signed(REFERENCE_WIDTH))
        m.d.comb += top.eq(greatest_of(m, [greatest, *references]))
        gated_domain(m, "greatest", moves(1) | passes.clear)
        m.d.greatest += greatest.eq(Mux(passes.clear, LEAST, top))
        growth: Value = Signal(_NEAR + 1)
        m.d.gather_stage1 += growth.eq(_limited(m, top - greatest))

        powers: list[Value] = []
        for lane in range(lanes):
            excess = _limited(m, top - _ceiling(scores[lane]))
            near, far = Signal(_NEAR, name=f"near{lane}"), Signal(name=f"far{lane}")
            quarter = Signal(2, name=f"quarter{lane}")
            m.d.gather_stage1 += [
                near.eq(excess[:_NEAR]),
                far.eq(masks[lane] | excess[_NEAR]),
                quarter.eq(scores[lane][:2]),
            ]
            power = Signal(_POWER, name=f"power{lane}")
            m.d.comb += power.eq((_power(quarter) >> near) & (~far).replicate(_POWER))
            powers.append(power)
        added = Signal(_POWER + (lanes - 1).bit_length())
        columns = Columns(len(added))
        for power in powers:
            columns.add(0, power)
        m.d.comb += added.eq(sum(columns.rows(m)))
        addend = added[POWER_FRACTION - SUM_FRACTION :]
        if stages == 4:
            held, grown = Signal.like(addend), Signal.like(growth)
            m.d.gather_stage2 += [held.eq(addend), grown.eq(growth)]
            addend, growth = held, grown

        total, exact = Signal(SUM_WIDTH), Signal(SUM_WIDTH + 1)
        m.d.comb += exact.eq((total >> growth) + addend)
        gated_domain(m, "total", moves(stages - 1) | passes.clear)
        limited = exact[:-1] | exact[-1].replicate(SUM_WIDTH)
        m.d.total += total.eq(limited & (~passes.clear).replicate(SUM_WIDTH))
        return greatest, total, powers


def _ceiling(score: Value) -> Value:
    """Return the integer reference of a score: the ceiling of its bits."""
    return ((score + 3) >> 2)[:REFERENCE_WIDTH].as_signed()


def _power(score: Value) -> Value:
    """Return ``2 ** (x - ceiling(x))`` in Q(1,15) of a score with two fraction bits."""
    return Array(C(POWERS[-quarter % 4], _POWER) for quarter in range(4))[score[:2]]


def _limited(m: Module, excess: Value) -> Value:
    """Return how much less a number is than the maximum, limited to where a power becomes 0."""
    whole, limited = Signal(range(_EXCESSES)), Signal(_NEAR + 1)
    m.d.comb += whole.eq(excess)
    far = whole[_NEAR:].any()
    m.d.comb += limited.eq(Cat(whole[:_NEAR] & (~far).replicate(_NEAR), far))
    return limited
