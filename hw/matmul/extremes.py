"""Greatest magnitudes of groups that pass by, as the group quantiser needs them."""

from collections.abc import Sequence

import numpy as np
from amaranth import Module, Mux, Signal, Value

from consilico.hw.cells import gated_domain
from consilico.hw.census import Census, Size

__all__ = ["maxima", "maxima_census", "maxima_stages"]

_LEVELS = 2  # comparisons that one stage does


def maxima_stages(lanes: int) -> int:
    """Pipeline stages in which the lanes of a beat are compared."""
    return -(-(lanes - 1).bit_length() // _LEVELS)


def maxima(
    m: Module, valid: Value, first: Value, last: Value, tracks: Sequence[Sequence[Value]]
) -> tuple[list[Value], Signal]:
    """Greatest value of each track over all lanes and beats of a group.

    Args:
        m: The module that gets the logic.
        valid: A beat comes.
        first: It is the first of its group.
        last: It is the last.
        tracks: For each maximum wanted, an unsigned value a lane.

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
    """Greater values of neighbours; a value without a neighbour stays."""
    pairs = [_greater(m, a, b) for a, b in zip(values[:-1:2], values[1::2], strict=True)]
    return [*pairs, values[-1]] if len(values) % 2 else pairs


def _greater(m: Module, a: Value, b: Value) -> Value:
    result = Signal(max(len(a), len(b)), name="greater")
    m.d.comb += result.eq(Mux(a > b, a, b))
    return result


def maxima_census(
    lanes: Size, width: Size, tracks: int, drivers: Sequence[str], *, changes: Size
) -> Census:
    """Operators of :func:`maxima`, and its longest path.

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
