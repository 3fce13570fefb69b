"""Generate a systolic array: its cells, and the registers around them, without a controller.

``matmul/systolic`` and ``training/project`` use it, each with its own controller.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth import Cat, ClockSignal, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.systolic import SystolicConfig
from consilico.hw.cells import gated_clock, gated_domain, latch_word
from consilico.hw.census import Batch, Census, bit_length
from consilico.hw.matmul.systolic_cell import (
    OutputCell,
    WeightCell,
    cell_census,
    entered,
    entered_census,
)
from consilico.hw.parts import place
from consilico.hw.pipeline import Pipeline, pipeline_census
from consilico.hw.register_file import select, select_census, written_census

__all__ = [
    "SystolicArray",
    "array_census",
    "beat_layout",
    "draining",
    "result_layout",
    "slot_tags",
]


def draining(config: SystolicConfig, gone: Value) -> Value:
    """Return which rows of clusters of an output-stationary array take over sums in a slot.

    In the first slot they take those of their own cells. Later they take what is above, once the
    clusters below, which are as many stages later, have passed on their own.

    Args:
        config: The array.
        gone: Rows of results that have left.
    """
    count = config.cluster_rows
    return Cat((gone == 0) | (gone >= count - cluster) for cluster in range(count))


def slot_tags(config: SystolicConfig) -> data.StructLayout:
    """Return the layout of what a slot of the array does."""
    if config.dataflow == "weight_stationary":
        return data.StructLayout(
            {
                "computes": 1,  # the slot has activations
                "swaps": 1,  # its activations are the first to meet the next weights
                "loads": config.rows,  # rows of cells that take a weight
                "first": 1,  # sums begin with these activations
                "delivers": 1,  # sums end with them
            }
        )
    return data.StructLayout(
        {
            "computes": 1,  # the slot has operands
            "first": 1,  # its operands begin a sum
            "captures": 1,  # complete sums move to the draining registers
            "drains": config.cluster_rows,  # rows of clusters whose draining registers change
            "delivers": 1,  # a row of results leaves
        }
    )


def beat_layout(config: SystolicConfig) -> data.StructLayout:
    """Return the layout of a beat: a vector of activations and a row of weights."""
    return data.StructLayout(
        {
            "x": data.ArrayLayout(signed(config.x_width), config.rows),
            "w": data.ArrayLayout(signed(config.w_width), config.columns),
        }
    )


def result_layout(config: SystolicConfig) -> data.ArrayLayout:
    """Return the layout of the results of one row of a tile."""
    return data.ArrayLayout(signed(config.sum_width), config.columns)


class SystolicArray(wiring.Component):
    """Cells that multiply and add, in stages; the array takes one slot per cycle.

    A slot is what enters in one cycle: a beat, or results that leave. Cell ``(row, column)`` sees
    it in stage ``row + column + 1``, so all cells of an anti-diagonal share a stage, its valid bit
    and its tags, and hold still where there is nothing to do. Lane 0 of the activations meets the
    last row of cells, so weights and results pass the rows in their natural order.

    Output-stationary cells come in clusters, which ``row`` and ``column`` count then: the cells of
    a cluster share the registers of their operands.

    A reset drops everything.

    Args:
        config: Its sizes, operands and dataflow.
        cell: Name of the Verilog module of its cells; two arrays of one design that differ need
            two names.
        like: An array of the same design and of the same configuration, whose cell it shares.

    Members:
        slot: In, :func:`slot_tags`: what the array does.
        beat: In, :func:`beat_layout`, taken with a slot that computes.
        o: Out, :func:`result_layout`.
    """

    def __init__(
        self,
        config: SystolicConfig,
        cell: str = "matmul_systolic_cell",
        like: "SystolicArray | None" = None,
    ) -> None:
        self._config = config
        self._weights = config.dataflow == "weight_stationary"
        self._stages = config.cluster_rows + config.cluster_columns + self._weights
        super().__init__(
            {
                "slot": In(stream.Signature(slot_tags(config))),
                "beat": In(beat_layout(config)),
                "o": Out(stream.Signature(result_layout(config))),
            }
        )
        self.parts: dict[str, wiring.Component] = (
            {cell: (WeightCell if self._weights else OutputCell)(config)}
            if like is None
            else like.parts
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        delivers = Signal()
        self._pipeline = Pipeline(m, self.slot, self.o, self._stages, delivers)
        gated_domain(m, "stage0", self._pipeline.advance & self.slot.valid)
        self._arrives = [self.slot.valid, *self._pipeline.valid]
        self._tags = [self.slot.payload]  # tags of the slot that enters each stage
        for stage in range(self._stages):
            held = Signal(slot_tags(self._config), name=f"tags{stage}")
            m.d[f"stage{stage}"] += held.eq(self._tags[-1])
            self._tags.append(held)
            gated_domain(m, f"compute{stage}", self._enters(stage, self._tags[stage].computes))
        m.d.comb += delivers.eq(self._tags[-1].delivers)
        if self._weights:
            self._accumulate(m, self._weight_cells(m))
        else:
            self._output_cells(m)
        return m

    def _enters(self, stage: int, does: Value) -> Value:
        """Return whether a slot enters a stage and does something there."""
        return self._pipeline.advance & self._arrives[stage] & does

    def _skewed(self, m: Module, name: str, value: Value, domain: str, stages: range) -> Value:
        """Return a value that is delayed by a register in each of the stages."""
        for stage in stages:
            held = Signal(len(value), name=f"{name}_{stage}")
            m.d[f"{domain}{stage}"] += held.eq(value)
            value = held
        return value

    def _weight_cells(self, m: Module) -> list[Value]:
        """Return the signed sums of the columns in stage ``rows + columns - 1``."""
        config = self._config
        rows, columns = config.rows, config.columns
        (part,) = self.parts.items()
        tags = self._tags
        swaps = [
            gated_clock(m, f"swap{stage}", self._enters(stage, tags[stage].swaps))
            for stage in range(rows + columns - 1)
        ]
        loads = {}
        for row in range(rows):
            gated = gated_clock if row else gated_domain  # registers in front of the first row
            for stage in range(row, row + columns):
                does = self._enters(stage, tags[stage].loads[row])
                loads[row, stage] = gated(m, f"load{row}_{stage}", does)
        x = [
            self._skewed(m, f"x{row}", lane, "compute", range(row + 1))
            for row, lane in enumerate(reversed(list(self.beat.x)))
        ]
        sums = []
        for column, lane in enumerate(self.beat.w):
            w = self._skewed(m, f"w{column}", lane, "load0_", range(column))
            total: Value = Const(0, config.column_width)
            for row in range(rows):
                stage = row + column
                done = place(
                    m, f"cell{row}_{column}", *part,
                    compute_clk=ClockSignal(f"compute{stage + 1}"),
                    load_clk=loads[row, stage], swap_clk=swaps[stage],
                    x_in=x[row], w_in=w, sum_in=total,
                )  # fmt: skip
                x[row], w, total = done["x"], done["w"], done["sum"]
            stages = range(rows + column + 1, rows + columns)
            sums.append(self._skewed(m, f"sum{column}", total, "compute", stages).as_signed())
        return sums

    def _accumulate(self, m: Module, sums: list[Value]) -> None:
        """Add the sums to those of the passes before, which are kept in latches: the last stage.

        A latch is open in the low phase of a cycle in which a sum that goes on is in the last
        stage, which holds for this one cycle.
        """
        config, stage = self._config, self._stages - 1
        width = config.sum_width
        enters, here = self._tags[stage], self._tags[stage + 1]
        # the row of the tile is counted here, as it has too many bits to travel with the slot
        row, next_row = Signal(range(config.block)), Signal(range(config.block))
        m.d.comb += next_row.eq(Mux(enters.swaps, 0, row + 1))
        total = Signal(config.columns * width)
        pulse = Signal()
        m.d.comb += pulse.eq(
            self._pipeline.valid[stage] & here.computes & ~here.delivers & ~ClockSignal()
        )
        words: list[Value] = [
            latch_word(m, f"partial{index}", pulse & (row == index), total)
            for index in range(config.block)
        ]
        before = select(m, words, next_row) & (~enters.first).replicate(len(total))
        domain = m.d[f"compute{stage}"]
        domain += row.eq(next_row)
        for column, part in enumerate(sums):
            domain += total.word_select(column, width).eq(
                before.word_select(column, width).as_signed() + part
            )
            m.d.comb += self.o.payload[column].eq(total.word_select(column, width))

    def _output_cells(self, m: Module) -> None:
        """Build the cells that keep sums, and connect their draining registers to the output."""
        config = self._config
        rows, columns, size = config.rows, config.columns, config.cluster
        (part,) = self.parts.items()
        last = self._stages - 1
        tags = self._tags
        drains = {
            (row, stage): gated_clock(
                m, f"drain{row}_{stage}", self._enters(stage, tags[stage].drains[row])
            )
            for row in range(config.cluster_rows)
            for stage in range(row + 1, row + config.cluster_columns + 1)
        }
        for stage in range(config.cluster_rows + 1, last + 1):
            gated_domain(m, f"deliver{stage}", self._enters(stage, tags[stage].delivers))
        x: list[Value] = [
            self._skewed(
                m, f"x{row}", entered(config, "x", lane), "compute", range(row // size + 1)
            )
            for row, lane in enumerate(reversed(list(self.beat.x)))
        ]
        for column, lane in enumerate(self.beat.w):
            stages = range(column // size + 1)
            w = self._skewed(m, f"w{column}", entered(config, "w", lane), "compute", stages)
            result: Value = Const(0, config.sum_width)
            for row in range(rows):
                stage = row // size + column // size + 1
                done = place(
                    m, f"cell{row}_{column}", *part,
                    compute_clk=ClockSignal(f"compute{stage}"),
                    drain_clk=drains[row // size, stage],
                    first=tags[stage].first, captures=tags[stage].captures,
                    x=x[row], w=w, result_in=result,
                )  # fmt: skip
                result = done["result"]
                passes = range(stage, stage + 1)  # from this cluster to the next
                if (row + 1) % size == 0 and row + 1 < rows:
                    w = self._skewed(m, f"w{row}_{column}", w, "compute", passes)
                if (column + 1) % size == 0 and column + 1 < columns:
                    x[row] = self._skewed(m, f"x{row}_{column}", x[row], "compute", passes)
            stages = range(stage + 1, last + 1)
            result = self._skewed(m, f"result{column}", result, "deliver", stages)
            m.d.comb += self.o.payload[column].eq(result)


def array_census(c: Batch, x: Sequence[str], w: Sequence[str]) -> Census:
    """Return the operators of :class:`SystolicArray`, and its longest paths.

    Args:
        c: Its configurations.
        x: Fields of the input that make the activations toggle.
        w: Those that make the weights toggle.
    """
    weights = c.dataflow == "weight_stationary"
    rows, columns = c.rows, c.columns
    down, across = c.cluster_rows, c.cluster_columns
    stages = down + across + weights
    made = pipeline_census(stages, delivers=True)
    made.add("flop", stages * (down + 4))  # tags
    gates = stages + down * across + (rows if weights else 0) + across - 1
    made.add("clock_gate", gates + 1)
    made.add("and_or", gates + 1)
    # registers in front of the cells, and between clusters
    activations = c.of(lambda config: _skew(config.rows, config.cluster)) + rows * (across - 1)
    triangle = columns * (columns - 1) // 2
    if weights:
        made.add("flop", c.x_width * activations, x)
        # cycles of a pass of vectors: as many as load the next weights, or more
        length = np.maximum(c.block, rows)
        made.add("flop", c.w_width * (triangle + rows * columns), w, rate=(rows + 1) / 2 / length)
        made.add("flop", c.w_width * rows * columns, w, rate=1 / length)
        cell, steps = cell_census(c, x, w, drains=0)
        made.include(cell, rows * columns, rate=c.block / length)
        made.add("flop", c.column_width * triangle, x)
        made.include(_accumulate_census(c, x))
    else:
        passed = c.of(lambda config: _skew(config.columns, config.cluster)) + columns * (down - 1)
        for operand, lanes, clusters, registers, drivers in (
            ("x", rows, across, activations, x),
            ("w", columns, down, passed, w),
        ):
            coding, bits, decoding = entered_census(c, operand, drivers)
            made.include(coding, lanes)
            made.add("flop", bits * registers, drivers)
            made.include(decoding, lanes * clusters)
        # a cell hands on what comes from above, a tile of results after so many beats
        drains = np.minimum(1, (rows + 1) / 2 / c.depth)
        cell, steps = cell_census(c, x, w, drains=drains)
        made.include(cell, rows * columns)
        made.add("clock_gate", rows * columns)
        delayed = columns * across - c.of(lambda config: _skew(config.columns, config.cluster))
        made.add("flop", c.sum_width * delayed, (*x, *w), rate=drains)
    made.path(*steps)
    return made


def _skew(lanes: int, cluster: int) -> int:
    """Return the registers in front of the first cells of so many lanes."""
    return sum(lane // cluster + 1 for lane in range(lanes))


def _accumulate_census(c: Batch, x: Sequence[str]) -> Census:
    """Return the storage of sums of earlier passes, and the adders that go on with them."""
    made = Census()
    width, row = c.columns * c.sum_width, bit_length(c.block - 1)
    made.add("increment", row + 1)
    made.add("and_or", row + 1 + 3)  # and the latches' pulse
    made.add("flop", row)
    made.include(written_census(c.block, width, "latch", x))
    chosen, steps = select_census(c.block, width, x)
    made.include(chosen)
    made.add("and_or", width, x)
    made.add("add", c.columns * (c.sum_width + 1), x)
    made.add("flop", width, x)
    first = (("increment", row + 1, 1), ("and_or", 1, 1))
    made.path(*first, *steps, ("and_or", 1, 1), ("add", c.sum_width + 1, 1))
    return made
