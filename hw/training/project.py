"""Generate ``training/project``: INT4 projections times gradients.

Golden model: :mod:`consilico.golden.training.project`.
"""

from typing import Any

import numpy as np
from amaranth import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.training.project import ProjectConfig
from consilico.hw.cells import gated_domain
from consilico.hw.census import Batch, Census, bit_length
from consilico.hw.matmul.group_dot import fixed_scale, fixed_scale_census
from consilico.hw.matmul.group_scaler import GroupScaler, scaler_census, total_layout
from consilico.hw.matmul.systolic import drain_census
from consilico.hw.matmul.systolic_array import SystolicArray, array_census, draining
from consilico.hw.register_file import select, select_census

__all__ = ["Project", "beat_layout", "census", "latency"]


def latency(config: ProjectConfig) -> int:
    """Return the cycles from a beat that ends a sum to the first of its results, without stalls."""
    array = config.array
    return array.cluster_rows + array.cluster_columns + config.slots + 3


def beat_layout(config: ProjectConfig) -> data.StructLayout:
    """Return the layout of a beat: activations, codes with their zero points, and flags.

    ``last`` ends a group. ``scale`` (bf16) and ``end`` (the group is the last of a sum) only count
    in the last beat of a group.
    """
    return data.StructLayout(
        {
            "x": data.ArrayLayout(signed(8), config.rows),
            "q": data.ArrayLayout(unsigned(4), config.columns),
            "zero": data.ArrayLayout(unsigned(4), config.columns),
            "scale": data.ArrayLayout(unsigned(16), config.columns),
            "last": 1,
            "end": 1,
        }
    )


