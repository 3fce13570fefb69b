"""Generate ``base2_scores``: INT8 scores times a scale, as exponents of 2 in quarters.

Golden model: :mod:`consilico.golden.attention.base2_scores`.
"""

from typing import Any

from amaranth import C, Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.attention.base2_scores import FRACTION, K_FRACTION, Base2ScoresConfig
from consilico.hw.arith import Columns
from consilico.hw.attention.powers import Multiplicand, score_digits
from consilico.hw.cells import gated_domain
from consilico.hw.pipeline import Pipeline, after_constants

__all__ = ["STAGES", "Base2Scores"]

STAGES = 1
_SCORE = 8  # bits of a score
_DROP = K_FRACTION - FRACTION  # fraction bits of a product that are cut


class Base2Scores(wiring.Component):
    """Unit that computes ``4 * k * score``, rounded to an integer. Latency is a cycle.

    Members:
        i: In, scores with mask bits; ``last`` ends a row.
        o: Out, the same with scores in quarters of a bit, as units for rows take them.
        cfg: In, ``k = scale * log2(e)`` with 12 fraction bits. It holds for scores accepted after
            it, for which it costs a cycle. A reset keeps it.
    """

    def __init__(self, config: Base2ScoresConfig) -> None:
        self._config = config

        def scores(width: int) -> data.StructLayout:
            return data.StructLayout(
                {
                    "score": data.ArrayLayout(signed(width), config.lanes),
                    "mask": data.ArrayLayout(unsigned(1), config.lanes),
                    "last": 1,
                }
            )

        constants = data.StructLayout({"k": unsigned(K_FRACTION)})
        super().__init__(
            {
                "i": In(stream.Signature(scores(_SCORE))),
                "o": Out(stream.Signature(scores(config.result_width))),
                "cfg": In(stream.Signature(constants)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        i = after_constants(m, self.i, self.cfg)
        pipeline = Pipeline(m, i, self.o, STAGES)
        m.d.comb += self.cfg.ready.eq(1)
        gated_domain(m, "constants", self.cfg.valid)
        gated_domain(m, "taken", pipeline.advance & i.valid)
        k = Multiplicand(m, "constants", self.cfg.payload.k)
        taken, shown = i.payload, self.o.payload
        m.d.taken += [shown.mask.eq(taken.mask), shown.last.eq(taken.last)]
        for lane in range(self._config.lanes):
            columns = Columns(_SCORE + K_FRACTION)
            k.add_product(m, columns, score_digits(m, taken.score[lane]))
            k.subtract_offset(columns)
            columns.add(_DROP - 1, C(1, 1))  # half of a step
            rows = columns.rows(m)
            product = Signal(_SCORE + K_FRACTION, name=f"product{lane}")
            m.d.comb += product.eq(rows[0] + rows[1])
            m.d.taken += shown.score[lane].eq(self._limited(product[_DROP:]))
        return m

    def _limited(self, code: Value) -> Value:
        """Return a signed number, limited to what a result can be."""
        width = self._config.result_width
        if not self._config.saturates:
            return code.as_signed()
        sign, above = code[-1], code[width - 1 :]
        end = Cat((~sign).replicate(width - 1), sign)
        return Mux(above.all() | ~above.any(), code[:width], end).as_signed()
