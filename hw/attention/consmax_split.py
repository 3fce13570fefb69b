"""ConSmax, ``split`` architecture. Golden model: :mod:`golden.attention.consmax_split`."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring

from golden.attention.config import SplitConfig
from hw.attention.ports import finish, finish_stages, unit_signature
from hw.bfloat16 import Product, limit, multiply
from hw.cells import gated_domain
from hw.pipeline import Pipeline
from hw.register_file import RegisterFile, select

__all__ = ["ConSmaxSplit", "constants_layout", "latency"]


def latency(config: SplitConfig) -> int:
    """Cycles from the input to the output handshake when nothing stalls."""
    return 1 + config.table_sets + finish_stages(config)


def constants_layout(config: SplitConfig) -> data.StructLayout:
    """One beat of the configuration port: an entry of a table (magnitude of a bf16 number).

    With INT16 scores every beat also says whether scores are wide from now on.
    """
    fields = {
        "value": unsigned(15),
        "nibble": unsigned(4),
        "table": unsigned(config.table_sets),  # lowest nibble's table is 0
    }
    return data.StructLayout(fields | ({"wide": 1} if config.table_sets == 2 else {}))


class ConSmaxSplit(wiring.Component):
    """``C exp(scale * s)`` as a product of table entries, one table a nibble of ``s``.

    Stages: scores; table entries; product; with INT16 scores, product of a pair of lanes; with
    fixed output, conversion. Throughput ``lanes`` INT8 results a cycle, or half as many INT16
    results. The tables are shared by all lanes. A masked lane's operands hold still.

    Members:
        i: In, a beat of scores with mask bits (:func:`hw.attention.ports.score_layout`).
        o: Out, results and flags (:func:`hw.attention.ports.result_layout`).
        cfg: In, table entries (:func:`constants_layout`); hold for scores accepted in the same
            cycle and later. Reset keeps them.

    Source: the bitwidth-split unit of arXiv 2402.10930, section IV.
    """

    def __init__(self, config: SplitConfig) -> None:
        self._config = config
        super().__init__(unit_signature(config, constants_layout(config)))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        pipeline = Pipeline(m, self.i, self.o, latency(config))
        m.d.comb += self.cfg.ready.eq(pipeline.free(0))
        tables = self._tables(m)

        products: list[tuple[Product, Value]] = []
        for lane in range(config.lanes):
            lower, upper = tables[lane % config.table_sets]
            products.append(self._lane(m, pipeline, lane, lower, upper))
        if config.table_sets == 2:
            products = self._pairs(m, products)
        finish(m, 1 + config.table_sets, config, products, self.o.payload)
        return m

    def _tables(self, m: Module) -> list[tuple[RegisterFile, RegisterFile]]:
        write = self.cfg.valid & self.cfg.ready
        tables = []
        for index in range(2 * self._config.table_sets):
            table = RegisterFile(16, 15, self._config.storage)
            m.submodules[f"table{index}"] = table
            m.d.comb += [
                table.enable.eq(write & (self.cfg.payload.table == index)),
                table.address.eq(self.cfg.payload.nibble),
                table.value.eq(self.cfg.payload.value),
            ]
            tables.append(table)
        return list(zip(tables[0::2], tables[1::2], strict=True))

    def _lane(
        self, m: Module, pipeline: Pipeline, lane: int, lower: RegisterFile, upper: RegisterFile
    ) -> tuple[Product, Value]:
        """One INT8 unit up to its product, after the registers of stage 1."""
        score = self.i.payload[lane]
        held = Signal(8, name=f"score{lane}")
        mask, late_mask = (
            Signal(name=f"mask{lane}", reset_less=True),
            Signal(name=f"late_mask{lane}"),
        )
        unmasked = ~score.mask
        if self._config.table_sets == 2 and lane % 2:
            # in wide mode the even lane's mask bit stands for the pair
            unmasked = Const(1, 1)
        gated_domain(m, f"lane{lane}", pipeline.advance & self.i.valid & unmasked)
        m.d[f"lane{lane}"] += held.eq(score.score)
        with m.If(pipeline.advance):
            m.d.sync += mask.eq(score.mask)
        m.d.stage1 += late_mask.eq(mask)
        hold = Const(0, 1) if self._config.table_sets == 2 and lane % 2 else mask
        gated_domain(m, f"entry{lane}", pipeline.advance & pipeline.valid[0] & ~hold)
        entries = []
        for name, table, nibble in (("lower", lower, held[:4]), ("upper", upper, held[4:])):
            entry = Signal(15, name=f"{name}{lane}")
            m.d[f"entry{lane}"] += entry.eq(select(m, list(table.words), nibble))
            entries.append(entry)
        return multiply(m, entries[1], entries[0]), late_mask

    def _pairs(
        self, m: Module, products: list[tuple[Product, Value]]
    ) -> list[tuple[Product, Value]]:
        """INT16 scores: multiply the results of a pair in wide mode, after stage 2's registers."""
        wide = [Signal(name=f"wide{stage}") for stage in range(3)]
        gated_domain(m, "mode", self.cfg.valid & self.cfg.ready)
        m.d.mode += wide[0].eq(self.cfg.payload.wide)
        m.d.stage1 += wide[1].eq(wide[0])  # the score in stage 0 uses the mode in force
        m.d.stage2 += wide[2].eq(wide[1])
        held: list[tuple[Product, Value]] = []
        for lane, (product, mask) in enumerate(products):
            bits, flags = Signal(15, name=f"product{lane}"), Signal(3, name=f"flags{lane}")
            m.d.stage2 += [
                bits.eq(limit(product)),
                flags.eq(Cat(product.underflow, product.overflow, mask)),
            ]
            held.append((Product(bits, flags[0], flags[1]), flags[2]))
        results = []
        for (even, even_mask), (odd, odd_mask) in zip(held[0::2], held[1::2], strict=True):
            joint = multiply(m, even.bits, odd.bits)
            over = ~joint.underflow & (joint.overflow | even.overflow | odd.overflow)
            merged = (
                Mux(wide[2], joint.bits, even.bits),
                Mux(wide[2], joint.underflow, even.underflow),
                Mux(wide[2], over, even.overflow),
            )
            results += [(Product(*merged), even_mask), (odd, odd_mask | wide[2])]
        return results
