"""Generate ``consmax/base2``: four mantissas per head and an adder for the exponent.

Golden model: :mod:`consilico.golden.attention.consmax_base2`.
"""

from typing import Any

from amaranth import C, Cat, ClockSignal, Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.attention.consmax_base2 import QUARTERS, Base2Config
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
from consilico.hw.census import Batch, Census
from consilico.hw.parts import part_clock, place
from consilico.hw.pipeline import Pipeline, pipeline_census
from consilico.hw.register_file import select, select_census

__all__ = ["Base2Lane", "ConSmaxBase2", "census", "constants_layout", "latency"]

_ENTRY = 8  # bits of a number's mantissa and its carry


def latency(config: Base2Config) -> int:
    """Return the cycles from the input to the output handshake when nothing stalls."""
    return 1 + finish_stages(config)


def constants_layout() -> data.StructLayout:
    """Return the layout of a head's constants, 39 bits."""
    return data.StructLayout(
        {
            "exponent": unsigned(8),
            "mantissa": data.ArrayLayout(unsigned(7), QUARTERS),
            "carry": data.ArrayLayout(unsigned(1), QUARTERS - 1),
        }
    )


class ConSmaxBase2(wiring.Component):
    """Unit that computes ``C * 2 ** (s / 4)``.

    Its stages are: scores; mantissa and exponent; with fixed output, conversion. Throughput is
    ``lanes`` results per cycle. The operands of a masked lane hold still.

    Members:
        i: In, a beat of scores with mask bits, :func:`consilico.hw.attention.consmax.score_layout`.
        o: Out, results and flags, :func:`consilico.hw.attention.consmax.result_layout`.
        cfg: In, the constants of a head (:func:`constants_layout`). They hold for scores accepted
            in the same cycle and later. A reset keeps them.
    """

    def __init__(self, config: Base2Config) -> None:
        self._config = config
        super().__init__(unit_signature(config, constants_layout()))
        self.parts: dict[str, wiring.Component] = {
            "consmax_base2_lane": Base2Lane(config),
            "consmax_base2_finish": Finish(config),
        }

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        pipeline = Pipeline(m, self.i, self.o, latency(config))
        m.d.comb += self.cfg.ready.eq(pipeline.free(0))
        gated_domain(m, "constants", self.cfg.valid & self.cfg.ready)
        exponent, numbers = Signal(8), Signal(QUARTERS * _ENTRY - 1)
        loaded = self.cfg.payload
        entries = [loaded.mantissa[0]]
        for quarter in range(1, QUARTERS):
            entries += [loaded.mantissa[quarter], loaded.carry[quarter - 1]]
        m.d.constants += [exponent.eq(loaded.exponent), numbers.eq(Cat(*entries))]

        lane, last = self.parts.items()
        results = []
        for index in range(config.lanes):
            score = self.i.payload[index]
            done = place(
                m, f"lane{index}", *lane,
                clk=ClockSignal(), advance=pipeline.advance, valid=self.i.valid,
                score=score.score.as_unsigned(), mask=score.mask,
                exponent=exponent, numbers=numbers,
            )  # fmt: skip
            product = Product(done["bits"], done["underflow"], done["overflow"])
            results.append(LaneResult(product, done["late_mask"]))
        finish(m, 1, config, *last, results, self.o.payload)
        return m


class Base2Lane(wiring.Component):
    """One lane up to its product, which comes from the registers of stage 0 and the constants.

    Members:
        clk: In, clock of the unit.
        advance, valid: In, whether the pipeline moves and whether the incoming beat is valid.
        score, mask: In, the lane's part of the incoming beat.
        exponent, numbers: In, the head's constants: mantissa of each quarter, lowest first, each
            but the first one followed by its carry.
        bits, underflow, overflow: Out, the product, see :class:`consilico.hw.bfloat16.Product`.
        late_mask: Out, the product's mask bit.
    """

    def __init__(self, config: Base2Config) -> None:
        super().__init__(
            {
                "clk": In(1),
                "advance": In(1),
                "valid": In(1),
                "score": In(config.score_width),
                "mask": In(1),
                "exponent": In(8),
                "numbers": In(QUARTERS * _ENTRY - 1),
                "bits": Out(15),
                "underflow": Out(1),
                "overflow": Out(1),
                "late_mask": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "sync", self.clk)
        gated_domain(m, "taken", self.advance & self.valid & ~self.mask)
        held = Signal.like(self.score)
        m.d.taken += held.eq(self.score)
        with m.If(self.advance):
            m.d.sync += self.late_mask.eq(self.mask)

        first = Cat(self.numbers[: _ENTRY - 1], C(0, 1))
        rest = self.numbers[_ENTRY - 1 :]
        entries = [first, *(rest.word_select(place, _ENTRY) for place in range(QUARTERS - 1))]
        number = select(m, entries, held[:2])
        # The exponent lies in [-128, 383]. Modulo 512, the two top bits tell a negative one from
        # one that is too great.
        exponent = Signal(9)
        m.d.comb += [
            exponent.eq(self.exponent + held[2:].as_signed() + number[-1]),
            self.bits.eq(Cat(number[:-1], exponent[:8])),
            self.underflow.eq(exponent[7:].all() | ~exponent.any()),
            self.overflow.eq((exponent[8] & ~exponent[7]) | (exponent[:8].all() & ~exponent[8])),
        ]
        return m


def census(c: Batch) -> Census:
    """Return the operators of :class:`ConSmaxBase2`, and its longest paths."""
    drivers = ("score",)
    made = pipeline_census(c.of(latency))
    made.add("and_or", 2)
    made.add("clock_gate", 1)
    made.add("flop", 8 + QUARTERS * _ENTRY - 1, rate=0)
    made.add("and_or", 1)  # all lanes ask whether a beat comes

    lane = Census()
    lane.add("and_or", 1, drivers)
    lane.add("clock_gate", 1)
    lane.add("mux", 1, drivers)
    lane.add("flop", c.score_width + 1, drivers)
    chosen, steps = select_census(QUARTERS, _ENTRY, drivers)
    lane.include(chosen)
    lane.add("add", 9, drivers)
    lane.add("increment", 9, drivers)
    lane.add("and_or", 1 + 8 + 1 + 1 + 7 + 2, drivers)
    made.include(lane, c.lanes)
    finished, paths = finish_census(c)
    made.include(finished)
    made.path(*steps, ("increment", 9, 1), ("and_or", 1, 5), *paths[0])
    for path in paths[1:]:
        made.path(*path)
    return made
