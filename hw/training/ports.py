"""What the training units share: input that waits while a constant is loaded."""

from typing import Any

from amaranth import Module
from amaranth.lib import stream

from consilico.hw.census import Census

__all__ = ["after_constants", "after_constants_census"]


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
