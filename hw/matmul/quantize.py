"""Generate ``matmul/quantize``: bf16 groups to INT8 or INT4 codes with a shared scale.

Golden model: :mod:`consilico.golden.matmul.quantize`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from amaranth import C, Cat, ClockSignal, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.quantize import QuantizeConfig
from consilico.hw.cells import gated_domain
from consilico.hw.census import Census, Size
from consilico.hw.matmul.ratio import Ratio, scale_constants, sum_up
from consilico.hw.parts import place
from consilico.hw.pipeline import Pipeline
from consilico.hw.register_file import RegisterFile, select

__all__ = [
    "STAGES",
    "Quantize",
    "depth",
    "latency",
    "maxima",
    "maxima_census",
    "maxima_stages",
    "result_layout",
]

STAGES = 3  # stages of the second pass

_LEVELS = 2  # comparisons in a row within one stage


def latency(config: QuantizeConfig) -> int:
    """Return the cycles from the last beat of a group to its first codes when nothing stalls."""
    return maxima_stages(config.lanes) + 2 + STAGES


def depth(config: QuantizeConfig) -> int:
    """Return the number of beats in the store: a group, and what comes until its scale is known."""
    return config.beats + maxima_stages(config.lanes) + 2


def result_layout(config: QuantizeConfig) -> data.StructLayout:
    """Return the layout of a beat of codes, with what its group shares.

    A group shares a bf16 scale, in mode ``minmax`` a zero point, and whether it holds an infinity
    or a NaN.
    """
    absmax = config.mode == "absmax"
    code = signed(config.result_width) if absmax else unsigned(config.result_width)
    zero = {} if absmax else {"zero_point": unsigned(config.result_width)}
    codes = data.ArrayLayout(code, config.lanes)
    return data.StructLayout({"code": codes, "scale": 16} | zero | {"nonfinite": 1})


class _Group(NamedTuple):
    """Range and least value of a group of bf16 numbers, as signals."""

    spread: Signal  # 16 bits: the range, a bf16 magnitude whose exponent may be 256
    low: Signal  # 15 bits: magnitude of the least value, used in mode minmax only
    nonfinite: Signal


class Quantize(wiring.Component):
    """Two passes over a group: its extremes while it is stored, its codes while it is read.

    The store is a queue and not two banks that take turns: a beat leaves when one of the next group
    takes its place, so one group and the few beats of :func:`depth` are enough for one beat per
    cycle without a gap. Its words are latches; a memory macro could replace them. The stages of the
    second pass are: values; quotients; codes. A reset drops the group that has begun.

    Members:
        i: In, one bf16 value per lane; ``group / lanes`` beats are a group.
        o: Out, :func:`result_layout`.
    """

    def __init__(self, config: QuantizeConfig) -> None:
        self._config = config
        values = data.ArrayLayout(unsigned(16), config.lanes)
        super().__init__(
            {
                "i": In(stream.Signature(values)),
                "o": Out(stream.Signature(result_layout(config))),
            }
        )
        self.parts: dict[str, wiring.Component] = {
            "matmul_quantize_store": RegisterFile(depth(config), 16 * config.lanes, "latch"),
            "matmul_quantize_ratio": Ratio(config),
        }

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        taken, given, stored = Signal(), Signal(), Signal(range(depth(config) + 1))
        m.d.comb += [
            self.i.ready.eq(stored != depth(config)),
            taken.eq(self.i.valid & self.i.ready),
        ]
        with m.If(taken & ~given):
            m.d.sync += stored.eq(stored + 1)
        with m.Elif(given & ~taken):
            m.d.sync += stored.eq(stored - 1)

        group, complete = self._first_pass(m, taken)
        beats = stream.Signature(unsigned(16 * config.lanes)).create()
        pipeline = Pipeline(m, beats, self.o, STAGES)
        first, known = Signal(), Signal()  # first beat of a group; its extremes are known
        with m.If(complete):
            m.d.sync += known.eq(1)
        with m.Elif(given & first):
            m.d.sync += known.eq(0)
        m.d.comb += [
            first.eq(_counter(m, "read_position", config.beats, given) == 0),
            beats.valid.eq(known | ~first),
            beats.payload.eq(self._stored(m, taken, given)),
            given.eq(beats.valid & beats.ready),
        ]
        gated_domain(m, "values", given)
        gated_domain(m, "group", given & first)
        self._second_pass(m, pipeline, beats.payload, first, group)
        return m

    def _stored(self, m: Module, taken: Value, given: Value) -> Value:
        """Return the oldest word of the store."""
        name, store = next(iter(self.parts.items()))
        words = place(
            m, "store", name, store, clk=ClockSignal(), enable=taken,
            address=_counter(m, "write", depth(self._config), taken),
            value=self.i.payload.as_value(),
        )["words"]  # fmt: skip
        width = 16 * self._config.lanes
        listed = [words.word_select(index, width) for index in range(depth(self._config))]
        return select(m, listed, _counter(m, "read", depth(self._config), given))

    def _first_pass(self, m: Module, taken: Value) -> tuple[_Group, Value]:
        """Return the extremes of the group stored last, and whether they come at the next edge.

        They need not wait: the group before has begun to be read by then, because the store is
        smaller than two groups.
        """
        config = self._config
        position = _counter(m, "write_position", config.beats, taken)
        first, last = position == 0, position == config.beats - 1
        values = [(value[:15], value[15].replicate(15)) for value in self.i.payload]
        if config.mode == "absmax":
            tracks = [[magnitude for magnitude, _ in values]]
        else:
            tracks = [
                [magnitude & ~negative for magnitude, negative in values],
                [magnitude & negative for magnitude, negative in values],
            ]
        extremes, complete = maxima(m, taken, first, last, tracks)
        gated_domain(m, "extremes", complete)
        group = _Group(Signal(16, name="spread"), Signal(15, name="low"), Signal(name="nonfinite"))
        m.d.extremes += group.nonfinite.eq(Cat(value[7:].all() for value in extremes).any())
        if config.mode == "absmax":
            m.d.extremes += group.spread.eq(extremes[0])
        else:
            m.d.extremes += [group.spread.eq(sum_up(m, *extremes)), group.low.eq(extremes[1])]
        return group, complete

    def _second_pass(
        self, m: Module, pipeline: Pipeline, word: Value, first: Value, group: _Group
    ) -> None:
        """Compute codes from the words read and drive the output."""
        config = self._config
        values, first0, first1 = Signal.like(word), Signal(), Signal()
        m.d.values += [values.eq(word), first0.eq(first)]
        m.d.stage1 += first1.eq(first0)
        low, nonfinite = (_held(m, "group", value) for value in (group.low, group.nonfinite))
        mantissa, top, once, thrice = (
            _held(m, "group", value) for value in scale_constants(m, group.spread, config)
        )
        name, ratio = list(self.parts.items())[1]
        constants = {"top": top, "once": once, "thrice": thrice}
        gated_domain(m, "finish", pipeline.moves(2) & first1)
        zero: Value = C(0, config.result_width)
        if config.mode == "minmax":
            gated_domain(m, "zero", pipeline.moves(1) & first0)
            done = place(
                m, "zero", name, ratio, clk=ClockSignal("zero"), magnitude=low, **constants
            )
            zero = Signal(config.result_width)
            m.d.comb += [
                zero.eq(done["whole"] + done["guard"]),
                self.o.payload.zero_point.eq(_held(m, "finish", zero)),
            ]
        exponent = Signal(8)
        m.d.comb += [
            exponent.eq(top - config.magnitude_width),
            self.o.payload.scale.eq(_held(m, "finish", Cat(mantissa, exponent))),
            self.o.payload.nonfinite.eq(_held(m, "finish", nonfinite)),
        ]
        for lane, code in enumerate(self.o.payload.code):
            value = values.word_select(lane, 16)
            done = place(
                m, f"lane{lane}", name, ratio, clk=ClockSignal("stage1"),
                magnitude=value[:15], **constants,
            )  # fmt: skip
            negative = _held(m, "stage1", value[15])
            total = Signal(config.result_width + 1, name=f"total{lane}")
            signs = negative.replicate(len(total))
            # -(whole + guard) is ~whole + 1 - guard
            m.d.comb += total.eq(zero + (done["whole"] ^ signs) + (done["guard"] ^ negative))
            # code and zero point, both rounded away from zero, may add up to one too many
            over = total[-1] if config.mode == "minmax" else C(0, 1)
            result = total[:-1] | over.replicate(config.result_width)
            m.d.comb += code.eq(_held(m, "stage2", result))


def _counter(m: Module, name: str, limit: int, step: Value) -> Signal:
    """Return a counter of the cycles with ``step``, modulo ``limit``."""
    count = Signal(range(limit), name=name)
    with m.If(step):
        m.d.sync += count.eq(Mux(count == limit - 1, 0, count + 1))
    return count


def maxima_stages(lanes: int) -> int:
    """Return the number of pipeline stages in which the lanes of a beat are compared."""
    return -(-(lanes - 1).bit_length() // _LEVELS)


def maxima(
    m: Module, valid: Value, first: Value, last: Value, tracks: Sequence[Sequence[Value]]
) -> tuple[list[Value], Signal]:
    """Find the greatest value of each track over all lanes and beats of a group.

    Args:
        m: The module that gets the logic.
        valid: Whether a beat comes.
        first: Whether it is the first of its group.
        last: Whether it is the last of its group.
        tracks: For each maximum wanted, one unsigned value per lane.

    Returns:
        The maxima, and a signal that is 1 in the one cycle in which they are those of a whole
        group: ``maxima_stages + 1`` cycles after its last beat.
    """
    values = [list(track) for track in tracks]
    stage = 0
    while len(values[0]) > 1:
        for _ in range(_LEVELS):
            values = [_halved(m, track) for track in values]
        gated_domain(m, f"maxima{stage}", valid)
        values = [[_held(m, f"maxima{stage}", value) for value in track] for track in values]
        before, valid = valid, Signal(name=f"maxima_valid{stage}")
        m.d.sync += valid.eq(before)
        first, last = (_held(m, f"maxima{stage}", flag) for flag in (first, last))
        stage += 1
    gated_domain(m, "running", valid)
    results: list[Value] = []
    for (value,) in values:
        running = Signal.like(value, name=f"running{len(results)}")
        m.d.running += running.eq(_greater(m, running & (~first).replicate(len(running)), value))
        results.append(running)
    complete = Signal()
    m.d.sync += complete.eq(valid & last)
    return results, complete


def _held(m: Module, domain: str, value: Value) -> Signal:
    held = Signal(len(value), name=f"{domain}_held")
    m.d[domain] += held.eq(value)
    return held


def _halved(m: Module, values: Sequence[Value]) -> list[Value]:
    """Return the greater one of each pair of neighbors; a value without a neighbor stays."""
    pairs = [_greater(m, a, b) for a, b in zip(values[:-1:2], values[1::2], strict=True)]
    return [*pairs, values[-1]] if len(values) % 2 else pairs


def _greater(m: Module, a: Value, b: Value) -> Value:
    result = Signal(max(len(a), len(b)), name="greater")
    m.d.comb += result.eq(Mux(a > b, a, b))
    return result


def maxima_census(
    lanes: Size, width: Size, tracks: int, drivers: Sequence[str], *, changes: Size
) -> Census:
    """Return the operators of :func:`maxima`, and its longest path.

    Args:
        lanes: A power of two.
        width: Bits of a value.
        tracks: Maxima wanted.
        drivers: What makes the values toggle.
        changes: Fraction of the cycles in which a maximum changes.
    """
    made = Census()
    compared = lanes * width * tracks  # the last one with what there was before
    made.add("less", compared, drivers)
    made.add("mux", compared, drivers)
    made.add("and_or", width * tracks, drivers, rate=changes)
    made.add("flop", width * tracks, drivers, rate=changes)
    made.add("clock_gate", 1)
    made.add("and_or", 2)
    made.add("flop", 1)  # complete
    left = np.asarray(lanes)
    while np.any(left > 1):
        stage, left = left > 1, -(-left >> _LEVELS)
        made.add("flop", left * width * tracks * stage, drivers)
        made.add("flop", 3 * stage)
        made.add("and_or", 1 * stage)
        made.add("clock_gate", 1 * stage)
    made.path(*_LEVELS * (("less", width, 1), ("mux", width, 1)))
    return made
