"""Generate ``consmax/split``: a product of bf16 table entries.

Golden model: :mod:`consilico.golden.attention.consmax_split`.
"""

from typing import Any

from amaranth import Cat, ClockSignal, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.attention.consmax_split import SplitConfig
from consilico.hw.attention.consmax import (
    Finish,
    LaneResult,
    finish,
    finish_census,
    finish_stages,
    unit_signature,
)
from consilico.hw.bfloat16 import Product, limit, limit_census, multiply, multiply_census
from consilico.hw.cells import gated_domain
from consilico.hw.census import Batch, Census
from consilico.hw.parts import part_clock, place
from consilico.hw.pipeline import Pipeline, pipeline_census
from consilico.hw.register_file import RegisterFile, register_file_census, select, select_census

__all__ = ["ConSmaxSplit", "SplitLane", "SplitPair", "census", "constants_layout", "latency"]


def latency(config: SplitConfig) -> int:
    """Return the cycles from the input to the output handshake when nothing stalls."""
    return 1 + config.table_sets + finish_stages(config)


def constants_layout(config: SplitConfig) -> data.StructLayout:
    """Return the layout of one beat of constants: an entry of a table, a bf16 magnitude.

    With INT16 scores every beat also says whether scores are wide from now on.
    """
    fields = {
        "value": unsigned(15),
        "nibble": unsigned(4),
        "table": unsigned(config.table_sets),  # the lowest nibble has table 0
    }
    return data.StructLayout(fields | ({"wide": 1} if config.table_sets == 2 else {}))


class ConSmaxSplit(wiring.Component):
    """Unit that computes ``C * exp(scale * s)`` as a product of table entries, one per nibble.

    Its stages are: scores; table entries; product; with INT16 scores, product of a pair of lanes;
    with fixed output, conversion. Throughput is ``lanes`` INT8 results per cycle, or half as many
    INT16 results. All lanes share the tables. The operands of a masked lane hold still.

    Members:
        i: In, a beat of scores with mask bits, :func:`consilico.hw.attention.consmax.score_layout`.
        o: Out, results and flags, :func:`consilico.hw.attention.consmax.result_layout`.
        cfg: In, table entries (:func:`constants_layout`). They hold for scores accepted in the same
            cycle and later. A reset keeps them.

    Source: the bitwidth-split unit of arXiv 2402.10930, section IV.
    """

    def __init__(self, config: SplitConfig) -> None:
        self._config = config
        super().__init__(unit_signature(config, constants_layout(config)))
        self.parts: dict[str, wiring.Component] = {
            "consmax_split_lane": SplitLane(),
            "consmax_split_finish": Finish(config),
            "consmax_split_table": RegisterFile(16, 15, config.storage),
        }
        if config.table_sets == 2:
            self.parts["consmax_split_pair"] = SplitPair()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        pipeline = Pipeline(m, self.i, self.o, latency(config))
        m.d.comb += self.cfg.ready.eq(pipeline.free(0))
        lane, last, table, *pair = self.parts.items()
        tables = self._tables(m, table)
        lanes = []
        for index in range(config.lanes):
            score = self.i.payload[index]
            lower, upper = tables[index % config.table_sets]
            # In wide mode the even lane's mask bit masks the pair and the odd lane's bit means
            # nothing, so an odd lane never rests.
            rests = Const(int(config.table_sets == 1 or index % 2 == 0), 1)
            done = place(
                m, f"lane{index}", *lane,
                clk=ClockSignal(), stage1_clk=ClockSignal("stage1"),
                advance=pipeline.advance, valid=self.i.valid, valid0=pipeline.valid[0],
                score=score.score.as_unsigned(), mask=score.mask, rests=rests,
                lower_table=lower, upper_table=upper,
            )  # fmt: skip
            product = Product(done["bits"], done["underflow"], done["overflow"])
            lanes.append(LaneResult(product, done["late_mask"]))
        if pair:
            lanes = self._pairs(m, *pair[0], lanes)
        finish(m, 1 + config.table_sets, config, *last, lanes, self.o.payload)
        return m

    def _tables(self, m: Module, part: tuple[str, wiring.Component]) -> list[tuple[Value, Value]]:
        """Return all words of the lower and of the upper nibble's table, for each set of tables."""
        write = self.cfg.valid & self.cfg.ready
        words = [
            place(
                m, f"table{index}", *part, clk=ClockSignal(),
                enable=write & (self.cfg.payload.table == index),
                address=self.cfg.payload.nibble, value=self.cfg.payload.value,
            )["words"]
            for index in range(2 * self._config.table_sets)
        ]  # fmt: skip
        return list(zip(words[0::2], words[1::2], strict=True))

    def _pairs(
        self, m: Module, module: str, part: wiring.Component, lanes: list[LaneResult]
    ) -> list[LaneResult]:
        """Join pairs of lanes for INT16 scores, in wide mode, after the registers of stage 2."""
        wide = [Signal(name=f"wide{stage}") for stage in range(3)]
        gated_domain(m, "mode", self.cfg.valid & self.cfg.ready)
        m.d.mode += wide[0].eq(self.cfg.payload.wide)
        m.d.stage1 += wide[1].eq(wide[0])  # the score in stage 0 uses the mode now in force
        m.d.stage2 += wide[2].eq(wide[1])
        joined = []
        for index, (even, odd) in enumerate(zip(lanes[0::2], lanes[1::2], strict=True)):
            inputs = {
                f"{side}_{name}": value
                for side, lane in (("even", even), ("odd", odd))
                for name, value in (*lane.product._asdict().items(), ("mask", lane.mask))
            }
            clock = ClockSignal("stage2")
            done = place(m, f"pair{index}", module, part, clk=clock, wide=wide[2], **inputs)
            for side in ("even", "odd"):
                fields = (done[f"{side}_out_{name}"] for name in Product._fields)
                joined.append(LaneResult(Product(*fields), done[f"{side}_out_mask"]))
        return joined


