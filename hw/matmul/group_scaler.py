"""Scale the sums of groups and add them up, a few bits per cycle."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth import Cat, ClockSignal, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.group_dot import SUM
from consilico.hw.arith import BoothDigit, Columns, ColumnsCensus, booth_census, booth_digits
from consilico.hw.cells import gated_domain, latch_word
from consilico.hw.census import Census, Size, Step, bit_length
from consilico.hw.register_file import select, select_census, written_census

__all__ = ["GroupScaler", "scaler_census", "total_layout"]


def total_layout() -> data.StructLayout:
    """Return the layout of a result: the sum, and ``overflow``.

    ``overflow`` says that a partial sum or a scale was out of range.
    """
    return data.StructLayout({"sum": signed(SUM), "overflow": 1})


class GroupScaler(wiring.Component):
    """Serial multiply-accumulate ``sum += group sum * scale``, lowest bits first.

    The sum rotates once: a slice of it leaves at the bottom, a slice of the product is added to it,
    and it comes back at the top. So there is one short adder, and no multiplexer in front of the
    sum. Throughput is one group in ``SUM / slice_width`` cycles, all of which need the scale. With
    several sums, which are kept in latches meanwhile, a group takes one more cycle.

    Args:
        group_width: Bits of a group's sum.
        multiplier_width: Bits of the magnitude of a scale.
        slice_width: Bits scaled per cycle; it divides ``SUM``.
        sums: Number of sums that take turns, group by group.
        announces: Whether there is a port ``final``.

    Members:
        i: In, a group's sum.
        end: In, with ``i``: the group is the last of a sum, for all sums that take turns.
        multiplier, negative, over: In, magnitude and sign of the group's scale and whether the
            scale is out of range. They must hold while slots of the group remain.
        index: Out, which of the sums this group, or the next one if there is none, belongs to.
        final: Out, the last slot of a group is done in this cycle.
        o: Out, :func:`total_layout`.
    """

    def __init__(
        self,
        group_width: int,
        multiplier_width: int,
        slice_width: int,
        sums: int = 1,
        *,
        announces: bool = False,
    ) -> None:
        self._slice_width, self._sums, self._announces = slice_width, sums, announces
        super().__init__(
            {
                "i": In(stream.Signature(signed(group_width))),
                "end": In(1),
                "multiplier": In(multiplier_width),
                "negative": In(1),
                "over": In(1),
                "index": Out(range(sums)),
                **({"final": Out(1)} if announces else {}),
                "o": Out(stream.Signature(total_layout())),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width, slots = self._slice_width, SUM // self._slice_width
        busy, done, runs, takes = Signal(), Signal(), Signal(), Signal()
        slot = Signal(range(slots))
        first, final = Signal(), Signal()
        frozen = done & ~self.o.ready  # a further turn would spoil the result
        m.d.comb += [
            self.o.valid.eq(done),
            runs.eq(busy & ~frozen),
            first.eq(slot == 0),
            final.eq(slot == slots - 1),
            # with several sums, one is stored before the next one is fetched
            self.i.ready.eq(~frozen & (~busy | (final if self._sums == 1 else 0))),
            takes.eq(self.i.valid & self.i.ready),
        ]
        if self._announces:
            m.d.comb += self.final.eq(runs & final)
        end, fresh = Signal(), Signal(init=1)
        with m.If(~frozen):
            m.d.sync += [done.eq(runs & final & end), busy.eq(takes | (busy & ~final))]
        with m.If(runs):
            m.d.sync += slot.eq(slot + 1)
            with m.If(final):
                m.d.sync += self.index.eq(Mux(self.index == self._sums - 1, 0, self.index + 1))
                with m.If(self.index == self._sums - 1):
                    m.d.sync += fresh.eq(end)
        gated_domain(m, "begins", takes)
        gated_domain(m, "moves", takes | runs)
        gated_domain(m, "turns", runs)
        m.d.begins += end.eq(self.end)

        rest = Signal.like(self.i.payload)
        m.d.moves += rest.eq(Mux(takes, self.i.payload, rest >> width))
        columns = Columns(width + len(self.multiplier) + 1)
        carried, below = Signal(signed(len(self.multiplier) + 1)), Signal()
        columns.add_signed(0, carried.as_unsigned() & (~first).replicate(len(carried)))
        digits = _digits(_extended(rest, width), below & ~first, self.negative)
        multiples = [self.multiplier, Cat(Const(0, 1), self.multiplier)]
        columns.add_product(m, digits, multiples, signed=False)
        total = Signal(SUM)
        before = total[:width] & (~fresh).replicate(width)
        columns.add(0, before)
        exact = Signal(len(carried) + width)
        m.d.comb += exact.eq(sum(columns.rows(m)))
        m.d.turns += [
            carried.eq(exact[width:]),
            below.eq(_extended(rest, width)[-1]),
        ]

        # the sign bit of the sum was added as if it counted positive
        high, sign = exact[width:].as_signed(), exact[width - 1]
        overflow = Signal()
        turned = Cat(
            Cat(total, exact[:width])[width:],
            (overflow & ~(first & fresh))
            | (first & self.over)
            | (final & (high != before[-1] - sign)),
        )
        kept = Cat(total, overflow)
        m.d.comb += self.o.payload.eq(kept)
        if self._sums == 1:
            m.d.turns += kept.eq(turned)
        else:
            m.d.moves += kept.eq(Mux(takes, self._stored(m, kept, runs & final), turned))
        return m

    def _stored(self, m: Module, kept: Value, complete: Value) -> Value:
        """Return the sum whose turn is next; a sum is stored in the cycle after it is complete."""
        stores, index = Signal(), Signal.like(self.index, name="stored_index")
        m.d.sync += stores.eq(complete)
        m.d.turns += index.eq(self.index)
        pulse = Signal()
        m.d.comb += pulse.eq(stores & ~ClockSignal())
        words: list[Value] = [
            latch_word(m, f"sum{number}", pulse & (index == number), kept)
            for number in range(self._sums)
        ]
        return select(m, words, self.index)


def _extended(value: Value, width: int) -> Value:
    """Return the ``width`` lowest bits of a signed value."""
    return Cat(value, value[-1].replicate(max(0, width - len(value))))[:width]


def _digits(multiplier: Value, below: Value, negative: Value) -> list[BoothDigit]:
    """Return the Booth digits of a slice of a number.

    A digit of 0 may be marked negative: its row is then 0 less 0.

    Args:
        multiplier: The slice.
        below: Highest bit of the slice before.
        negative: Whether the product is to be negated.
    """
    widths = (1, *(2,) * (len(multiplier) // 2))
    return [
        digit._replace(weight=digit.weight - 1, negative=digit.negative ^ negative)
        for digit in booth_digits(Cat(below, multiplier), widths)[1:]
    ]


def scaler_census(
    group_width: Size,
    multiplier_width: Size,
    slice_width: Size,
    sums: Size,
    drivers: Sequence[str],
    *,
    groups: Size,
) -> tuple[Census, tuple[Step, ...]]:
    """Return the operators of :class:`GroupScaler`, and its longest path.

    Args:
        group_width: Bits of a group's sum.
        multiplier_width: Bits of the magnitude of a scale.
        slice_width: Bits scaled in a cycle.
        sums: Sums that take turns.
        drivers: What makes the groups' sums toggle.
        groups: Groups a cycle.
    """
    made = Census()
    slots = SUM // slice_width
    position, several = bit_length(slots - 1), np.asarray(sums) > 1
    # nothing is carried where one slot is all
    carried, carries, runs = multiplier_width + 1, slots > 1, groups * slots
    # control, and bits around the sum
    made.add("clock_gate", 3)
    made.add("equal", position * (position > 1))
    made.add("increment", (position + 1) * (position > 0) + 2)
    made.add("and_or", position + np.maximum(0, position - 1) + 21 - several)
    made.add("mux", position + 3)
    made.add("flop", position + 5)

    # a slice of the group's sum times the scale, and a slice of the sum
    made.add("mux", group_width, drivers, rate=runs)
    made.add("flop", group_width, drivers, rate=runs)
    columns = ColumnsCensus(carried + slice_width)
    columns.add_signed(0, carried, carries)
    digits = slice_width // 2
    different = np.minimum(digits, (group_width + 1) // 2 + 1)  # the others repeat the sign
    for digit in range(SUM // 2):
        place, repeated = 2 * digit, (digit < digits) & (digit >= different)
        columns.add_product(place, carried, 2, drivers, signed=False, times=digit < different)
        columns.add(place, carried, repeated)
        columns.subtract(place + carried, repeated)
        columns.add(place, 1, repeated)
    columns.add(0, slice_width)
    product, reduced = columns.rows(drivers)
    product.include(booth_census((2,), drivers), different)
    product.add("xor", different, drivers)
    product.add("and_or", carried * carries + slice_width, drivers)
    product.add("add", carried + slice_width + 2, drivers)
    product.add("equal", carried, drivers)
    product.add("flop", (carried + 1) * carries + SUM, drivers)
    made.include(product, rate=runs)

    # sums that take turns
    index = bit_length(np.asarray(sums) - 1)
    turns = Census()
    turns.add("equal", index * (index > 1))
    turns.add("increment", index + 1)
    turns.add("and_or", 2 * index + 1 + 4)
    turns.add("mux", index)
    turns.add("flop", 2 * index + 1)
    turns.include(written_census(sums, SUM + 1, "latch", drivers, rate=groups))
    turns.include(select_census(sums, SUM + 1, drivers, rate=groups)[0])
    turns.add("mux", SUM + 1, drivers, rate=runs)
    made.include(turns, several)
    steps = (("lookup", 8, 1), ("and_or", 1, 2), ("xor", 1, 1))
    ends = (("add", carried + slice_width + 2, 1), ("equal", carried, 1), ("and_or", 1, 2))
    return made, (*(Step(*step) for step in steps), *reduced, *(Step(*step) for step in ends))
