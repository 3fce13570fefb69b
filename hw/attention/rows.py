"""Read rows of scores twice: the control, the buffer and the ports of units that do.

The first pass gathers what a row adds up to while its scores go into the buffer. What is needed for
the second pass is then prepared, and the second pass reads the scores again and delivers results,
while the first pass of the next row goes on. Results come in the order of the scores, a beat for
each beat.
"""

from typing import Any

from amaranth import C, Cat, ClockSignal, Module, Mux, ResetSignal, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, Signature

from consilico.golden.attention.rows import RowConfig
from consilico.hw.cells import gated_domain, memory_word
from consilico.hw.parts import place
from consilico.hw.pipeline import Pipeline
from consilico.hw.register_file import RegisterFile, select

__all__ = [
    "LANES_ADDED_AT_ONCE",
    "RowBuffer",
    "TwoPasses",
    "gather_stages",
    "greatest_of",
    "leading_one",
    "row_parts",
    "row_signature",
]

LANES_ADDED_AT_ONCE = 2  # the powers of more lanes are added in a stage of their own


def row_signature(
    config: RowConfig, result_width: int, constants: data.Layout | None = None
) -> Signature:
    """Return the streams of a unit for rows: ``i`` of scores, ``o`` of results, ``cfg`` if needed.

    A beat of either says whether it is the last one of its row; a beat of results says also whether
    its row was longer than the buffer, which makes all of its results 0.
    """
    scores = data.StructLayout(
        {
            "score": data.ArrayLayout(signed(config.score_width), config.lanes),
            "mask": data.ArrayLayout(unsigned(1), config.lanes),
            "last": 1,
        }
    )
    results = data.StructLayout(
        {
            "data": data.ArrayLayout(unsigned(result_width), config.lanes),
            "last": 1,
            "too_long": 1,
        }
    )
    streams = {"i": In(stream.Signature(scores)), "o": Out(stream.Signature(results))}
    if constants is not None:
        streams["cfg"] = In(stream.Signature(constants))
    return Signature(streams)


def gather_stages(config: RowConfig) -> int:
    """Return the stages of pass 1 of a unit that adds powers of scores, for many lanes in two."""
    return 3 if config.lanes <= LANES_ADDED_AT_ONCE else 4


