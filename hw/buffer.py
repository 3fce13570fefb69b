"""Generate ``buffer``, a small memory of flip-flops or latches as a stream unit.

It serves as row buffer, table or weight store. Golden model: :mod:`consilico.golden.buffer`.
"""

from typing import Any

from amaranth import ClockSignal, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.buffer import BufferConfig
from consilico.hw.cells import gated_domain
from consilico.hw.parts import place
from consilico.hw.register_file import RegisterFile, select

__all__ = ["Buffer", "request_layout"]


def request_layout(config: BufferConfig) -> data.StructLayout:
    """Return the layout of a request.

    A request writes ``value`` if ``write`` is 1, and reads a word if ``read`` is 1.
    """
    return data.StructLayout(
        {
            "value": unsigned(config.bits),
            "write_address": range(config.words),
            "read_address": range(config.words),
            "write": 1,
            "read": 1,
        }
    )


class Buffer(wiring.Component):
    """Words with one write port and one read port, both of which work in every cycle.

    The read address is registered and the word follows in the next cycle: latency 1, throughput one
    request per cycle. A request must not read the word that it writes, because a latch opens while
    that word is on its way out. Words have no reset.

    Members:
        i: In, a request (:func:`request_layout`).
        o: Out, the words read, in order; a request that does not read brings none.
    """

    def __init__(self, config: BufferConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(request_layout(config))),
                "o": Out(stream.Signature(unsigned(config.bits))),
            }
        )
        self.parts: dict[str, wiring.Component] = {
            "buffer_words": RegisterFile(config.words, config.bits, config.storage)
        }

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, request = self._config, self.i.payload
        taken, held = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~held | self.o.ready),
            taken.eq(self.i.valid & self.i.ready),
            self.o.valid.eq(held),
        ]
        with m.If(self.i.ready):
            m.d.sync += held.eq(self.i.valid & request.read)
        gated_domain(m, "reads", taken & request.read)
        address = Signal(range(config.words))
        m.d.reads += address.eq(request.read_address)
        name, part = next(iter(self.parts.items()))
        words = place(
            m, "store", name, part, clk=ClockSignal(), enable=taken & request.write,
            address=request.write_address, value=request.value,
        )["words"]  # fmt: skip
        listed = [words.word_select(index, config.bits) for index in range(config.words)]
        m.d.comb += self.o.payload.eq(select(m, listed, address))
        return m
