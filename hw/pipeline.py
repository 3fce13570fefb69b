"""Connect two streams by a pipeline whose stages hold still by clock gating."""

from typing import Any

from amaranth import Module, Signal, Value
from amaranth.lib import stream

from consilico.hw.cells import gated_domain
from consilico.hw.census import Census, Size

__all__ = ["Pipeline", "after_constants", "after_constants_census", "pipeline_census"]


class Pipeline:
    """Valid bits, back-pressure and one gated clock per stage, between two streams.

    All stages move together, unless the last one holds a result that ``o`` does not take. Every
    stage from 1 on has the clock domain ``stage{n}``, which ticks only when the stage moves and
    takes a valid beat, so bubbles and stalls cost no clock energy. The caller registers the payload
    in stage 0 in cycles in which :attr:`advance` is 1.

    Args:
        m: The module that gets the logic.
        i: Input stream.
        o: Output stream; its payload comes from registers of the last stage.
        stages: Number of stages, which is the latency in cycles.
        delivers: Whether the beat in the last stage goes to ``o``; one that does not is absorbed,
            as by an accumulator. It comes from registers of the last stage.
        prefix: What the names of the pipeline's signals and clock domains begin with.
    """

    def __init__(
        self,
        m: Module,
        i: Any,
        o: Any,
        stages: int,
        delivers: Value | None = None,
        *,
        prefix: str = "",
    ) -> None:
        self.valid = [Signal(name=f"{prefix}valid{stage}") for stage in range(stages)]
        self.advance = Signal(name=f"{prefix}advance")  # the stages move in this cycle
        delivered = self.valid[-1] if delivers is None else self.valid[-1] & delivers
        m.d.comb += [
            self.advance.eq(o.ready | ~delivered),
            i.ready.eq(self.advance),
            o.valid.eq(delivered),
        ]
        arrives = i.valid
        for stage, valid in enumerate(self.valid):
            if stage:
                gated_domain(m, f"{prefix}stage{stage}", self.advance & arrives)
            with m.If(self.advance):
                m.d.sync += valid.eq(arrives)
            arrives = valid

    def moves(self, stage: int) -> Any:
        """Return a signal that is 1 if ``stage`` takes a beat at the next edge.

        It serves registers that need a reset, which registers in a gated domain do not have.
        """
        return self.advance & self.valid[stage - 1]

    def free(self, stage: int) -> Any:
        """Return a signal that is 1 if the inputs of the logic after ``stage`` may change.

        This is so if at the next edge the stage holds no beat, or passes its beat on.
        """
        return self.advance | ~self.valid[stage]


def pipeline_census(stages: Size, *, delivers: bool = False) -> Census:
    """Return the operators of a :class:`Pipeline` that is always busy.

    Args:
        stages: Number of stages.
        delivers: Whether a signal says if the beat in the last stage goes to the output.
    """
    census = Census()
    census.add("and_or", 2 * stages + int(delivers))  # advance, resets, enables of clock gates
    census.add("mux", stages)
    census.add("flop", stages)
    census.add("clock_gate", stages - 1)
    return census


def after_constants(m: Module, i: Any, cfg: Any) -> Any:
    """Return the input stream, held back in cycles in which ``cfg`` is valid.

    Constants then need no bypass to a beat that would be accepted in the same cycle.

    Args:
        m: The module that gets the logic.
        i: Input stream.
        cfg: Stream of constants.
    """
    held = stream.Signature(i.payload.shape()).create(path=("held",))
    m.d.comb += [
        held.valid.eq(i.valid & ~cfg.valid),
        held.payload.eq(i.payload),
        i.ready.eq(held.ready & ~cfg.valid),
    ]
    return held


def after_constants_census() -> Census:
    """Return the operators of :func:`after_constants`."""
    census = Census()
    census.add("and_or", 2)
    return census