class RowBuffer(wiring.Component):
    """Words of a row: one is written and one is read per cycle.

    Args:
        words: Number of words.
        bits: Bits of a word.
        store: Name of the Verilog module that stores them, and the part; None: a memory.

    Members:
        clk: In, clock.
        enable, write_address, value: In, the write port.
        read_address: In, from registers: the word to be shown.
        fetch, next_address: In: whether another word is to be shown from the next cycle on, and
            which.
        word: Out, the word at the read address.
    """

    def __init__(self, words: int, bits: int, store: tuple[str, RegisterFile] | None) -> None:
        self._words, self._bits, self._store = words, bits, store
        super().__init__(
            {
                "clk": In(1),
                "enable": In(1),
                "write_address": In(range(words)),
                "value": In(bits),
                "read_address": In(range(words)),
                "fetch": In(1),
                "next_address": In(range(words)),
                "word": Out(bits),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if self._store is None:
            write = self.enable, self.write_address, self.value
            read = self.fetch, self.next_address
            m.d.comb += self.word.eq(memory_word(m, "memory", self._words, self.clk, write, read))
            return m
        stored = place(
            m, "store", *self._store, clk=self.clk, enable=self.enable,
            address=self.write_address, value=self.value,
        )["words"]  # fmt: skip
        words = [stored.word_select(index, self._bits) for index in range(self._words)]
        m.d.comb += self.word.eq(select(m, words, self.read_address))
        return m


def row_parts(config: RowConfig, unit: str) -> dict[str, wiring.Component]:
    """Return the parts that :class:`TwoPasses` places, by the names of their Verilog modules.

    Args:
        config: The unit.
        unit: What the names begin with.
    """
    bits = config.word_bits
    if config.buffer == "sram":
        return {f"{unit}_buffer": RowBuffer(config.beats, bits, None)}
    store = RegisterFile(config.beats, bits, config.buffer)
    return {
        f"{unit}_buffer": RowBuffer(config.beats, bits, (f"{unit}_words", store)),
        f"{unit}_words": store,
    }


class TwoPasses:
    """Control of both passes, and the row buffer, for a unit with the ports of a row.

    Pass 1 is a pipeline of ``n`` stages, whose registers tick with the domains ``gather_stage0`` to
    ``gather_stage{n-1}``. Its last registers, and those that hold a running maximum, belong to one
    row at a time: the next row's first beat is accepted once :attr:`captured` says that the sum is
    taken. They begin at their least values: in cycles with :attr:`clear` they must take these.

    Registers of the domain ``capture`` take what a row has added up to, and hold it while
    :attr:`waiting` is 1; those of ``start`` take what pass 2 needs of it. Pass 2 is a pipeline with
    the domains ``deliver_stage0`` to ``deliver_stage{n-1}``, which begins at :attr:`word`. Its
    first stages, as many as ``holds`` says, may read registers of ``start``.

    Constants are taken at any time and hold for the rows that begin in the same cycle and later.
    Both passes use them, so such a row waits until the results of the rows before are on their way;
    then registers of the domain ``apply`` take them from those of ``constants``.

    With ``survey`` pass 2 runs twice over each row. The first time nothing is delivered, the words
    stay in the buffer, and :attr:`surveyed` says of each stage that its beat is one of that time;
    it begins with :attr:`surveys`, in which registers of the domain ``survey`` take what both times
    need of ``capture``. What the unit finds in those beats is ``prepared`` for ``start``.

    A row that has filled the whole buffer and goes on is too long. It is delivered as zeros from
    then on, and forgotten with its last beat.

    Args:
        m: The module that gets the logic.
        config: The unit.
        i: Its stream of scores.
        o: Its stream of results.
        parts: Those of :func:`row_parts`.
        gather: Stages of pass 1, from the scores to the sum.
        deliver: Stages of pass 2, from the buffer to the results.
        holds: Stages of pass 2 that read registers of ``start``, 1 or 2.
        prepared: Whether what was captured is ready for ``start``; None: in the next cycle.
        cfg: Stream of constants, if there are any.
        stored: What the buffer keeps of the beat that moves from the registers of stage 1 of
            pass 1 to stage 2; None: its scores and mask bits, when it is accepted.
        survey: Whether pass 2 runs over each row twice; ``prepared`` is 0 then from the cycle after
            :attr:`surveys` until what the first time is for is found.
    """

    def __init__(
        self,
        m: Module,
        config: RowConfig,
        i: Any,
        o: Any,
        parts: dict[str, wiring.Component],
        *,
        gather: int,
        deliver: int,
        holds: int = 1,
        prepared: Value | None = None,
        cfg: Any = None,
        stored: Value | None = None,
        survey: bool = False,
    ) -> None:
        self.captured, self.starts = Signal(name="captured"), Signal(name="starts")
        self.clear = Signal(name="clear")
        places = range(2 * config.beats)  # of words, modulo twice as many as there are
        written, read, end, next_end = (
            Signal(places, name=name) for name in ("written", "read", "end", "next_end")
        )
        waiting, active, complete, closing, long = (
            Signal(name=name) for name in ("waiting", "active", "complete", "closing", "long")
        )

        # pass 1
        full, opened, dropped = Signal(name="full"), Signal(name="opened"), Signal(name="dropped")
        scores = stream.Signature(i.payload.shape()).create(path=("scores",))
        total = stream.Signature(0).create(path=("total",))
        gathering = Pipeline(m, scores, total, gather, complete, prefix="gather_")
        accepted = i.valid & i.ready
        held: Value = C(0, 1)
        if cfg is not None:
            begun, applies = Signal(name="begun"), Signal(name="applies")
            fresh = Signal(init=1, name="fresh")  # a reset must not undo what nothing has used yet
            with m.If(accepted):
                m.d.sync += begun.eq(~i.payload.last)
            m.d.comb += [cfg.ready.eq(1), applies.eq(fresh & (written == read))]
            m.d.sync += fresh.eq(cfg.valid | (fresh & ~applies))
            gated_domain(m, "constants", cfg.valid)
            gated_domain(m, "apply", applies)
            held = (cfg.valid | fresh) & ~begun
        m.d.comb += [
            full.eq((written ^ read) == config.beats),
            complete.eq(closing & gathering.valid[-1] & ~Cat(gathering.valid[:-1]).any()),
            opened.eq(~full & (~closing | complete) & ~held),
            scores.valid.eq(i.valid & opened),
            scores.payload.eq(i.payload),
            i.ready.eq(scores.ready & opened),
            total.ready.eq(self.captured | dropped),
            self.captured.eq(complete & ~long & (~waiting | self.starts)),
            dropped.eq(complete & long & (written == read)),
            self.clear.eq(self.captured | dropped | ResetSignal()),
        ]
        gated_domain(m, "gather_stage0", accepted)
        gated_domain(m, "capture", self.captured)
        m.d.sync += [
            closing.eq((accepted & i.payload.last) | (closing & ~total.ready)),
            long.eq((long & ~dropped) | (full & ~closing & ~waiting & ~active)),
            waiting.eq(self.captured | (waiting & ~self.starts)),
        ]
        m.d.capture += next_end.eq(written)
        self.gathering, self.waiting = gathering, waiting

        # pass 2
        words = stream.Signature(0).create(path=("words",))
        surveying, delivers = Signal(name="surveying"), Signal(name="delivers")
        delivering = Pipeline(m, words, o, deliver, delivers if survey else None, prefix="deliver_")
        after, consumed, last = Signal(places, name="after"), Signal(name="consumed"), Signal()
        passed = ~active | (consumed & last)
        if holds == 2:  # the last word may leave the first stage, and needs the second
            passed = ~active & (~delivering.valid[0] | delivering.advance)
        shown = Signal(places, name="shown") if survey else read  # place of the word that is read
        ready, fetches = C(1, 1) if prepared is None else prepared, self.starts
        reads, used = active, consumed
        if survey:
            self.surveys, looked = Signal(name="surveys"), Signal(name="looked")
            m.d.comb += self.surveys.eq(waiting & ~looked & passed)
            m.d.sync += [
                looked.eq(self.surveys | (looked & ~self.starts)),
                surveying.eq(self.surveys | (surveying & ~(consumed & last))),
            ]
            gated_domain(m, "survey", self.surveys)
            m.d.survey += end.eq(next_end)
            ready, fetches = ready & looked, self.starts | self.surveys
            reads, used = active | surveying, consumed & ~surveying
        m.d.comb += [
            words.valid.eq(reads | (long & (read != written))),
            consumed.eq(words.valid & words.ready),
            after.eq(shown + 1),
            last.eq(Mux(long, closing & (after == written), after == end)),
            self.starts.eq(waiting & ready & passed),
        ]
        gated_domain(m, "deliver_stage0", consumed)
        gated_domain(m, "start", self.starts)
        m.d.sync += active.eq(self.starts | (active & ~(consumed & last)))
        if not survey:
            m.d.start += end.eq(next_end)
        self.delivering, self.active, self.closing = delivering, active, closing

        # A gated clock with a reset in its enable costs less than registers that hold their value.
        pointers = [("written", written, accepted, written + 1), ("read", read, used, after)]
        if survey:
            following = Mux(self.starts, read, after)
            pointers.append(("shown", shown, consumed | self.starts, following))
        for name, pointer, moves, following in pointers:
            gated_domain(m, name, moves | ResetSignal())
            m.d[name] += pointer.eq(Mux(ResetSignal(), 0, following))
        write, address = accepted, written[:-1]
        if stored is None:
            stored = Cat(
                *(Cat(i.payload.score[lane], i.payload.mask[lane]) for lane in range(config.lanes))
            )
        else:
            write = gathering.moves(2)
            for stage in range(2):
                late = Signal.like(address, name=f"address{stage}")
                m.d[f"gather_stage{stage}"] += late.eq(address)
                address = late
        module, part = next(iter(parts.items()))
        self.word = place(
            m, "buffer", module, part, clk=ClockSignal(), enable=write,
            write_address=address, value=stored, read_address=shown[:-1],
            fetch=fetches | (consumed & ~last & ~long),
            next_address=Mux(consumed, after, read)[:-1],
        )["word"]  # fmt: skip
        self.long = long
        tags = Cat(last, long, surveying) if survey else Cat(last, long)
        self.surveyed: list[Value] = []
        self.last: list[Value] = []
        for stage in range(deliver):
            held = Signal(len(tags), name=f"tags{stage}")
            m.d[f"deliver_stage{stage}"] += held.eq(tags)
            tags = held
            self.surveyed.append(tags[-1])
            self.last.append(tags[0])
        m.d.comb += [o.payload.last.eq(tags[0]), o.payload.too_long.eq(tags[1])]
        if survey:
            m.d.comb += delivers.eq(~tags[-1])


def greatest_of(m: Module, values: list[Value]) -> Value:
    """Return the greatest of signed values, as a tree of comparisons."""
    while len(values) > 1:
        chosen = []
        for left, right in zip(values[::2], values[1::2], strict=False):
            one = Signal(signed(len(left)))
            m.d.comb += one.eq(Mux(left > right, left, right))
            chosen.append(one)
        values = [*chosen, *values[len(values) & ~1 :]]
    return values[0]


def leading_one(m: Module, value: Value) -> tuple[Value, Value]:
    """Return a number shifted until its highest bit is 1, and the place that the bit had.

    Args:
        m: The module that gets the logic.
        value: Unsigned; the place of 0 is not meaningful.
    """
    width = len(value)
    rank = (width - 1).bit_length()
    normal: Value = value
    zeros: list[Value] = []  # bits of the number of leading zeros, highest first
    for bit in reversed(range(rank)):
        places = 1 << bit
        empty = ~normal[-places:].any()
        shifted = Signal(width, name=f"normal{bit}")
        m.d.comb += shifted.eq(Mux(empty, normal << places, normal))
        normal, zeros = shifted, [empty, *zeros]
    where = Signal(rank)
    m.d.comb += where.eq(width - 1 - Cat(*zeros))
    return normal, where
