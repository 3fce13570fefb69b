"""Build a pipeline between two streams whose stages hold still by clock gating."""

from typing import Any

from amaranth import Module, Signal, Value
from amaranth.lib import stream

from consilico.hw.cells import gated_domain
from consilico.hw.census import Census, Size

__all__ = ["Pipeline", "after_constants", "after_constants_census", "pipeline_census"]


class Pipeline:
    """Valid bits, back-pressure and one gated clock a stage.

    All stages move together, unless the last one holds a result that ``o`` does not take. Stages
    from 1 on have the clock domain ``stage{n}``, which ticks only when the stage moves and takes a
    valid beat: bubbles and stalls cost no clock energy. The caller registers the payload in stage
    0 while :attr:`advance`, lane by lane.

    Args:
        m: The module that gets the logic.
        i: Input stream.
        o: Output stream; its payload comes from registers of the last stage.
        stages: Number of stages; latency in cycles.
        delivers: Whether the beat in the last stage goes to ``o``; one that does not is absorbed,
            as by an accumulator. Comes from registers of the last stage.
    """

    def __init__(
        self, m: Module, i: Any, o: Any, stages: int, delivers: Value | None = None
    ) -> None:
        self.valid = [Signal(name=f"valid{stage}") for stage in range(stages)]
        self.advance = Signal(name="advance")  # the stages move in this cycle
        delivered = self.valid[-1] if delivers is None else self.valid[-1] & delivers
        m.d.comb += [
            self.advance.eq(o.ready | ~delivered),
            i.ready.eq(self.advance),
            o.valid.eq(delivered),
        ]
        arrives = i.valid
        for stage, valid in enumerate(self.valid):
            if stage:
                gated_domain(m, f"stage{stage}", self.advance & arrives)
            with m.If(self.advance):
                m.d.sync += valid.eq(arrives)
            arrives = valid

    def moves(self, stage: int) -> Any:
        """1 if ``stage`` takes a beat at the next edge, for registers that need a reset."""
        return self.advance & self.valid[stage - 1]

    def free(self, stage: int) -> Any:
        """1 if what the logic after ``stage`` uses may change at the next edge: the stage holds
        no beat, or passes it on.
        """  # noqa: D205
        return self.advance | ~self.valid[stage]


def pipeline_census(stages: Size, *, delivers: bool = False) -> Census:
    """Operators of a :class:`Pipeline` that is always busy.

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
    """The input stream, held back in cycles in which ``cfg`` is valid.

    So constants need no bypass to the beat that would be accepted in the same cycle.
    """
    held = stream.Signature(i.payload.shape()).create(path=("held",))
    m.d.comb += [
        held.valid.eq(i.valid & ~cfg.valid),
        held.payload.eq(i.payload),
        i.ready.eq(held.ready & ~cfg.valid),
    ]
    return held


def after_constants_census() -> Census:
    """Operators of :func:`after_constants`."""
    census = Census()
    census.add("and_or", 2)
    return census
