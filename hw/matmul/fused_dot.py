"""Generate ``matmul/fused_dot``, a dot product of 1, 2 or 4 products per lane.

Golden model: :mod:`consilico.golden.matmul.fused_dot`.
"""

from typing import Any

import numpy as np
from amaranth import Array, C, Cat, ClockSignal, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.fused_dot import FusedDotConfig
from consilico.hw.arith import Columns, ColumnsCensus
from consilico.hw.cells import gated_domain
from consilico.hw.census import Batch, Census, bit_length
from consilico.hw.matmul.dot import accumulate, accumulate_census, sum_layout
from consilico.hw.parts import part_clock, place
from consilico.hw.pipeline import Pipeline, pipeline_census

__all__ = ["FusedDot", "FusedDotBlock", "census", "latency"]

_STAGES = 4
_BLOCK = 16  # greatest number of lanes whose products one stage adds up
_BRICKS = 4  # 4 x 4 bit multipliers of a lane
_GREATEST = 225  # weighted sum of all bits of a brick, 15 x 15
_INT8, _MIXED, _INT4 = range(3)  # modes
_BY_CODE = (_INT8, _MIXED, _INT4, _INT4)  # mode by the code on the configuration port
# By mode and brick: log2 of the weight of the brick's product, and whether its operands are
# signed.
_SHIFT = ((0, 4, 4, 8), (0, 4, 0, 4), (0, 0, 0, 0))
_SIGNED = (
    ((0, 0), (1, 0), (0, 1), (1, 1)),
    ((0, 1), (1, 1), (0, 1), (1, 1)),
    ((1, 1), (1, 1), (1, 1), (1, 1)),
)


