"""Generate ``attention/key_buffer``: two banks of words, one filled key by key while one is read.

Golden model: :mod:`consilico.golden.attention.key_buffer`.
"""

from typing import Any

from amaranth import ClockSignal, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.attention.key_buffer import KeyBufferConfig
from consilico.hw.cells import gated_domain
from consilico.hw.parts import place
from consilico.hw.register_file import RegisterFile, select

__all__ = ["KeyBuffer", "latency"]

_WORDS = "attention_key_buffer_words"
_BYTE = 8


def latency(config: KeyBufferConfig) -> int:
    """Return the cycles from the last key of a block to its first beat, nothing stalling."""
    return 2


class KeyBuffer(wiring.Component):
    """Unit that gives the elements of blocks of keys, one element of all keys per beat.

    Throughput is a beat per cycle on either side: a block is filled while the one before it is
    read. A reset drops all keys.

    Members:
        i: In, ``key``, the elements of one, and ``last``, which ends a block that is not full.
        o: Out, an element of each key of a block.
    """

    def __init__(self, config: KeyBufferConfig) -> None:
        self._config = config
        key = data.ArrayLayout(signed(_BYTE), config.head_dim)
        self.parts: dict[str, wiring.Component] = {
            _WORDS: RegisterFile(config.columns, _BYTE * config.head_dim, config.storage)
        }
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({"key": key, "last": 1}))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(_BYTE), config.columns))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        columns, depth = self._config.columns, self._config.head_dim
        fills, reads = Signal(), Signal()  # the banks
        key, element = Signal(range(columns)), Signal(range(depth))
        full, takes, ends = Signal(2), Signal(), Signal()
        counts = [Signal(range(columns + 1), name=f"keys{bank}") for bank in range(2)]
        m.d.comb += [
            self.i.ready.eq(~full.bit_select(fills, 1)),
            takes.eq(self.i.valid & self.i.ready),
            ends.eq((key == columns - 1) | self.i.payload.last),
        ]
        with m.If(takes):
            m.d.sync += key.eq(Mux(ends, 0, key + 1))
            with m.If(ends):
                m.d.sync += fills.eq(~fills)
        banks = [self._bank(m, bank, takes & (fills == bank), key) for bank in range(2)]

        leaves, done = Signal(), Signal()
        free = ~self.o.valid | self.o.ready
        m.d.comb += [
            leaves.eq(full.bit_select(reads, 1) & free),
            done.eq(element == depth - 1),
        ]
        with m.If(free):
            m.d.sync += self.o.valid.eq(leaves)
        with m.If(leaves):
            m.d.sync += element.eq(Mux(done, 0, element + 1))
            with m.If(done):
                m.d.sync += reads.eq(~reads)
        for bank, count in enumerate(counts):
            filled = takes & ends & (fills == bank)
            with m.If(filled):
                m.d.sync += [full[bank].eq(1), count.eq(key + 1)]
            with m.If(leaves & done & (reads == bank)):
                m.d.sync += full[bank].eq(0)
        gated_domain(m, "delivers", leaves)
        for lane, result in enumerate(self.o.payload):
            chosen = [
                select(m, [word.word_select(at, _BYTE) for at in range(depth)], element)
                & (count > lane).replicate(_BYTE)
                for word, count in zip((bank[lane] for bank in banks), counts, strict=True)
            ]
            m.d.delivers += result.eq(Mux(reads, chosen[1], chosen[0]))
        return m

    def _bank(self, m: Module, bank: int, takes: Value, key: Value) -> list[Value]:
        """Place a bank of words, which keys are written to; return its words."""
        (part,) = self.parts.items()
        words = place(
            m, f"bank{bank}", *part, clk=ClockSignal(), enable=takes, address=key,
            value=self.i.payload.key.as_value(),
        )["words"]  # fmt: skip
        width = _BYTE * self._config.head_dim
        return [words.word_select(index, width) for index in range(self._config.columns)]
