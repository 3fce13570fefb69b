"""A small register file: one write port, every word readable at once."""

from typing import Any

from amaranth import ClockSignal, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.cells import gated_domain, latch_word
from hw.parts import part_clock

__all__ = ["RegisterFile", "select"]


class RegisterFile(wiring.Component):
    """Words of flip-flops behind a clock gate each, or of latches; there is no reset.

    A word written in one cycle can be read from the next on. Latches take about 0.6 of the area
    of flip-flops. They open in the low phase of the cycle after the write, when address and value
    have settled, and close at its end, when registers have sampled the words: what reads them has
    half a cycle, and neither edge races.

    Args:
        depth: Number of words.
        width: Bits of a word.
        storage: ``"flop"`` or ``"latch"``.

    Members:
        clk: In, clock.
        enable, address, value: In, the write port.
        words: Out, all words, word 0 lowest.
    """

    def __init__(self, depth: int, width: int, storage: str) -> None:
        self._depth, self._width, self._storage = depth, width, storage
        super().__init__(
            {
                "clk": In(1),
                "enable": In(1),
                "address": In(range(depth)),
                "value": In(width),
                "words": Out(depth * width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "sync", self.clk)
        words = [self.words.word_select(index, self._width) for index in range(self._depth)]
        if self._storage == "flop":
            for index, word in enumerate(words):
                gated_domain(m, f"word{index}", self.enable & (self.address == index))
                held = Signal(self._width, name=f"held{index}")
                m.d[f"word{index}"] += held.eq(self.value)
                m.d.comb += word.eq(held)
            return m
        address, value = Signal.like(self.address), Signal.like(self.value)
        gated_domain(m, "capture", self.enable)
        m.d.capture += [address.eq(self.address), value.eq(self.value)]
        write, pulse = Signal(), Signal()
        m.d.sync += write.eq(self.enable)
        m.d.comb += pulse.eq(write & ~ClockSignal())
        for index, word in enumerate(words):
            latch = latch_word(m, f"word{index}", pulse & (address == index), value)
            m.d.comb += word.eq(latch)
        return m


def select(m: Module, words: list[Value], address: Value) -> Signal:
    """``words[address]`` as AND-OR of a decoded address: small and quick in standard cells."""
    decoded = Signal(len(words))
    m.d.comb += decoded.eq(1 << address)
    chosen = Signal(len(words[0]))
    terms = [word & decoded[index].replicate(len(word)) for index, word in enumerate(words)]
    while len(terms) > 1:
        terms = [
            terms[index] | terms[index + 1] if index + 1 < len(terms) else terms[index]
            for index in range(0, len(terms), 2)
        ]
    m.d.comb += chosen.eq(terms[0])
    return chosen