class SplitLane(wiring.Component):
    """One INT8 lane up to its product, which leaves from the registers of stage 1.

    Members:
        clk: In, clock of the unit.
        stage1_clk: In, gated clock of stage 1.
        advance, valid, valid0: In, whether the pipeline moves, whether the incoming beat is valid,
            and whether the beat in stage 0 is.
        score, mask: In, the lane's part of the incoming beat.
        rests: In, constant: whether the operands hold still for a masked score.
        lower_table, upper_table: In, all words of the nibbles' tables.
        bits, underflow, overflow: Out, the product, see :class:`consilico.hw.bfloat16.Product`.
        late_mask: Out, the product's mask bit.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "clk": In(1),
                "stage1_clk": In(1),
                "advance": In(1),
                "valid": In(1),
                "valid0": In(1),
                "score": In(8),
                "mask": In(1),
                "rests": In(1),
                "lower_table": In(16 * 15),
                "upper_table": In(16 * 15),
                "bits": Out(15),
                "underflow": Out(1),
                "overflow": Out(1),
                "late_mask": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "sync", self.clk)
        part_clock(m, "stage1", self.stage1_clk)
        held, mask = Signal(8), Signal()
        gated_domain(m, "taken", self.advance & self.valid & ~(self.mask & self.rests))
        m.d.taken += held.eq(self.score)
        with m.If(self.advance):
            m.d.sync += mask.eq(self.mask)
        m.d.stage1 += self.late_mask.eq(mask)
        looked_up = self.advance & self.valid0 & ~(mask & self.rests)
        entries = []
        for name, table, nibble in (
            ("lower", self.lower_table, held[:4]),
            ("upper", self.upper_table, held[4:]),
        ):
            words = [table.word_select(index, 15) for index in range(16)]
            entry = Signal(15, name=name)
            # a gate for each entry drives its registers without a clock buffer between
            gated_domain(m, f"{name}_entry", looked_up)
            m.d[f"{name}_entry"] += entry.eq(select(m, words, nibble))
            entries.append(entry)
        product = multiply(m, entries[1], entries[0])
        m.d.comb += [
            self.bits.eq(product.bits),
            self.underflow.eq(product.underflow),
            self.overflow.eq(product.overflow),
        ]
        return m


class SplitPair(wiring.Component):
    """Two lanes, registered; in wide mode the even lane delivers the product of both.

    Members:
        clk: In, gated clock of stage 2.
        wide: In, whether the beat after the registers holds INT16 scores.
        even_*, odd_*: In, the lanes' products and mask bits.
        even_out_*, odd_out_*: Out, what the lanes deliver; the odd lane is masked in wide mode.
    """

    def __init__(self) -> None:
        fields = {"bits": 15, "underflow": 1, "overflow": 1, "mask": 1}
        members = {"clk": In(1), "wide": In(1)}
        for side in ("even", "odd"):
            members |= {f"{side}_{name}": In(width) for name, width in fields.items()}
            members |= {f"{side}_out_{name}": Out(width) for name, width in fields.items()}
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "stage2", self.clk)
        held = {}
        for side in ("even", "odd"):
            port = {name: getattr(self, f"{side}_{name}") for name in Product._fields}
            bits, flags = Signal(15, name=f"{side}_product"), Signal(3, name=f"{side}_flags")
            m.d.stage2 += [
                bits.eq(limit(Product(**port))),
                flags.eq(Cat(port["underflow"], port["overflow"], getattr(self, f"{side}_mask"))),
            ]
            held[side] = LaneResult(Product(bits, flags[0], flags[1]), flags[2])
        even, odd = held["even"].product, held["odd"].product
        joint = multiply(m, even.bits, odd.bits)
        over = ~joint.underflow & (joint.overflow | even.overflow | odd.overflow)
        m.d.comb += [
            self.even_out_bits.eq(Mux(self.wide, joint.bits, even.bits)),
            self.even_out_underflow.eq(Mux(self.wide, joint.underflow, even.underflow)),
            self.even_out_overflow.eq(Mux(self.wide, over, even.overflow)),
            self.even_out_mask.eq(held["even"].mask),
            self.odd_out_bits.eq(odd.bits),
            self.odd_out_underflow.eq(odd.underflow),
            self.odd_out_overflow.eq(odd.overflow),
            self.odd_out_mask.eq(held["odd"].mask | self.wide),
        ]
        return m


def census(c: Batch) -> Census:
    """Return the operators of :class:`ConSmaxSplit`, and its longest paths."""
    drivers, wide = ("score",), c.scores == "int16"
    made = pipeline_census(c.of(latency))
    made.include(register_file_census(16, 15, c.storage, rate=0, files=2 * c.table_sets))
    made.add("and_or", 2 + 2 * c.table_sets)
    made.add("and_or", 1)  # all lanes ask whether a beat comes

    # stage 0 and 1: table entries
    lane = Census()
    lane.add("clock_gate", 3)
    lane.add("and_or", 4, drivers)
    lane.add("mux", 1, drivers)
    lane.add("flop", 8 + 1 + 1 + 2 * 15, drivers)
    entry, chosen = select_census(16, 15, drivers)
    lane.include(entry, 2)
    # a latch opens half a cycle before: the way from it to an entry is the shorter one
    made.path(*chosen)
    # stage 2: their product
    multiplied, product = multiply_census(drivers)
    lane.include(multiplied)
    made.include(lane, c.lanes)
    finished, paths = finish_census(c)
    made.include(finished)
    for path in paths[1:]:
        made.path(*path)
    if not wide:
        made.path(*product, *paths[0])
        return made

    # stage 3: product of two lanes
    made.add("equal", 3 * 2)  # which table a word is for
    made.add("and_or", 1)
    made.add("clock_gate", 1)
    made.add("flop", 3)
    pair = Census()
    pair.include(limit_census(drivers), 2)
    pair.add("flop", 2 * (15 + 3), drivers)
    pair.include(multiplied)
    pair.add("and_or", 3 + 1, drivers)
    pair.add("mux", 15 + 2, drivers)
    made.include(pair, c.lanes // 2)
    made.path(*product, ("and_or", 1, 3))
    made.path(*product, ("and_or", 1, 2), ("mux", 15, 1), *paths[0])
    return made
