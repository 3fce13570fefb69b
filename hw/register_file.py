"""Store words in flip-flops or latches: one write port, every word readable at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth import ClockSignal, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from consilico.hw.cells import gated_domain, latch_word
from consilico.hw.census import Census, Size, Step, bit_length
from consilico.hw.parts import part_clock

__all__ = ["RegisterFile", "register_file_census", "select", "select_census", "written_census"]


class RegisterFile(wiring.Component):
    """Words of flip-flops behind one clock gate each, or of latches; there is no reset.

    A word that is written in one cycle can be read from the next cycle on. Latches take about 0.6
    of the area of flip-flops. They open in the low phase of the cycle after the write, when address
    and value have settled: logic that reads a word in that cycle has half of it. They close at the
    edge at which address and value may change: that is a race, which a latch wins if the edge comes
    to it no later than the change does. Registers behind a clock gate and pulses of the clock are
    balanced by the clock tree, and hold at every latch is checked, and repaired, with the delays of
    that tree (:mod:`consilico.sim.silicon.layout.hold`).

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
    """Return ``words[address]``, built as AND-OR of a decoded address.

    This is small and quick in standard cells.

    Args:
        m: The module that gets the logic.
        words: Words of the same width.
        address: Index of a word.
    """
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


def written_census(
    depth: Size, width: Size, storage: str, drivers: Sequence[str] = (), *, rate: Size = 1
) -> Census:
    """Return words of flip-flops, each behind a clock gate, or of latches, and what writes one.

    Args:
        depth: Number of words.
        width: Bits of a word.
        storage: ``"flop"`` or ``"latch"``.
        drivers: What makes the values written toggle; none: they are constants.
        rate: Writes a cycle; each word takes its share.
    """
    census = _addressed_census(depth)
    census.include(_words_census(depth, width, storage, drivers, rate=rate))
    return census


def _addressed_census(depth: Size) -> Census:
    address = bit_length(np.asarray(depth) - 1)
    census = Census()
    # word 0 takes a NOR; with two words there is nothing to compare
    census.add("equal", (depth - 1) * address * (address > 1))
    census.add("and_or", np.maximum(0, address - 1))
    return census


def _words_census(
    depth: Size, width: Size, storage: str, drivers: Sequence[str] = (), *, rate: Size = 1
) -> Census:
    census = Census()
    census.add("and_or", depth)  # enables
    census.add(storage, depth * width, drivers, rate=rate / depth)
    if storage == "flop":
        census.add("clock_gate", depth)
    return census


def register_file_census(
    depth: Size,
    width: Size,
    storage: str,
    drivers: Sequence[str] = (),
    *,
    rate: Size = 1,
    files: Size = 1,
) -> Census:
    """Return the operators of :class:`RegisterFile`.

    Args:
        depth: Number of words.
        width: Bits of a word.
        storage: ``"flop"`` or ``"latch"``.
        drivers: What makes the values written toggle; none: they are constants.
        rate: Writes a cycle.
        files: Register files that share address and value.
    """
    census, address = Census(), bit_length(np.asarray(depth) - 1)
    census.include(_words_census(depth, width, storage, drivers, rate=rate), files)
    if storage == "flop":
        census.include(_addressed_census(depth))
        return census
    census.include(_addressed_census(depth), files)
    census.add("flop", address * files, rate=rate)
    census.add("flop", files)  # write
    census.add("flop", width * files, drivers, rate=rate)
    census.add("and_or", files)  # pulse
    census.add("clock_gate", files)
    return census


def select_census(
    words: Size, width: Size, drivers: Sequence[str], *, rate: Size = 1
) -> tuple[Census, tuple[Step, ...]]:
    """Return the operators of :func:`select` among words that rest, and its path from the address.

    Args:
        words: How many to choose from.
        width: Bits of a word.
        drivers: What makes the words differ, or the address toggle.
        rate: New addresses a cycle.
    """
    levels = bit_length(np.asarray(words) - 1)
    # a new address is seen by the gates of two words and those between them and the result
    seen = (2 * levels + 1) / (2 * words - 1)
    census = Census()
    census.add("decode", 2**levels * (levels > 0), drivers, rate=rate * seen)
    gates = (2 * words - 1) * (levels > 0)
    census.add("and_or", gates * width, drivers, rate=rate * seen)
    steps = (Step("decode", words, 1), Step("and_or", 1, 1 + levels))
    return census, steps
