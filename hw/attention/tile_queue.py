"""Queues of an attention tile: rows in latches, first in, first out."""

from typing import Any

from amaranth import ClockSignal, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.hw.parts import place
from consilico.hw.register_file import RegisterFile, select

__all__ = ["Queue"]


class Queue(wiring.Component):
    """Queue between two streams; what is taken in one cycle is offered from the next one on.

    A reset empties it.

    Args:
        part: Name of the Verilog module of its words, which :attr:`parts` has.
        depth: Number of words, at least 2.
        width: Bits of a word.

    Members:
        i: In, a word.
        o: Out, the word that has waited longest.
    """

    def __init__(self, part: str, depth: int, width: int) -> None:
        self._depth, self._width = depth, width
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(width))),
                "o": Out(stream.Signature(unsigned(width))),
            }
        )
        self.parts: dict[str, wiring.Component] = {part: RegisterFile(depth, width, "latch")}

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        depth, width = self._depth, self._width
        to, at = Signal(range(depth)), Signal(range(depth))
        level = Signal(range(depth + 1))
        takes, gives = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(level != depth),
            self.o.valid.eq(level != 0),
            takes.eq(self.i.valid & self.i.ready),
            gives.eq(self.o.valid & self.o.ready),
        ]
        with m.If(takes):
            m.d.sync += to.eq(Mux(to == depth - 1, 0, to + 1))
        with m.If(gives):
            m.d.sync += at.eq(Mux(at == depth - 1, 0, at + 1))
        with m.If(takes != gives):
            m.d.sync += level.eq(Mux(takes, level + 1, level - 1))
        (part,) = self.parts.items()
        words = place(
            m, "store", *part, clk=ClockSignal(), enable=takes, address=to, value=self.i.payload
        )["words"]
        listed = [words.word_select(index, width) for index in range(depth)]
        m.d.comb += self.o.payload.eq(select(m, listed, at))
        return m
