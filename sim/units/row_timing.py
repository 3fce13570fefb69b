"""Tell the cycles that units for whole rows take, and when they use the words of their buffers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.golden.attention.rows import RowConfig
from consilico.sim.units.accepted import Accepted
from consilico.sim.units.stimulus import Kind

__all__ = ["RowTiming", "row_cycles"]


@dataclass(frozen=True, kw_only=True)
class RowTiming:
    """Cycles of a unit for rows, as :class:`consilico.hw.attention.rows.TwoPasses` has them."""

    gather: int  # stages of pass 1
    deliver: int  # stages of pass 2
    holds: int = 1  # stages of pass 2 that read what is prepared
    prepares: int = 0  # cycles that preparation takes beyond one
    survey: int = 0  # beats of the longest row, if preparation begins with all of a row's
    constants: bool = False  # whether the unit has constants, which a reset makes it apply again
    drains: int = 0  # stages of pass 2 that constants wait for, where they wait and rows do not

    @property
    def latency(self) -> int:
        """Return the cycles from the last score of a row to its first result, nothing stalling.

        If that depends on the row, it is one that is as long as the buffer.
        """
        return self.gather + 1 + self.survey + self.prepares + 1 + self.deliver


def row_cycles(timing: RowTiming, config: RowConfig, accepted: Accepted) -> NDArray[np.int64]:
    """Return the cycles that each item takes at full speed.

    A beat waits for a free word in the buffer, and the first beat of a row for the sum of the row
    before to be taken; that waits for what is prepared before it, and that for pass 2.
    """
    depth = config.beats
    last = (accepted.data["last"] == 1).tolist()
    cycles = np.ones(len(accepted.kind), dtype=np.int64)
    beat = 0
    state = _Times(0, constants=timing.constants)
    for item, kind in enumerate(accepted.kind.tolist()):
        if kind == Kind.RESET:
            state = _Times(state.now + 1, constants=timing.constants)
            continue
        if kind == Kind.CONFIG:
            state.configure(timing)
            continue
        before = state.now
        state.take(timing, depth, ends=last[beat])
        cycles[item] = state.now - before
        beat += 1
    return cycles


class _Times:
    """Cycles in which a unit for rows took beats and used words of its buffer, since a reset."""

    def __init__(self, now: int, *, constants: bool) -> None:
        self.now = now
        self._words: list[int] = []  # cycle in which each word was used
        self._taken: list[int] = []  # cycles in which the beats of the row were taken
        self._opened = 0  # cycle from which on the next row may begin
        # cycle in which constants were taken that no row has had yet
        self._configured: int | None = now if constants else None
        self._started = self._passed = 0  # of the last row
        self._late: list[int] = []  # cycles in which words of a row that is too long were used

    def take(self, timing: RowTiming, depth: int, *, ends: bool) -> None:
        """Take a beat as early as possible."""
        number = len(self._words) + len(self._taken)
        now = self.now + 1
        if not self._taken:
            now = max(now, self._opened)
            if self._configured is not None:
                used = self._words[-1] if self._words else 0
                now = max(now, max(self._configured, used) + 2)
                self._configured = None
        if len(self._taken) >= depth:
            self._use_too_long(depth)
        if number >= depth:
            now = max(now, self._used(number - depth) + 1)
        self.now = now
        self._taken.append(now)
        if not ends:
            return
        beats, complete = len(self._taken), now + timing.gather
        if beats > depth:
            self._use_too_long(depth)
            self._words += self._late
            self._opened = max(complete, self._late[-1] + 1)
            self._late = []
        else:
            self._opened = max(complete, self._started)
            ready, free = self._opened + 1 + timing.prepares, self._passed + timing.holds - 1
            # a survey begins when the buffer is free to be read
            surveyed = max(ready, free + timing.prepares) + beats
            self._started = surveyed if timing.survey else max(ready, free)
            self._words += range(self._started + 1, self._started + beats + 1)
            self._passed = self._started + beats
        self._taken = []

    def configure(self, timing: RowTiming) -> None:
        """Take constants.

        The next row waits until the results of all rows before are on their way, or they do.
        """
        self.now += 1
        if timing.constants:
            self._configured = self.now
        elif self._words:
            self.now = max(self.now, self._opened + 1, self._words[-1] + timing.drains + 1)

    def _use_too_long(self, depth: int) -> None:
        """Use the words of a row that has filled the buffer, as far as they have come."""
        if not self._late:
            self._late = [self._taken[depth - 1] + 2]
        for taken in self._taken[len(self._late) :]:
            self._late.append(max(self._late[-1], taken) + 1)

    def _used(self, word: int) -> int:
        """Return the cycle in which a word was used."""
        if word < len(self._words):
            return self._words[word]
        return self._late[word - len(self._words)]
