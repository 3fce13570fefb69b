"""Represent what is driven into a unit and what must come out, as packed bits."""

from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kind", "Ports", "Stimulus", "beginning", "prefix", "repeat"]


class Kind(IntEnum):
    """Kind of an item of a stimulus."""

    DATA = 0  # a beat on the ``i`` stream
    CONFIG = 1  # a beat on the ``cfg`` stream, applied before every later DATA item
    RESET = 2  # one cycle of ``rst``: results accepted but not yet delivered are dropped


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Payload widths, in bits, of a unit's three streams (``cfg_width`` 0: no such port)."""

    i_width: int
    o_width: int
    cfg_width: int = 0


@dataclass(frozen=True, kw_only=True)
class Stimulus:
    """Items that are driven into a unit, and the results that must come out, in order.

    Rows are little-endian bytes: bit ``j`` of a payload is bit ``j % 8`` of byte ``j // 8``.
    """

    kind: NDArray[np.uint8]  # (items,), values of :class:`Kind`
    bits: NDArray[np.uint8]  # (items, bytes), wide enough for the wider of ``i`` and ``cfg``
    completes: NDArray[np.uint16]  # (items,), beats on ``o`` that come once the item is taken
    expected: NDArray[np.uint8]  # (beats on ``o``, bytes of ``o``)
    results: int  # results checked, all lanes counted (a beat of 16 lanes has 16)
    operations: int  # what the unit's energy is given for, such as multiply-accumulates
    coverage: dict[str, int] = field(default_factory=dict)  # coverage point: times hit

    def __post_init__(self) -> None:
        lengths = {len(self.kind), len(self.bits), len(self.completes)}
        beats = int(self.completes.sum())
        if len(lengths) != 1 or beats != len(self.expected):
            raise ValueError(
                f"kind has {len(self.kind)} items, bits {len(self.bits)}, completes "
                f"{len(self.completes)} for {beats} beats; expected has {len(self.expected)}"
            )

    def results_in(self, beats: int) -> int:
        """Return the results, all lanes counted, in so many of the beats on ``o``."""
        return self.results * beats // max(1, len(self.expected))


def prefix(stimulus: Stimulus, items: int) -> Stimulus:
    """Return the first items of a stimulus, without coverage, which counts the whole."""
    completes = stimulus.completes[:items]
    beats = int(completes.sum())
    return Stimulus(
        kind=stimulus.kind[:items],
        bits=stimulus.bits[:items],
        completes=completes,
        expected=stimulus.expected[:beats],
        results=stimulus.results_in(beats),
        operations=stimulus.operations * beats // max(1, len(stimulus.expected)),
    )


def beginning(stimulus: Stimulus, items: int) -> Stimulus:
    """Return the first items of a stimulus, more than asked for if none of them has a result."""
    first = np.flatnonzero(stimulus.completes)[:1] + 1  # empty where none has
    return prefix(stimulus, max([items, *first.tolist()]))


def repeat(stimulus: Stimulus, times: int) -> Stimulus:
    """Return a stimulus several times over.

    Raises:
        ValueError: If it relies on what was configured before it, so that the second round would
            see other constants than the first.
    """
    configures = bool((stimulus.kind == Kind.CONFIG).any())
    if configures and stimulus.kind[0] != Kind.CONFIG:
        raise ValueError("a stimulus is repeatable only if it begins with its configuration")
    return replace(
        stimulus,
        kind=np.tile(stimulus.kind, times),
        bits=np.tile(stimulus.bits, (times, 1)),
        completes=np.tile(stimulus.completes, times),
        expected=np.tile(stimulus.expected, (times, 1)),
        results=stimulus.results * times,
        operations=stimulus.operations * times,
        coverage={point: hits * times for point, hits in stimulus.coverage.items()},
    )
