"""Generate ``matmul/dot``, a dot product with an accumulator.

Golden model: :mod:`consilico.golden.matmul.dot`. The other dot products use the same accumulator.
"""

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, ClockSignal, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.dot import DotConfig
from consilico.golden.matmul.operand import sum_width
from consilico.golden.matmul.sparse_dot import SparseDotConfig
from consilico.hw.arith import (
    BoothDigit,
    Columns,
    ColumnsCensus,
    booth_census,
    booth_digits,
    coded_census,
    coded_digits,
    digit_codes,
)
from consilico.hw.cells import gated_domain
from consilico.hw.census import Batch, Census, Size, Step
from consilico.hw.parts import part_clock, place
from consilico.hw.pipeline import Pipeline, pipeline_census

__all__ = [
    "Dot",
    "DotBlock",
    "accumulate",
    "accumulate_census",
    "beat_layout",
    "census",
    "latency",
    "sum_layout",
]

_BLOCK = 16  # greatest number of lanes whose products one stage adds up

_DIGITS = {4: (2, 2), 5: (2, 2, 1), 8: (2, 2, 2, 2)}  # Booth digits of a multiplier, by its width


def sum_layout(width: int, *, saturates: bool) -> data.StructLayout:
    """Return the layout of a result: the sum and, if it saturates, whether a partial sum did."""
    return data.StructLayout({"sum": signed(width)} | ({"saturated": 1} if saturates else {}))


def accumulate(
    m: Module,
    pipeline: Pipeline,
    beat: Value,
    last: Value,
    ends: Signal,
    payload: data.View,
    *,
    saturates: bool,
) -> None:
    """Add beats up in the pipeline's last stage; the first beat of a sum replaces the previous sum.

    Args:
        m: The module that gets the logic.
        pipeline: The pipeline, whose ``delivers`` is ``ends``.
        beat: Signed sum of the beat in the stage before the last.
        last: Whether that beat ends a sum.
        ends: Receives ``last`` of the beat in the last stage.
        payload: Payload of the output stream, :func:`sum_layout`.
        saturates: Whether every partial sum is clamped to the width of the result instead of
            wrapping.
    """
    stage = len(pipeline.valid) - 1
    domain = m.d[f"stage{stage}"]
    width = len(payload.sum)
    total, fresh = Signal(signed(width), name="total"), Signal(init=1)
    with m.If(pipeline.moves(stage)):
        m.d.sync += fresh.eq(last)
    exact = Signal(signed(width + 1))
    before = (total.as_unsigned() & (~fresh).replicate(width)).as_signed()
    m.d.comb += exact.eq(before + beat)
    domain += ends.eq(last)
    m.d.comb += payload.sum.eq(total)
    if not saturates:
        domain += total.eq(exact)
        return
    over, held = Signal(), Signal(name="saturated")
    m.d.comb += [over.eq(exact[-1] ^ exact[-2]), payload.saturated.eq(held)]
    greatest = (1 << (width - 1)) - 1
    limit = Mux(exact[-1], ~greatest, greatest)
    domain += [total.eq(Mux(over, limit, exact)), held.eq(over | (held & ~fresh))]


def accumulate_census(
    width: Size, saturates: Size, drivers: Sequence[str]
) -> tuple[Census, tuple[Step, ...]]:
    """Return the operators of :func:`accumulate`, and its longest path.

    Args:
        width: Bits of the sum.
        saturates: Whether sums saturate.
        drivers: What makes the beats toggle.
    """
    census = Census()
    census.add("flop", width, drivers)
    census.add("and_or", width, drivers)
    census.add("add", width + 1, drivers)
    census.add("mux", (width + 1) * saturates, drivers)
    census.add("and_or", 2 * saturates)
    census.add("xor", 1 * saturates)
    census.add("flop", 2 + saturates)  # fresh, ends, saturated
    census.add("mux", 1)
    census.add("and_or", 1)
    steps = (
        Step("and_or", 1, 1), Step("add", width + 1, 1),
        Step("xor", 1, saturates), Step("mux", width, saturates),
    )  # fmt: skip
    return census, steps


