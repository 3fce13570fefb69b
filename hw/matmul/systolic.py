"""Generate ``matmul/systolic``, a systolic array with its controller.

The controller counts the beats of a job and says what the array does with each of them. What it
says travels with the beat through the stages of :mod:`consilico.hw.matmul.systolic_array`. Golden
model: :mod:`consilico.golden.matmul.systolic`.
"""

from typing import Any

import numpy as np
from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.systolic import SystolicConfig
from consilico.hw.cells import gated_domain
from consilico.hw.census import Batch, Census, Size, bit_length
from consilico.hw.matmul.systolic_array import (
    SystolicArray,
    array_census,
    beat_layout,
    draining,
    result_layout,
)

__all__ = [
    "Systolic",
    "census",
    "control_census",
    "control_outputs",
    "control_weights",
    "drain_census",
    "shape_layout",
]


class Systolic(wiring.Component):
    """Unit that multiplies matrices; it takes one beat (``rows * columns`` products) per cycle.

    A reset drops the job that has begun.

    Members:
        i: In, :func:`consilico.hw.matmul.systolic_array.beat_layout`, in the order of
            :func:`consilico.golden.matmul.systolic.job_beats`. Lanes beyond a matrix must be 0.
        o: Out, ``columns`` results of one row of a tile; lanes beyond the matrix are 0.
        cfg: In, :func:`shape_layout` of the jobs that follow; taken between two jobs. A reset keeps
            it.
    """

    def __init__(self, config: SystolicConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(beat_layout(config))),
                "o": Out(stream.Signature(result_layout(config))),
                "cfg": In(stream.Signature(shape_layout(config))),
            }
        )
        self._array = SystolicArray(config)
        self.parts = self._array.parts

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.array = array = self._array
        weights = self._config.dataflow == "weight_stationary"
        control = control_weights if weights else control_outputs
        control(m, self._config, self.i, self.cfg, array.slot)
        m.d.comb += array.beat.eq(self.i.payload)
        wiring.connect(m, array.o, wiring.flipped(self.o))
        return m


def census(c: Batch) -> Census:
    """Return the operators of :class:`Systolic`, and its longest paths."""
    made, control = array_census(c, ("x",), ("w",)), control_census(c)
    made.include(control)
    made.paths += control.paths
    return made


def shape_layout(config: SystolicConfig) -> data.StructLayout:
    """Return the layout of a job's sizes: ``m``, ``k``, ``n``."""
    extent, depth = config.extent.bit_length(), config.depth.bit_length()
    return data.StructLayout({"m": extent, "k": depth, "n": extent})


class _Loop:
    """Counter 0, ``step``, ... below a limit that then begins anew."""

    def __init__(self, m: Module, name: str, limit: Value, step: int) -> None:
        self.count = Signal.like(limit, name=f"{name}_done")
        self.left = Signal.like(limit, name=f"{name}_left")
        self.last = Signal(name=f"{name}_last")
        self._step = step
        m.d.comb += [self.left.eq(limit - self.count), self.last.eq(self.left <= step)]

    def step(self, m: Module) -> None:
        """Count one step, under the conditions that are open in ``m``."""
        m.d.sync += self.count.eq(Mux(self.last, 0, self.count + self._step))


def _shape(m: Module, cfg: Any, idle: Value) -> data.View:
    """Return the sizes of the job, which are loaded between jobs."""
    shape = Signal(cfg.payload.shape(), name="shape")
    gated_domain(m, "shape", cfg.valid & idle)
    m.d.comb += cfg.ready.eq(idle)
    m.d.shape += shape.eq(cfg.payload)
    return shape


def control_weights(m: Module, config: SystolicConfig, i: Any, cfg: Any, slot: Any) -> None:
    """Control a weight-stationary array, where every beat is a slot.

    Args:
        m: The module that gets the logic.
        config: The unit.
        i: Input stream of beats.
        cfg: Input stream of shapes.
        slot: Stream of :func:`consilico.hw.matmul.systolic_array.slot_tags`; a beat and its slot
            are taken together.
    """
    rows, size = config.rows, config.tile_rows
    idle, primed = Signal(), Signal()  # primed: the first weights of the job are loaded
    beat = Signal(range(max(rows, size)))
    shape = _shape(m, cfg, idle)
    over_m, over_n, over_k = (
        _Loop(m, name, shape[name], step)
        for name, step in (("m", size), ("n", config.columns), ("k", rows))
    )
    final, computes, loads, ends = Signal(), Signal(), Signal(), Signal()
    held = Mux(over_m.last, over_m.left, size)  # activation vectors of this pass
    m.d.comb += [
        idle.eq(~primed & (beat == 0)),
        final.eq(primed & over_m.last & over_n.last & over_k.last),
        computes.eq(primed & (beat < held)),
        loads.eq(~final & (beat < rows)),
        ends.eq((~primed | (beat + 1 >= held)) & (final | (beat + 1 >= rows))),
        i.ready.eq(slot.ready & ~(idle & cfg.valid)),
        slot.valid.eq(i.valid & ~(idle & cfg.valid)),
        slot.payload.computes.eq(computes),
        slot.payload.swaps.eq(computes & (beat == 0)),
        # The first weights belong to the last row: every row hands on those that come before its
        # own.
        slot.payload.loads.eq(Cat(loads & (beat < rows - row) for row in range(rows))),
        slot.payload.first.eq(over_k.count == 0),
        slot.payload.delivers.eq(computes & over_k.last),
    ]
    with m.If(i.valid & i.ready):
        m.d.sync += beat.eq(Mux(ends, 0, beat + 1))
        with m.If(ends):
            m.d.sync += primed.eq(~final)
            with m.If(primed):
                over_k.step(m)
                with m.If(over_k.last):
                    over_n.step(m)
                    with m.If(over_n.last):
                        over_m.step(m)


