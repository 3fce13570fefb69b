"""A small register file: one write port, every word readable at once."""

from typing import Any

from amaranth import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.cells import gated_domain, latch_word

__all__ = ["RegisterFile", "select"]


class RegisterFile(wiring.Component):
    """Words of flip-flops or latches behind a clock gate each; contents survive reset.

    A word written in one cycle can be read from the next on. Latches take about 0.6 of the area
    of flip-flops; they open in the first half of the cycle after the write, so the path from them
    starts there.

    Args:
        depth: Number of words.
        width: Bits of a word.
        storage: ``"flop"`` or ``"latch"``.

    Members:
        enable, address, value: In, the write port.
        words: Out, all words.
    """

    def __init__(self, depth: int, width: int, storage: str) -> None:
        self._depth, self._width, self._storage = depth, width, storage
        super().__init__(
            {
                "enable": In(1),
                "address": In(range(depth)),
                "value": In(width),
                "words": Out(width).array(depth),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if self._storage == "latch":
            # the latches are open while the writer may already show its next word
            gated_domain(m, "capture", self.enable)
            held = Signal(self._width)
            m.d.capture += held.eq(self.value)
        for index, word in enumerate(self.words):
            gate = gated_domain(m, f"word{index}", self.enable & (self.address == index))
            if self._storage == "latch":
                m.d.comb += word.eq(latch_word(m, f"word{index}", gate, held))
            else:
                m.d[f"word{index}"] += word.eq(self.value)
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