class Project(wiring.Component):
    """Unit that computes the sum over groups of ``s * sum((q - z) * x)`` for one tile at a time.

    A tile has ``rows`` x ``columns`` results. An output-stationary systolic array sums up a group.
    Its sums then leave row by row, as slowly as one scaler takes them, while the next group comes
    in. Throughput is one beat per cycle; a group's last beat waits until the sums of the group
    before have left. A reset drops the tile that has begun and the results not yet delivered.

    Members:
        i: In, :func:`beat_layout`. Lanes beyond a matrix must be 0.
        o: Out, :func:`consilico.hw.matmul.group_scaler.total_layout`: results of a tile, row by
            row.
        cfg: In, the biased exponent that groups share which end with beats accepted in the same
            cycle and later. A reset keeps it.
    """

    def __init__(self, config: ProjectConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(beat_layout(config))),
                "o": Out(stream.Signature(total_layout())),
                "cfg": In(stream.Signature(unsigned(8))),
            }
        )
        self._array = SystolicArray(config.array)
        self.parts = self._array.parts

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, array, beat = self._config, self._array, self.i.payload
        m.submodules.array = array
        m.submodules.scaler = scaler = GroupScaler(
            config.array.sum_width, config.multiplier_width, config.slice_width, config.results
        )
        wiring.connect(m, scaler.o, wiring.flipped(self.o))
        taken = Signal()  # the scaler takes a sum in this cycle
        m.d.comb += taken.eq(scaler.i.valid & scaler.i.ready)
        left = Signal(
            range(config.results + 1)
        )  # sums of the last group that the scaler has not taken
        self._control(m, left)
        for column in range(config.columns):
            m.d.comb += array.beat.w[column].eq(beat.q[column] - beat.zero[column])
        m.d.comb += array.beat.x.eq(beat.x)

        ends = Signal()
        m.d.comb += ends.eq(self.i.valid & self.i.ready & beat.last)
        with m.If(ends):
            m.d.sync += left.eq(config.results)
        with m.Elif(taken):
            m.d.sync += left.eq(left - 1)
        gated_domain(m, "ends", ends)
        scales, end = Signal(16 * config.columns), Signal()
        m.d.ends += [scales.eq(beat.scale), end.eq(beat.end)]
        exponent = Signal(8)
        m.d.comb += self.cfg.ready.eq(left == 0)
        gated_domain(m, "constants", self.cfg.valid & self.cfg.ready)
        m.d.constants += exponent.eq(self.cfg.payload)

        column = self._row(m, scaler, taken)
        gated_domain(m, "scales", taken)
        scale = select(m, [scales.word_select(lane, 16) for lane in range(config.columns)], column)
        constants = Signal(config.multiplier_width + 2, name="constants")
        m.d.scales += constants.eq(Cat(*fixed_scale(m, scale, exponent)))
        m.d.comb += [
            Cat(scaler.multiplier, scaler.negative, scaler.over).eq(constants),
            scaler.end.eq(end),
        ]
        return m

    def _control(self, m: Module, left: Value) -> None:
        """Tell the array what to do. A slot is a beat, a row of sums that leaves, or both."""
        config, slot, beat = self._config, self._array.slot, self.i.payload
        rows = config.rows
        interval = config.columns * (
            config.slots + 1
        )  # cycles between two rows, as the scaler needs them
        waiting, gone = Signal(range(rows + 1)), Signal(range(rows))
        pause, fresh = Signal(range(interval)), Signal(init=1)
        accepts, takes, drains = Signal(), Signal(), Signal()
        # sums are captured in the slot after a group's last beat, so a row must drain in that slot
        blocked = left != 0
        if config.scales_slowly:  # the pause may last longer than the sums of the group before
            blocked |= pause > 1
        m.d.comb += [
            accepts.eq(~(beat.last & blocked)),
            takes.eq(self.i.valid & accepts),
            drains.eq((waiting != 0) & (pause == 0)),
            self.i.ready.eq(slot.ready & accepts),
            slot.valid.eq(takes | drains),
            slot.payload.computes.eq(takes),
            slot.payload.first.eq(fresh),
            slot.payload.captures.eq(gone == 0),
            slot.payload.drains.eq(
                draining(config.array, gone) & drains.replicate(len(slot.payload.drains))
            ),
            slot.payload.delivers.eq(drains),
        ]
        with m.If(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        with m.If(slot.valid & slot.ready):
            with m.If(drains):
                m.d.sync += [
                    waiting.eq(waiting - 1),
                    gone.eq(Mux(waiting == 1, 0, gone + 1)),
                    pause.eq(interval - 1),
                ]
            with m.If(takes):
                m.d.sync += fresh.eq(beat.last)
                with m.If(beat.last):  # by now all rows of the group before have left
                    m.d.sync += waiting.eq(rows)

    def _row(self, m: Module, scaler: GroupScaler, taken: Value) -> Signal:
        """Hand a row of sums to the scaler one by one; return the column whose turn it is."""
        columns, sums = self._config.columns, self._array.o
        full, final, column = Signal(), Signal(), Signal(range(columns))
        m.d.comb += [
            final.eq(taken & (column == columns - 1)),
            sums.ready.eq(~full | final),
            scaler.i.valid.eq(full),
        ]
        m.d.sync += full.eq((sums.valid & sums.ready) | (full & ~final))
        with m.If(taken):
            m.d.sync += column.eq(Mux(final, 0, column + 1))
        gated_domain(m, "row", sums.valid & sums.ready)
        row = Signal(sums.payload.shape(), name="row")
        m.d.row += row.eq(sums.payload)
        words = [row[lane].as_unsigned() for lane in range(columns)]
        m.d.comb += scaler.i.payload.eq(select(m, words, column))
        return column


def census(c: Batch) -> Census:
    """Return the operators of :class:`Project`, and its longest paths."""
    array = Batch(list(c.of(lambda config: config.array)))
    weights, sums = ("q", "zero"), ("x", "q", "zero")
    groups = 1 / c.group
    results = np.minimum(1, c.results * groups)  # scaled a cycle
    made = array_census(array, ("x",), weights)
    made.add("add", 5 * c.columns, weights)
    made.include(_control_census(c))

    # a row of sums and its scales, one after the other to the scaler
    made.add("clock_gate", 4)
    made.add("flop", 16 * c.columns + 1, ("scale",), rate=groups)
    made.add("flop", array.sum_width * c.columns, sums, rate=c.rows * groups)
    chosen, steps = select_census(c.columns, array.sum_width + 16, (*sums, "scale"), rate=results)
    made.include(chosen)
    fixed, scaled = fixed_scale_census(("scale",), results)
    made.include(fixed)
    made.add("flop", 8, rate=0)  # exponent
    made.add("flop", c.multiplier_width + 2, ("scale",), rate=results)
    made.path(*steps, *scaled)
    scaler, summed = scaler_census(
        array.sum_width, c.multiplier_width, c.slice_width, c.results, sums, groups=results
    )
    made.include(scaler)
    made.path(*summed)
    return made


def _control_census(c: Batch) -> Census:
    """Return the operators of the counters, and of the logic that they control."""
    left, waiting, gone = bit_length(c.results), bit_length(c.rows), bit_length(c.rows - 1)
    pause, column = bit_length(c.columns * (c.slots + 1) - 1), bit_length(c.columns - 1)
    census = drain_census(c.rows)
    census.add("and_or", 2 * (left - 1) + waiting - 1 + 2 * (pause - 1))  # is one 0, or not
    census.add("less", pause * c.scales_slowly)  # does the pause go on
    census.add("and_or", 1 * c.scales_slowly)
    census.add("equal", waiting + column * (column > 1))
    census.add("increment", left + waiting + gone + pause + 4)
    census.add("increment", (column + 1) * (column > 0))
    census.add("and_or", gone + 1 + (column + 1) * (column > 0))  # or begin anew
    census.add("mux", left + 2 * waiting + gone + pause + column + 1)
    census.add("and_or", left + waiting + pause)  # what they begin with
    census.add("and_or", left + waiting + gone + pause + column)  # reset
    census.add("flop", left + waiting + gone + pause + column + 2)
    census.add("and_or", 19)
    return census