def control_outputs(m: Module, config: SystolicConfig, i: Any, cfg: Any, slot: Any) -> None:
    """Generate the controller of an output-stationary array.

    A slot is a beat, a row of results that leaves, or both.

    Args:
        m: The module that gets the logic.
        config: The unit.
        i: Input stream of beats.
        cfg: Input stream of shapes.
        slot: Stream of :func:`consilico.hw.matmul.systolic_array.slot_tags`; a beat is taken
            together with its slot.
    """
    rows = config.rows
    idle, takes = Signal(), Signal()
    shape = _shape(m, cfg, idle)
    over_m, over_n, over_k = (
        _Loop(m, name, shape[name], step)
        for name, step in (("m", rows), ("n", config.columns), ("k", 1))
    )
    left = Signal(range(rows + 1))  # rows of results that have not left yet
    gone = Signal(range(rows))  # rows of results that have left
    drains, accepts = Signal(), Signal()
    m.d.comb += [
        idle.eq((over_m.count == 0) & (over_n.count == 0) & (over_k.count == 0)),
        drains.eq(left != 0),
        # the last operands of a tile wait until the results of the tile before have left
        accepts.eq(~(over_k.last & (left > 1)) & ~(idle & cfg.valid)),
        i.ready.eq(slot.ready & accepts),
        takes.eq(i.valid & accepts),
        slot.valid.eq(takes | drains),
        slot.payload.computes.eq(takes),
        slot.payload.first.eq(over_k.count == 0),
        slot.payload.captures.eq(gone == 0),
        slot.payload.drains.eq(draining(config, gone) & drains.replicate(len(slot.payload.drains))),
        slot.payload.delivers.eq(drains),
    ]
    with m.If(slot.valid & slot.ready):
        with m.If(drains):
            m.d.sync += [left.eq(left - 1), gone.eq(Mux(left == 1, 0, gone + 1))]
        with m.If(takes):
            over_k.step(m)
            with m.If(over_k.last):
                m.d.sync += left.eq(Mux(over_m.last, over_m.left, rows))
                over_n.step(m)
                with m.If(over_n.last):
                    over_m.step(m)


def control_census(c: Batch) -> Census:
    """Return operators of :func:`control_weights` or :func:`control_outputs`, and the path."""
    made = Census()
    extent, depth = bit_length(c.extent), bit_length(c.depth)
    made.add("flop", 2 * extent + depth, rate=0)  # shape
    made.add("clock_gate", 1)
    made.add("and_or", 2)  # its enable
    weights = c.dataflow == "weight_stationary"
    made.include(_loop_census(extent, c.tile_rows, 4 + weights))
    made.include(_loop_census(extent, c.columns, 3 + weights))
    made.include(_loop_census(depth, c.rows if weights else 1, 2 + weights))
    made.include(_weights_census(c) if weights else _outputs_census(c))
    left = (("add", extent + 1, 1), ("less", extent, 1), ("and_or", 1, 1))
    made.path(*left, ("less", extent, int(weights)), ("and_or", 1, 3), ("mux", 1, 4))
    return made


def _loop_census(bits: Size, step: Size, nested: Size) -> Census:
    """Return the operators of a :class:`_Loop` that steps under so many conditions."""
    census = Census()
    count = np.maximum(bits, bit_length(step)) + 1
    census.add("add", bits + 1)
    census.add("less", count - 1)
    census.add("increment", count)
    census.add("and_or", count + bits + nested - 1)
    census.add("mux", bits)
    census.add("flop", bits)
    return census


def _weights_census(c: Batch) -> Census:
    census = Census()
    beat = bit_length(np.maximum(c.rows, c.tile_rows) - 1)
    held = np.maximum(bit_length(c.extent), bit_length(c.tile_rows))
    census.add("and_or", held)
    census.add("less", np.maximum(beat, held) + np.maximum(beat + 1, held))  # computes, ends
    census.add("increment", beat + 1)
    census.add("less", beat + 1)
    census.include(_rows_census(beat, c.rows))  # loads
    census.add("and_or", bit_length(c.depth) - 1)  # first
    census.add("and_or", 3 * beat + 16)
    census.add("mux", beat + 1)
    census.add("flop", beat + 1)
    return census


def _outputs_census(c: Batch) -> Census:
    census = drain_census(c.rows)
    left, gone = bit_length(c.rows), bit_length(c.rows - 1)
    extent, depth = bit_length(c.extent), bit_length(c.depth)
    census.add("and_or", 2 * extent + depth - 3 + left - 1)  # which counters are 0
    census.add("less", left)
    census.add("equal", left)
    census.add("increment", left + gone + 2)
    census.add("and_or", np.maximum(extent, left) + gone + 1)  # what they begin with
    census.add("and_or", left + gone + 9)
    census.add("mux", 3 * left + gone)
    census.add("flop", left + gone)
    return census


def drain_census(rows: Size) -> Census:
    """Return operators that say which rows of cells hand on their results, but for the counters."""
    gone = bit_length(rows - 1)
    census = _rows_census(gone, rows)
    census.add("and_or", rows + gone - 1)
    return census


def _rows_census(count: Size, rows: Size) -> Census:
    """Return comparisons of a counter with the number of each row; of a bit with 1 is none."""
    census = Census()
    least = (rows - 1) * count + np.maximum(count, bit_length(rows))
    census.add("less", least - (count == 1))
    census.add("and_or", rows)
    return census
