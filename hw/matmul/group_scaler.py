"""Scales group sums and adds them up, some bits a cycle."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.matmul.group_config import SUM, GroupDotConfig
from hw.arith import BoothDigit, Columns, booth_digits
from hw.cells import gated_domain

__all__ = ["GroupScaler", "result_layout"]


def result_layout() -> data.StructLayout:
    """Payload of a result: the sum, and whether a partial sum or a scale was out of range."""
    return data.StructLayout({"sum": signed(SUM), "overflow": 1})


class GroupScaler(wiring.Component):
    """``sum += group sum * scale``, lowest bits first.

    The sum turns once around: a slice of it leaves at the bottom, a slice of the product is added,
    and it comes back at the top. So there is one short adder, and no multiplexer in front of the
    sum. Throughput a group in ``config.slots`` cycles, :attr:`slots` of which need the scale.

    Members:
        i: In, a group's sum.
        end: In, with ``i``: the group is the last of a sum.
        multiplier, over: In, its scale and whether that is out of range, while slots of it remain.
        o: Out, :func:`result_layout`.
    """

    def __init__(self, config: GroupDotConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(signed(config.group_width))),
                "end": In(1),
                "multiplier": In(config.multiplier_width),
                "over": In(1),
                "o": Out(stream.Signature(result_layout())),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        width, slots = config.slice_width, config.slots
        busy, done, runs, takes = Signal(), Signal(), Signal(), Signal()
        slot = Signal(range(slots))
        first, final = Signal(), Signal()
        frozen = done & ~self.o.ready  # the result would turn on
        m.d.comb += [
            self.o.valid.eq(done),
            runs.eq(busy & ~frozen),
            first.eq(slot == 0),
            final.eq(slot == slots - 1),
            self.i.ready.eq(~frozen & (~busy | final)),
            takes.eq(self.i.valid & self.i.ready),
        ]
        end, fresh = Signal(), Signal(init=1)
        with m.If(~frozen):
            m.d.sync += [done.eq(runs & final & end), busy.eq(takes | (busy & ~final))]
        with m.If(runs):
            m.d.sync += slot.eq(slot + 1)
            with m.If(final):
                m.d.sync += fresh.eq(end)
        gated_domain(m, "begins", takes)
        gated_domain(m, "moves", takes | runs)
        gated_domain(m, "turns", runs)
        m.d.begins += end.eq(self.end)

        rest = Signal(signed(config.group_width))
        m.d.moves += rest.eq(Mux(takes, self.i.payload, rest >> width))
        columns = Columns(width + config.multiplier_width + 1)
        carried, below = Signal(signed(config.multiplier_width + 1)), Signal()
        columns.add_signed(0, carried.as_unsigned() & (~first).replicate(len(carried)))
        digits = _digits(_extended(rest, width), below & ~first)
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
            total.eq(Cat(total, exact[:width])[width:]),
        ]

        # the sum's sign was added as if it counted positive
        high, sign = exact[width:].as_signed(), exact[width - 1]
        overflow = Signal()
        m.d.turns += overflow.eq(
            (overflow & ~(first & fresh))
            | (first & self.over)
            | (final & (high != before[-1] - sign))
        )
        m.d.comb += [self.o.payload.sum.eq(total), self.o.payload.overflow.eq(overflow)]
        return m


def _extended(value: Value, width: int) -> Value:
    """The low bits of a signed value, as many as asked for."""
    return Cat(value, value[-1].replicate(max(0, width - len(value))))[:width]


def _digits(multiplier: Value, below: Value) -> list[BoothDigit]:
    """Booth digits of a slice of a number; ``below`` is the highest bit of the slice before."""
    widths = (1, *(2,) * (len(multiplier) // 2))
    return [
        digit._replace(weight=digit.weight - 1)
        for digit in booth_digits(Cat(below, multiplier), widths)[1:]
    ]
