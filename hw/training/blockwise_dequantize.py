"""Generate ``training/blockwise_dequantize``: 8-bit codes to bf16 optimizer states.

Golden model: :mod:`consilico.golden.training.blockwise_dequantize`.
"""

from typing import Any

from amaranth import Array, C, Cat, ClockSignal, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.training.blockwise_dequantize import BlockwiseDequantizeConfig
from consilico.golden.training.dynamic_code import magnitude_bits
from consilico.hw.bfloat16 import limit, limit_census, multiply, multiply_census
from consilico.hw.cells import gated_domain
from consilico.hw.census import Batch, Census, table_size
from consilico.hw.parts import part_clock, place
from consilico.hw.pipeline import Pipeline, pipeline_census

__all__ = ["BlockwiseDequantize", "BlockwiseDequantizeLane", "census", "latency"]

_HIGH = 3  # upper three exponent bits of all magnitudes but 0: exponents are 97 to 127


def latency(config: BlockwiseDequantizeConfig) -> int:
    """Return the cycles from the input to the output handshake when nothing stalls."""
    return 2


class BlockwiseDequantize(wiring.Component):
    """Unit that multiplies the values of codes by the absolute maximum of their block.

    The stages are: table of the code book in bf16; product. Throughput is ``lanes`` states per
    cycle.

    Members:
        i: In, a beat of codes.
        o: Out, a beat of states, bf16.
        cfg: In, absolute maximum of the block, bf16 and not negative (its sign bit is ignored). It
            holds for codes accepted in the same cycle and later. A reset keeps it.
    """

    def __init__(self, config: BlockwiseDequantizeConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(unsigned(8), config.lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(unsigned(16), config.lanes))),
                "cfg": In(stream.Signature(unsigned(16))),
            }
        )
        self.parts: dict[str, wiring.Component] = {
            "dequantize_lane": BlockwiseDequantizeLane(config)
        }

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pipeline = Pipeline(m, self.i, self.o, latency(self._config))
        gated_domain(m, "stage0", pipeline.advance & self.i.valid)
        m.d.comb += self.cfg.ready.eq(pipeline.free(0))
        gated_domain(m, "constants", self.cfg.valid & self.cfg.ready)
        absmax = Signal(15)
        m.d.constants += absmax.eq(self.cfg.payload)
        ((name, part),) = self.parts.items()
        for index in range(self._config.lanes):
            lane = place(
                m, f"lane{index}", name, part,
                stage0_clk=ClockSignal("stage0"), stage1_clk=ClockSignal("stage1"),
                code=self.i.payload[index], absmax=absmax,
            )  # fmt: skip
            m.d.comb += self.o.payload[index].eq(lane["state"])
        return m


class BlockwiseDequantizeLane(wiring.Component):
    """One lane, which turns an 8-bit code into a bf16 number.

    Members:
        stage0_clk, stage1_clk: In, gated clocks of the stages.
        code: In, the lane's part of the incoming beat.
        absmax: In, magnitude bits of the absolute maximum.
        state: Out, registered.
    """

    def __init__(self, config: BlockwiseDequantizeConfig) -> None:
        self._config = config
        super().__init__(
            {
                "stage0_clk": In(1),
                "stage1_clk": In(1),
                "code": In(8),
                "absmax": In(15),
                "state": Out(16),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "stage0", self.stage0_clk)
        part_clock(m, "stage1", self.stage1_clk)
        entries = _entries(signed=self._config.signed)
        index, negative = Signal(8), Signal()
        if self._config.signed:
            # code 127 is zero; the index of a lower code is 127 minus the code
            m.d.comb += negative.eq(~self.code[7])
            m.d.comb += index.eq((self.code[:7] ^ negative.replicate(7)) + self.code[7])
        else:
            m.d.comb += index.eq(self.code)
        entry, sign = Signal(12), Signal()
        m.d.stage0 += [
            entry.eq(Array(C(value, 12) for value in entries)[index]),
            sign.eq(negative),
        ]
        exponent = Cat(entry[7:], entry[7:].any().replicate(2), C(0, 1))
        magnitude = limit(multiply(m, Cat(entry[:7], exponent), self.absmax))
        m.d.stage1 += self.state.eq(Cat(magnitude, sign & magnitude.any()))
        return m


def _entries(*, signed: bool) -> list[int]:
    """Return the code book by index, shortened and padded with zeros to 256 entries.

    Past the end of a shorter table simulators differ.
    """
    entries = [_short(bits) for bits in magnitude_bits(signed=signed)]
    return entries + [0] * (256 - len(entries))


def _short(bits: int) -> int:
    """Return magnitude bits without the exponent's upper bits, which follow from the others."""
    if bits and bits >> 12 != _HIGH:
        raise AssertionError(f"{bits:#x} is outside the binades of the code book")
    return bits & 0xFFF


def census(c: Batch) -> Census:
    """Return the operators of :class:`BlockwiseDequantize`, and its longest paths."""
    drivers, book = ("payload",), c.code == "signed"
    made = pipeline_census(2)
    made.add("and_or", 3)
    made.add("clock_gate", 2)
    made.add("flop", 15, rate=0)  # absolute maximum
    made.add("and_or", 7)  # whether it is 0
    # stage 0: value of the code
    lane = Census()
    if book:
        lane.add("xor", 7, drivers)
        lane.add("increment", 8, drivers)
    lane.add("table", table_size(tuple(_entries(signed=book))), drivers)
    lane.add("flop", 12 + book, drivers)
    made.path(("xor", 1, 1), ("increment", 8, 1), ("table", 256, 1))
    # stage 1: its product with the absolute maximum
    multiplied, product = multiply_census(drivers, zeros=1)
    lane.include(multiplied)
    lane.add("and_or", 4, drivers)  # upper bits of the exponent
    lane.include(limit_census(drivers))
    lane.add("and_or", 14 + book, drivers)  # sign, unless it is zero
    lane.add("flop", 16, drivers)
    made.include(lane, c.lanes)
    made.path(*product, ("and_or", 1, 3 + 5))
    return made
