"""Generate ``consmax/paper``, the paper's unit built literally, as a reference for the others.

Golden model: :mod:`consilico.golden.attention.consmax_paper`.
"""

from typing import Any

from amaranth import Array, Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.attention.consmax import ConSmaxConfig
from consilico.golden.attention.consmax_paper import PaperConfig
from consilico.hw.attention.consmax import to_fixed, to_fixed_census
from consilico.hw.bfloat16 import limit, limit_census, multiply, multiply_census
from consilico.hw.census import Batch, Census

__all__ = ["LATENCY", "RESULT", "ConSmaxPaper", "census"]

LATENCY = 3  # cycles
RESULT = ConSmaxConfig(output="fixed", fixed_width=8, fixed_fraction=8)


class ConSmaxPaper(wiring.Component):
    """Two tables of enabled flip-flops, a truncating bf16 multiplier and an INT8 converter.

    It has one lane and no mask, and it cannot stall: ``o.ready`` is ignored. It is a reference for
    area, path and energy only, so the catalogue does not list it.

    Members:
        i: In, INT8 scores.
        o: Out, unsigned 8-bit results with 8 fraction bits.
        cfg: In, table entries, 16 bits each.

    Source: arXiv 2402.10930, section IV, figure 4.
    """

    def __init__(self, config: PaperConfig) -> None:
        entry = {"value": unsigned(16), "nibble": unsigned(4), "table": unsigned(1)}
        super().__init__(
            {
                "i": In(stream.Signature(signed(8))),
                "o": Out(stream.Signature(unsigned(8))),
                "cfg": In(stream.Signature(data.StructLayout(entry))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += [self.i.ready.eq(1), self.cfg.ready.eq(1)]
        tables = [
            [Signal(16, name=f"table{table}_{index}", reset_less=True) for index in range(16)]
            for table in range(2)
        ]
        with m.If(self.cfg.valid), m.Switch(self.cfg.payload.table):
            for table, words in enumerate(tables):
                with m.Case(table):
                    m.d.sync += Array(words)[self.cfg.payload.nibble].eq(self.cfg.payload.value)
        valid = Signal(LATENCY)
        m.d.sync += valid.eq(valid << 1 | self.i.valid)
        score = Signal(8, reset_less=True)
        m.d.sync += score.eq(self.i.payload)
        entries = [Signal(16, name=f"entry{table}", reset_less=True) for table in range(2)]
        for table, nibble in enumerate((score[:4], score[4:])):
            m.d.sync += entries[table].eq(Array(tables[table])[nibble])
        product = limit(multiply(m, entries[1][:15], entries[0][:15], truncate=True))
        magnitude = Signal(15)
        m.d.comb += magnitude.eq(product)
        converted, _ = to_fixed(m, magnitude, RESULT)
        m.d.sync += self.o.payload.eq(converted)
        m.d.comb += self.o.valid.eq(valid[-1])
        return m


def census(c: Batch) -> Census:
    """Return the operators of :class:`ConSmaxPaper`, and its longest paths."""
    drivers = ("score",)
    made = Census()
    made.add("flop", 2 * 16 * 16)  # tables, which hold their value by multiplexers
    made.add("mux", 2 * 16 * 16)
    made.add("equal", 16 * 4)
    made.add("and_or", 2 * 2 * 16)  # which of them is written
    made.add("flop", 8 + 2 * 16, drivers)
    made.add("mux", 2 * 15 * 16, drivers)
    made.add("equal", 2 * 15 * 4, drivers)
    made.path(("equal", 4, 1), ("mux", 16, 4))
    multiplied, product = multiply_census(drivers, truncate=True)
    made.include(multiplied)
    made.include(limit_census(drivers))
    converted, fixed = to_fixed_census(RESULT.fixed_width, drivers)
    made.include(converted)
    made.path(*product, ("and_or", 1, 3), *fixed)
    made.add("flop", RESULT.fixed_width, drivers)
    made.add("and_or", RESULT.fixed_width, drivers)  # reset
    made.add("flop", LATENCY)
    made.add("and_or", LATENCY + 1 + LATENCY)
    return made