def _blocks(lanes: Any) -> tuple[Any, Any]:
    """Return the number of blocks and the lanes of each; the last block may have unused lanes."""
    count = -(-lanes // _BLOCK)
    return count, -(-lanes // count)


def latency(config: FusedDotConfig) -> int:
    """Return the cycles from the last beat of a sum to its result when nothing stalls."""
    return _STAGES


def _negative(x_signed: int, w_signed: int) -> int:
    """Return by how much the complemented bits of a brick exceed what they should add."""
    return sum(
        1 << (i + j)
        for i in range(4)
        for j in range(4)
        if (x_signed and i == 3) != (w_signed and j == 3)
    )


class FusedDot(wiring.Component):
    """Unit that computes ``sum(x * w)`` over the beats up to ``last``, 1, 2 or 4 products per lane.

    A lane has four 4 x 4 bit multipliers (bricks), whose operands count as signed or unsigned. The
    bits of one brick are added over all lanes before the sums get their weights. The stages are:
    operands; sums of bits; beat; accumulator. Throughput is one beat per cycle. A reset drops the
    sum that has begun.

    Members:
        i: In, ``{x, w, last}`` with 16 bits of each operand per lane, as the golden model
            describes.
        o: Out, :func:`consilico.hw.matmul.dot.sum_layout`.
        cfg: In, the mode of beats accepted in the same cycle and later, an index into
            :data:`consilico.golden.matmul.fused_dot.FUSED_MODES`; 3 means the same as 2. A reset
            keeps it.

    Source: composable bricks after Bit Fusion, arXiv 1712.01507; signed bits after C. R. Baugh and
    B. A. Wooley, IEEE Trans. Comput. C-22 (1973).
    """

    def __init__(self, config: FusedDotConfig) -> None:
        self._config = config
        operands = data.ArrayLayout(unsigned(16), config.lanes)
        beat = data.StructLayout({"x": operands, "w": operands, "last": 1})
        result = sum_layout(config.sum_width, saturates=False)
        super().__init__(
            {
                "i": In(stream.Signature(beat)),
                "o": Out(stream.Signature(result)),
                "cfg": In(stream.Signature(unsigned(2))),
            }
        )
        self._count, self._lanes = _blocks(config.lanes)
        self.parts: dict[str, wiring.Component] = {
            "matmul_fused_dot_block": FusedDotBlock(self._lanes)
        }

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        ends = Signal()
        pipeline = Pipeline(m, self.i, self.o, _STAGES, delivers=ends)
        gated_domain(m, "taken", pipeline.advance & self.i.valid)
        m.d.comb += self.cfg.ready.eq(pipeline.free(0))
        gated_domain(m, "constants", self.cfg.valid & self.cfg.ready)
        mode, late_mode = Signal(2), Signal(2)
        m.d.constants += mode.eq(self.cfg.payload)
        m.d.stage1 += late_mode.eq(mode)
        last = [Signal(name=f"last{stage}") for stage in range(3)]
        m.d.taken += last[0].eq(self.i.payload.last)
        m.d.stage1 += last[1].eq(last[0])
        m.d.stage2 += last[2].eq(last[1])
        beat = Signal(signed(self._config.beat_width))
        m.d.stage2 += beat.eq(self._beat(m, self._sums(m, mode), late_mode))
        accumulate(m, pipeline, beat, last[2], ends, self.o.payload, saturates=False)
        return m

    def _sums(self, m: Module, mode: Value) -> list[Value]:
        """Return the sum of each brick's bits over all lanes, from the registers of stage 1."""
        x, w = self.i.payload.x.as_value(), self.i.payload.w.as_value()
        (part,) = self.parts.items()
        width = (_GREATEST * self._count * self._lanes).bit_length()
        columns = [Columns(width) for _ in range(_BRICKS)]
        size = 16 * self._lanes
        for index in range(self._count):
            operands = (value[index * size : (index + 1) * size] for value in (x, w))
            taken = [Cat(value, Const(0, size - len(value))) for value in operands]
            done = place(
                m, f"block{index}", *part, taken_clk=ClockSignal("taken"),
                stage1_clk=ClockSignal("stage1"), x=taken[0], w=taken[1], mode=mode,
            )  # fmt: skip
            for brick, column in enumerate(columns):
                total = Signal(len(done[f"rows{brick}"]) // 2)
                low, high = (done[f"rows{brick}"].word_select(row, len(total)) for row in range(2))
                m.d.comb += total.eq(low + high)
                column.add(0, total)
        sums = [Signal(width, name=f"bits{brick}") for brick in range(_BRICKS)]
        m.d.comb += [
            total.eq(sum(column.rows(m))) for total, column in zip(sums, columns, strict=True)
        ]
        return list(sums)

    def _beat(self, m: Module, sums: list[Value], mode: Value) -> Value:
        """Return the sum of a beat: the bricks' weighted sums, less the excess of signed bits."""
        columns = Columns(self._config.beat_width)
        lanes = self._count * self._lanes
        for brick, bits in enumerate(sums):
            shifted = Signal(len(bits) + 8, name=f"shifted{brick}")
            m.d.comb += shifted.eq(Array(bits << _SHIFT[by][brick] for by in _BY_CODE)[mode])
            columns.add(0, shifted)
        excess = [
            lanes * sum(_negative(*signs) << shift for signs, shift in zip(*modes, strict=True))
            for modes in zip(_SIGNED, _SHIFT, strict=True)
        ]
        width = self._config.beat_width
        constant = Signal(width)
        m.d.comb += constant.eq(
            Array(C(-excess[by] % (1 << width), width) for by in _BY_CODE)[mode]
        )
        columns.add(0, constant)
        total = Signal(signed(width))
        m.d.comb += total.eq(sum(columns.rows(m)))
        return total


class FusedDotBlock(wiring.Component):
    """Operand registers of some lanes, and for each brick the sum of its bits as two rows.

    Members:
        taken_clk: In, gated clock of the operands.
        stage1_clk: In, gated clock of the rows.
        x, w: In, operands of the incoming beat, 16 bits per lane.
        mode: In, mode of the beat in the operand registers.
        rows0 ... rows3: Out, registered, two rows each; the second one is in the upper half.
    """

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._width = (_GREATEST * lanes).bit_length()
        members = {
            "taken_clk": In(1),
            "stage1_clk": In(1),
            "x": In(16 * lanes),
            "w": In(16 * lanes),
            "mode": In(2),
        }
        super().__init__(
            members | {f"rows{brick}": Out(2 * self._width) for brick in range(_BRICKS)}
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        part_clock(m, "taken", self.taken_clk)
        part_clock(m, "stage1", self.stage1_clk)
        int8, int4 = Signal(), Signal()
        m.d.comb += [int8.eq(self.mode == _INT8), int4.eq(self.mode[1])]
        flags = self._signs(m, int8, int4)
        columns = [Columns(self._width) for _ in range(_BRICKS)]
        for lane in range(self._lanes):
            x, w = Signal(16, name=f"x{lane}"), Signal(16, name=f"w{lane}")
            m.d.taken += [x.eq(self.x.word_select(lane, 16)), w.eq(self.w.word_select(lane, 16))]
            n = [x.word_select(index, 4) for index in range(4)]
            v = [w.word_select(index, 4) for index in range(4)]
            operands = (
                (n[0], v[0]),
                (n[1], Mux(int4, v[1], v[0])),
                (Mux(int8, n[0], n[2]), Mux(int4, v[2], v[1])),
                (Mux(int8, n[1], n[3]), Mux(int4, v[3], v[1])),
            )
            for brick, (a, b) in enumerate(operands):
                _add_bits(m, columns[brick], a, b, *flags[brick])
        for brick, column in enumerate(columns):
            m.d.stage1 += getattr(self, f"rows{brick}").eq(Cat(*column.rows(m)))
        return m

    def _signs(self, m: Module, int8: Value, int4: Value) -> list[tuple[Value, Value]]:
        """Return whether each brick's operands are signed in the present mode."""
        active = (int8, ~int8 & ~int4, int4)
        flags = []
        for brick in range(_BRICKS):
            pair = Signal(2, name=f"signed{brick}")
            for side in range(2):
                terms = [active[mode] for mode in range(3) if _SIGNED[mode][brick][side]]
                m.d.comb += pair[side].eq(Cat(*terms).any())
            flags.append((pair[0], pair[1]))
        return flags


def _add_bits(
    m: Module, columns: Columns, a: Value, b: Value, a_signed: Value, b_signed: Value
) -> None:
    """Add the bits of a 4 x 4 product; those that count negative are complemented."""
    for i in range(4):
        for j in range(4):
            bit = a[i] & b[j]
            if i == 3 and j == 3:
                bit ^= a_signed ^ b_signed
            elif i == 3:
                bit ^= a_signed
            elif j == 3:
                bit ^= b_signed
            columns.add(i + j, bit, 1)


def census(c: Batch) -> Census:
    """Return the operators of :class:`FusedDot`, and its longest paths."""
    drivers = ("x", "w")
    count, lanes = _blocks(c.lanes)
    several = count > 1
    made = pipeline_census(_STAGES, delivers=True)
    made.add("and_or", 2 + 1)  # clock gates of operands and mode, whether that may change
    made.add("clock_gate", 2)
    made.add("flop", 2, rate=0)  # mode
    made.add("flop", 2 + 3)  # the same in stage 1, last
    made.add("and_or", 5)  # signs of the bricks' operands
    made.add("xor", _BRICKS)

    # stage 1: operands of the bricks, their bits added up to two rows in each block
    made.add("flop", 32 * lanes * count, drivers)
    made.add("mux", 20 * lanes * count, drivers)
    made.add("and_or", 16 * _BRICKS * lanes * count, drivers)
    made.add("xor", 7 * _BRICKS * lanes * count, drivers)
    width = bit_length(_GREATEST * lanes)
    columns = ColumnsCensus(width)
    for weight in range(7):
        columns.add(weight, 1, (4 - abs(3 - weight)) * lanes)
    block, reduced = columns.rows(drivers)
    made.include(block, _BRICKS * count)
    made.add("flop", 2 * width * _BRICKS * count, drivers)
    made.path(("mux", 4, 1), ("and_or", 1, 1), ("xor", 1, 2), *reduced)

    # stage 2: sums over the blocks
    made.add("add", (width + 1) * _BRICKS * count, drivers)
    bits = bit_length(_GREATEST * lanes * count)
    columns = ColumnsCensus(bits)
    columns.add(0, width, count)
    blocks, summed = columns.rows(drivers)
    made.include(blocks, _BRICKS * several)
    made.add("add", (bits + 2) * _BRICKS * several, drivers)
    # their weights; Verilog's shifts have room for more places than there are
    columns = ColumnsCensus(c.beat_width)
    for brick in range(_BRICKS):
        shifts = {_SHIFT[mode][brick] for mode in range(3)}
        places = (1 << max(shifts).bit_length()) - 1
        made.add("mux", (len(shifts) - 1) * (bits + places), drivers)
        columns.add(0, bits + 8)
        # where a sum ends at fewer places, adders see 0
        zeros = np.maximum(0, np.minimum(bits + 8, c.beat_width) - bits - max(1, places))
        made.add("xor", -zeros, drivers)
        made.add("and_or", -2 * zeros, drivers)
    made.add("equal", 2 * 3)
    made.add("and_or", 2 * c.beat_width)  # constant
    columns.add(0, c.beat_width)
    beat, weighed = columns.rows(drivers)
    made.include(beat)
    made.add("add", c.beat_width + 2, drivers)
    made.add("flop", c.beat_width, drivers)
    several_steps = (*(step._replace(levels=step.levels * several) for step in summed),
                     ("add", bits + 2, several))  # fmt: skip
    made.path(
        ("add", width + 1, 1), *several_steps, ("mux", 1, 3), *weighed, ("add", c.beat_width + 2, 1)
    )
    last, accumulated = accumulate_census(c.sum_width, 0, drivers)
    made.include(last)
    made.path(*accumulated)
    return made