def _blocks(config: DotConfig) -> tuple[int, int]:
    """Return the number of blocks and the lanes of each; the last block may have unused lanes."""
    count = -(-config.lanes // _BLOCK)
    return count, -(-config.lanes // count)


def latency(config: DotConfig) -> int:
    """Return the cycles from the last beat of a sum to its result when nothing stalls."""
    return 3 if _blocks(config)[0] == 1 else 4


def beat_layout(config: DotConfig) -> data.StructLayout:
    """Return the layout of a beat: activations, weights and whether it is the last of a sum.

    With sparse weights it also has an index for each weight.
    """
    w = unsigned(4) if config.w == "uint4" else signed(config.w_width)
    sparse = isinstance(config, SparseDotConfig)
    count = 2 * config.lanes if sparse else config.lanes
    fields = {
        "x": data.ArrayLayout(signed(config.x_width), count),
        "w": data.ArrayLayout(w, config.lanes),
    }
    index = {"index": data.ArrayLayout(unsigned(2), config.lanes)} if sparse else {}
    return data.StructLayout({**fields, **index, "last": 1})


class Dot(wiring.Component):
    """Unit that computes ``sum(x * w)`` over the beats up to ``last``; it takes one beat per cycle.

    Its stages are: operands; products, added up to two rows in blocks of at most 16 lanes; with
    several blocks, their sum; accumulator. A reset drops the sum that has begun.

    Members:
        i: In, :func:`beat_layout`.
        o: Out, :func:`sum_layout`.
        cfg: In, with ``w="uint4"`` only: the zero point of the weights accepted in the same cycle
            and later. A reset keeps it.
    """

    _block_name = "matmul_dot_block"

    def __init__(self, config: DotConfig) -> None:
        self._config = config
        layout = sum_layout(config.sum_width, saturates=config.saturates)
        members = {
            "i": In(stream.Signature(beat_layout(config))),
            "o": Out(stream.Signature(layout)),
        }
        if config.w == "uint4":
            members["cfg"] = In(stream.Signature(unsigned(4)))
        super().__init__(members)
        self.parts: dict[str, wiring.Component] = {
            self._block_name: DotBlock(config, _blocks(config)[1])
        }

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        ends = Signal()
        pipeline = Pipeline(m, self.i, self.o, latency(config), delivers=ends)
        gated_domain(m, "taken", pipeline.advance & self.i.valid)
        zero = Signal(4)
        if config.w == "uint4":
            m.d.comb += self.cfg.ready.eq(pipeline.free(0))
            gated_domain(m, "constants", self.cfg.valid & self.cfg.ready)
            m.d.constants += zero.eq(self.cfg.payload)

        beats = self._blocks(m, zero)
        last = Signal(name="last0")
        m.d.taken += last.eq(self.i.payload.last)
        last, before = Signal(name="last1"), last
        m.d.stage1 += last.eq(before)
        beat = beats[0]
        if len(beats) > 1:
            columns = Columns(config.beat_width)
            for part in beats:
                columns.add_signed(0, part)
            beat = Signal(signed(config.beat_width))
            m.d.stage2 += beat.eq(sum(columns.rows(m)))
            last, before = Signal(name="last2"), last
            m.d.stage2 += last.eq(before)
        accumulate(m, pipeline, beat, last, ends, self.o.payload, saturates=config.saturates)
        return m

    def _activations(self, m: Module) -> Value:
        """Return the activations of the incoming beat, one for each weight."""
        x: Value = self.i.payload.x.as_value()
        return x

    def _blocks(self, m: Module, zero: Value) -> list[Value]:
        """Return the signed sums of the blocks, from the registers of stage 1."""
        config = self._config
        count, lanes = _blocks(config)
        x, w = self._activations(m), self.i.payload.w.as_value()
        (part,) = self.parts.items()
        sums = []
        for index in range(count):
            first, end = index * lanes, (index + 1) * lanes
            done = place(
                m, f"block{index}", *part,
                taken_clk=ClockSignal("taken"), stage1_clk=ClockSignal("stage1"), zero=zero,
                x=_lanes(x, config.x_width, first, end), w=_lanes(w, config.w_width, first, end),
            )  # fmt: skip
            total = Signal(signed(len(done["row0"])), name=f"sum{index}")
            m.d.comb += total.eq(done["row0"] + done["row1"])
            sums.append(total)
        return sums


def _lanes(values: Value, width: int, first: int, end: int) -> Value:
    """Return the operands of some lanes, 0 where there are no more."""
    taken = values[first * width : end * width]
    return Cat(taken, Const(0, (end - first) * width - len(taken)))


class DotBlock(wiring.Component):
    """Operand registers of some lanes, and the sum of their products as two rows.

    Members:
        taken_clk: In, gated clock of the operands.
        stage1_clk: In, gated clock of the rows.
        x, w: In, operands of the incoming beat.
        zero: In, zero point of the weights, used with ``w="uint4"`` only.
        row0, row1: Out, registered; their sum modulo their width is that of the products, signed.
    """

    def __init__(self, config: DotConfig, lanes: int) -> None:
        self._config, self._lanes = config, lanes
        width = sum_width(lanes, *config.product_range)
        super().__init__(
            {
                "taken_clk": In(1),
                "stage1_clk": In(1),
                "x": In(config.x_width * lanes),
                "w": In(config.w_width * lanes),
                "zero": In(4),
                "row0": Out(width),
                "row1": Out(width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "taken", self.taken_clk)
        part_clock(m, "stage1", self.stage1_clk)
        columns = Columns(len(self.row0))
        products = [self._operands(m, lane) for lane in range(self._lanes)]
        # Rows are added digit by digit: the upper digits are mostly 0, and adders that see only
        # those hardly toggle.
        for digits in zip(*(digits for digits, _ in products), strict=True):
            for digit, (_, other) in zip(digits, products, strict=True):
                columns.add_product(m, [digit], [other, Cat(Const(0, 1), other)], signed=True)
        row0, row1 = columns.rows(m)
        m.d.stage1 += [self.row0.eq(row0), self.row1.eq(row1)]
        return m

    def _operands(self, m: Module, lane: int) -> tuple[list[BoothDigit], Value]:
        """Return the digits of a lane's multiplier and the other operand, of the beat taken."""
        config = self._config
        x = self.x.word_select(lane, config.x_width)
        w = self.w.word_select(lane, config.w_width)
        if config.w == "uint4":
            weight = Signal(5, name=f"weight{lane}")
            m.d.comb += weight.eq(_held(m, w, f"w{lane}") - self.zero)
            if len(x) < len(weight):
                return _held_digits(m, x, f"x{lane}"), weight
            return booth_digits(weight, _DIGITS[len(weight)]), _held(m, x, f"x{lane}")
        # of two operands of the same width the activation is recoded: it is small more often
        if len(x) <= len(w):
            return _held_digits(m, x, f"x{lane}"), _held(m, w, f"w{lane}")
        return _held_digits(m, w, f"w{lane}"), _held(m, x, f"x{lane}")


def _held_digits(m: Module, multiplier: Value, name: str) -> list[BoothDigit]:
    """Return the digits of an incoming multiplier, whose codes are in registers."""
    widths = _DIGITS[len(multiplier)]
    codes = [
        _held(m, code, f"{name}_digit{index}")
        for index, code in enumerate(digit_codes(multiplier, widths))
    ]
    return coded_digits(codes, widths)


def _held(m: Module, value: Value, name: str) -> Signal:
    """Return a value of the incoming beat from registers."""
    held = Signal(len(value), name=name)
    m.d.taken += held.eq(value)
    return held


def census(c: Batch) -> Census:
    """Return the operators of :class:`Dot` and :class:`SparseDot`, and their longest paths.

    Stage 0: a digit is recoded; stage 1: it chooses a row, and the rows of a block are added up to
    two; last stage: these two, then the accumulator. A digit of a weight less its zero point is
    recoded in stage 1.
    """
    count, lanes = c.of(lambda config: _blocks(config)[0]), c.of(lambda config: _blocks(config)[1])
    sparse, offset = c.of(lambda config: "index" in beat_layout(config).members), c.w == "uint4"
    multiplied, several = lanes * count, count > 1
    all_drivers = ("x", "w")
    made = pipeline_census(3 + several, delivers=True)
    made.add("and_or", 1)  # the operands' clock gate
    made.add("clock_gate", 1)
    made.add("flop", 2 + several)  # last
    weight_width = 5 if offset else c.w_width[0]
    if offset:
        made.add("add", 5 * multiplied, ("w",))
        made.add("and_or", 2)
        made.add("flop", 4)
        made.add("clock_gate", 1)
    made.add("decode", 4 * c.lanes * sparse, ("index",))
    made.add("and_or", 7 * c.x_width * c.lanes * sparse, ("x", "index"))

    recoded, other = min((weight_width, c.x_width[0]), (c.x_width[0] - 0.5, weight_width))
    widths = _DIGITS[int(recoded + 0.5)]
    recoded_weight = recoded == weight_width
    driver = ("w",) if recoded_weight else ("x",)
    held = not (offset and recoded_weight)  # digits are registered, not what they are made of
    if held:
        coding, digit_bits, decoding = coded_census(widths, driver)
        made.include(coding, multiplied)
        made.include(decoding, multiplied)
    else:
        digit_bits = 0
        made.include(booth_census(widths, driver), multiplied)
    x_bits = c.x_width if recoded_weight else digit_bits
    w_bits = digit_bits if held and recoded_weight else c.w_width
    made.add("flop", x_bits * multiplied, ("x",))
    made.add("flop", w_bits * multiplied, ("w",))
    width = c.of(lambda config: sum_width(_blocks(config)[1], *config.product_range))
    columns = ColumnsCensus(width)
    weight = 0
    for digit in widths:
        multiples = min(2, 1 << (digit - 1))
        bits = other + multiples - 1
        columns.add_product(weight, bits, multiples, all_drivers, signed=True, times=lanes)
        weight += digit
    block, reduced = columns.rows(all_drivers)
    made.include(block, count)
    made.add("flop", 2 * width * count, all_drivers)
    made.add("add", (width + 1) * count, all_drivers)
    recoding = ("lookup", 8, 1)
    steps = (("add", 5, int(offset)), ("and_or", 1, 2), ("xor", 1, 1))
    if held:
        made.path(recoding)
        made.path(*steps, *reduced)
    else:
        made.path(steps[0], recoding, *steps[1:], *reduced)

    total = ColumnsCensus(c.beat_width)
    total.add_signed(0, width + 1, count)
    blocks, summed = total.rows(all_drivers)
    made.include(blocks, several)
    made.add("add", (c.beat_width + 2) * several, all_drivers)
    made.add("flop", c.beat_width * several, all_drivers)
    last, accumulated = accumulate_census(c.sum_width, c.saturates, all_drivers)
    made.include(last)
    made.path(("add", width + 1, 1 - several), *accumulated)
    made.path(("add", width + 1, several), *summed, ("add", c.beat_width + 1, several))
    return made
