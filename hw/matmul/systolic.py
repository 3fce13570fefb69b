"""Systolic array with its controller. Golden model: :mod:`consilico.golden.matmul.systolic`."""

from typing import Any

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from consilico.golden.matmul.systolic_config import SystolicConfig
from consilico.hw.census import Batch, Census
from consilico.hw.matmul.systolic_array import (
    SystolicArray,
    array_census,
    beat_layout,
    result_layout,
)
from consilico.hw.matmul.systolic_control import (
    control_census,
    control_outputs,
    control_weights,
    shape_layout,
)

__all__ = ["Systolic", "census"]


class Systolic(wiring.Component):
    """Products of matrices; throughput one beat a cycle, ``rows * columns`` products.

    A reset drops the job that has begun.

    Members:
        i: In, :func:`consilico.hw.matmul.systolic_array.beat_layout`, in the order of
            :func:`consilico.golden.matmul.systolic.job_beats`. Lanes beyond a matrix must be 0.
        o: Out, ``columns`` results of a row of a tile; lanes beyond the matrix are 0.
        cfg: In, :func:`systolic_control.shape_layout`, of the jobs that follow; taken
            between two jobs. Reset keeps it.
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
    """Operators of :class:`Systolic`, and its longest paths."""
    made, control = array_census(c, ("x",), ("w",)), control_census(c)
    made.include(control)
    made.paths += control.paths
    return made
