"""Counting of value changes: toggles and high time of every signal, for all waveform readers."""

import numpy as np
from numpy.typing import NDArray

from consilico.sim.silicon.activity.windows import WindowCounts

__all__ = ["NONE", "UNKNOWN", "Counter", "sorted_by_row"]

UNKNOWN, NONE = 2, 3  # values of a bit beside 0 and 1: neither of them, not seen yet
_RADIX = 1 << 16


class Counter:
    """Toggles and high time of every row, block after block.

    The first value after recording starts is no toggle. A change to or from x or z counts half.

    Args:
        rows: Signals, one bit each.
        windows: Where to count toggles by time, too.
    """

    def __init__(self, rows: int, windows: WindowCounts | None = None) -> None:
        self.rows = rows
        self._value = np.full(rows, NONE, dtype=np.uint8)
        self._since = np.zeros(rows, dtype=np.int64)
        self._halves = np.zeros(rows)
        self._high = np.zeros(rows)
        self._resumed: int | None = None
        self._spans: list[tuple[int, int]] = []
        self._windows = windows

    @property
    def recording(self) -> bool:
        """Whether changes count at present."""
        return self._resumed is not None

    def start(self, time: int) -> None:
        """Begin to record at a time in ticks."""
        self._resumed = time
        if self._windows is not None and not self._spans:
            self._windows.origin = time

    def stop(self, time: int) -> None:
        """Close the books; values that follow are first values again."""
        if self._resumed is not None:
            high = self._value == 1
            self._high[high] += time - self._since[high]
            self._spans.append((self._resumed, time))
        self._value[:] = NONE
        self._resumed = None

    def forget(self, row: NDArray[np.int64]) -> None:
        """Take the next value of some rows as their first."""
        self._value[row] = NONE

    def totals(self, time: int) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Stop at a time; toggles and high ticks by row, and the ticks recorded."""
        self.stop(time)
        if self._windows is not None:
            self._windows.close(self._spans)
        ticks = sum(end - begin for begin, end in self._spans)
        return self._halves / 2, self._high, ticks

    def add(
        self, row: NDArray[np.int64], time: NDArray[np.int64], value: NDArray[np.uint8]
    ) -> None:
        """Count changes: of one row after the other, and within a row by time."""
        if not len(row):
            return
        starting = np.concatenate(([True], row[1:] != row[:-1]))
        ending = np.concatenate((starting[1:], [True]))
        before, since = np.empty_like(value), np.empty_like(time)
        before[1:], since[1:] = value[:-1], time[:-1]
        first = row[starting]
        before[starting], since[starting] = self._value[first], self._since[first]
        changed = (before != NONE) & (before != value)
        known = (before < UNKNOWN) & (value < UNKNOWN)
        halves = changed * (1.0 + known)
        high = np.where(before == 1, time - since, 0).astype(np.float64)
        self._halves += np.bincount(row, weights=halves, minlength=self.rows)
        self._high += np.bincount(row, weights=high, minlength=self.rows)
        self._value[row[ending]] = value[ending]
        self._since[row[ending]] = time[ending]
        if self._windows is not None and changed.any():
            self._windows.add(row[changed], time[changed], halves[changed])


def sorted_by_row(row: NDArray[np.integer]) -> NDArray[np.int64]:
    """Order that sorts by row and keeps the order within a row; by radix, which is quick."""
    order: NDArray[np.int64] = np.argsort((row % _RADIX).astype(np.uint16), kind="stable")
    if len(row) and row.max() >= _RADIX:
        high = (row[order] // _RADIX).astype(np.uint16)
        order = order[np.argsort(high, kind="stable")]
    return order
