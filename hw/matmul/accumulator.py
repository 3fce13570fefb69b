"""The last stage of a dot product: sums of beats, one result for each beat with ``last``."""

from collections.abc import Sequence

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import data

from consilico.hw.census import Census, Size, Step
from consilico.hw.pipeline import Pipeline

__all__ = ["accumulate", "accumulate_census", "sum_layout"]


def sum_layout(width: int, *, saturates: bool) -> data.StructLayout:
    """Payload of a result: the sum and, if it saturates, whether a partial sum did."""
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
    """Add a beat to the accumulator in the pipeline's last stage; the first of a sum replaces it.

    Args:
        m: The module that gets the logic.
        pipeline: Its ``delivers`` is ``ends``.
        beat: Signed sum of the beat in the stage before the last.
        last: Whether that beat ends a sum.
        ends: Gets ``last`` of the beat in the last stage.
        payload: Of the output stream, :func:`sum_layout`.
        saturates: Clamp every partial sum to the width of the result, instead of wrapping.
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
    """Operators of :func:`accumulate`, and its longest path.

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
