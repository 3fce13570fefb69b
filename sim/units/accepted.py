"""Represent what a unit accepted, in order, and what a golden model says must come of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from consilico.sim.units.layout import Layouts, Values
from consilico.sim.units.stimulus import Kind

__all__ = [
    "Accepted",
    "Expected",
    "GoldenResults",
    "one_cycle_per_beat",
    "one_cycle_per_item",
    "waiting",
]


class Expected(NamedTuple):
    """Results that are due for the items that a unit accepted."""

    completes: NDArray[np.uint16]  # (items,), beats on ``o`` that come once the item is taken
    expected: NDArray[np.uint8]  # (beats on ``o``, bytes of ``o``), in order
    coverage: dict[str, int]  # coverage points that items and results hit: times


@dataclass(frozen=True, kw_only=True)
class GoldenResults:
    """Results of a golden model for the beats of data of an :class:`Accepted`."""

    beats: Values  # fields of the beats on ``o``, in order
    # (beats of data,): beats on ``o`` that come once one is taken; None: one for each
    completes: NDArray[np.integer] | None = None


class Accepted:
    """Items that a unit accepted from power-up on, in order, with their payloads decoded.

    A beat on ``cfg`` and a beat on ``i`` that are accepted in the same cycle stand in this order,
    the configuration first: as every unit's document says, it holds for that beat already. What is
    accepted in a cycle with reset stands before the reset.

    Args:
        kind: Values of :class:`~consilico.sim.units.stimulus.Kind`, shape ``(items,)``.
        bits: Their payloads, packed, shape ``(items, bytes)``.
        layouts: Layouts of the unit's streams.
    """

    def __init__(self, kind: NDArray[np.uint8], bits: NDArray[np.uint8], layouts: Layouts) -> None:
        self.kind: NDArray[np.uint8] = kind
        self._bits, self._layouts = bits, layouts
        self.is_beat: NDArray[np.bool_] = kind == Kind.DATA  # (items,)

    @property
    def beats(self) -> int:
        """Return the number of beats of data."""
        return int(self.is_beat.sum())

    @cached_property
    def data(self) -> dict[str, NDArray[np.int64]]:
        """Return the fields of the beats of data, by name: ``(beats,)`` or ``(beats, lanes)``."""
        return self._layouts.i.unpack(self._bits[self.is_beat])

    def with_data(self, values: Values) -> "Accepted":
        """Return the same items with other values in some fields of the beats of data.

        Args:
            values: Fields by name, of shapes as in :attr:`data`.
        """
        other = Accepted(self.kind, self._bits, self._layouts)
        other.__dict__["data"] = {**self.data, **values}  # where the cached property keeps it
        return other

    @cached_property
    def loads(self) -> dict[str, NDArray[np.int64]]:
        """Return the fields of the beats of configuration: ``(loads,)`` or ``(loads, lanes)``."""
        return self._layouts.cfg.unpack(self._bits[self.kind == Kind.CONFIG])

    @cached_property
    def loads_before(self) -> NDArray[np.int64]:
        """Return how many beats of configuration came before each beat of data, ``(beats,)``."""
        return self._before(Kind.CONFIG)

    @cached_property
    def resets_before(self) -> NDArray[np.int64]:
        """Return how many resets came before each beat of data, ``(beats,)``."""
        return self._before(Kind.RESET)

    def _before(self, kind: Kind) -> NDArray[np.int64]:
        counts: NDArray[np.int64] = np.cumsum(self.kind == kind, dtype=np.int64)
        return counts[self.is_beat]

    @cached_property
    def cut(self) -> NDArray[np.bool_]:
        """Return whether no beat of data follows before the next reset, or at all, ``(beats,)``."""
        return np.append(np.diff(self.resets_before) > 0, True)[: self.beats]

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Return the number of each beat of data since the last reset, from 0, ``(beats,)``."""
        numbers = np.arange(self.beats)
        first = np.flatnonzero(np.diff(self.resets_before, prepend=-1))
        return numbers - np.repeat(first, np.diff(np.append(first, self.beats)))

    def groups(self, beats: int) -> NDArray[np.int64]:
        """Return which beats of data are in each group that is complete, ``(groups, beats)``.

        Groups follow one another from every reset on; one that a reset cuts is left out.

        Args:
            beats: Beats of a group.
        """
        ends = np.flatnonzero(self.place % beats == beats - 1)
        return ends[:, None] + np.arange(1 - beats, 1)

    @cached_property
    def in_force(self) -> dict[str, NDArray[np.int64]]:
        """Return the fields of the configuration that each beat of data meets.

        That is the last beat of configuration before it; a reset keeps it.

        Raises:
            ValueError: If a beat of data comes before the first configuration: registers of
                constants have no reset, so what they hold until then is undefined.
        """
        if self.beats and not self.loads_before[0]:
            raise ValueError("a beat of data comes before the first configuration")
        return {name: values[self.loads_before - 1] for name, values in self.loads.items()}

    def last_load(self, of: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the last configuration of some kind before each beat of data, ``(beats,)``.

        Args:
            of: Which beats of configuration are of that kind, shape ``(loads,)``.

        Raises:
            ValueError: If a beat of data comes before the first of them.
        """
        last = np.maximum.accumulate(np.where(of, np.arange(len(of)), -1))
        found: NDArray[np.int64] = np.append(-1, last)[self.loads_before]
        if (found < 0).any():
            raise ValueError("a beat of data comes before the first configuration")
        return found

    def between_loads(self) -> Iterator[tuple[slice, dict[str, NDArray[np.int64]]]]:
        """Yield the beats of data that meet one state of the configuration, and what led to it.

        That is simplest where a beat of configuration writes a part of the state, such as an entry
        of a table; in a call of NumPy for all beats of data, :attr:`loads_before` is quicker.

        Yields:
            The beats of data, and the fields of all beats of configuration before them, in order:
            shape ``(loads,)`` or ``(loads, lanes)``. A reset keeps the configuration.
        """
        starts = np.flatnonzero(np.diff(self.loads_before, prepend=-1)).tolist()
        for first, end in pairwise((*starts, self.beats)):
            loads = self.loads_before[first]
            yield slice(first, end), {name: part[:loads] for name, part in self.loads.items()}

    @cached_property
    def beats_before_load(self) -> NDArray[np.int64]:
        """Return how many beats of data came before each beat of configuration, ``(loads,)``."""
        counts: NDArray[np.int64] = np.cumsum(self.is_beat, dtype=np.int64)
        is_load: NDArray[np.bool_] = self.kind == Kind.CONFIG
        return counts[is_load]


def one_cycle_per_beat(config: Any, accepted: Accepted) -> NDArray[np.int64]:
    """Return the cycles of items where configuration is taken along with data, and costs none."""
    cycles: NDArray[np.int64] = np.where(accepted.kind == Kind.CONFIG, 0, 1)
    return cycles


def one_cycle_per_item(config: Any, accepted: Accepted) -> NDArray[np.int64]:
    """Return the cycles of items where no data is taken in a cycle that takes configuration."""
    return np.ones(len(accepted.kind), dtype=np.int64)


def waiting(
    cycles: NDArray[np.int64], ends: NDArray[np.bool_], least: NDArray[np.int64], accepted: Accepted
) -> NDArray[np.int64]:
    """Return the cycles of items of which some wait until a number of cycles after the last such.

    Args:
        cycles: What the items take if nothing waits, shape ``(items,)``.
        ends: The items that may wait.
        least: Of these, the least number of cycles to the next one.
        accepted: The items; with a reset nobody waits any more.
    """
    result = cycles.copy()
    until = np.cumsum(cycles)  # cycle in which each item is taken, if nothing waits
    before, needed = 0, 0  # the last one that may make another wait
    for item in np.flatnonzero(ends | (accepted.kind == Kind.RESET)).tolist():
        if ends[item]:
            result[item] += max(0, needed - int(until[item] - until[before]))
        before, needed = item, int(least[item]) if ends[item] else 0
    return result
