"""Counting of value changes: toggles and high time of every signal, for all waveform readers.

Toggles by time window need more memory than their totals. They go to a temporary file once they
are many, and are read back in chunks.
"""

import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError

__all__ = [
    "NONE", "UNKNOWN", "Changes", "Counter", "WindowCounts", "sorted_by_row", "window_counts",
]  # fmt: skip

UNKNOWN, NONE = 2, 3  # values of a bit in addition to 0 and 1: neither of them, not seen yet
Reals = NDArray[np.float64]
_RADIX = 1 << 16
_MOST_WINDOWS = 1_000_000
_IN_MEMORY = 1 << 26  # bytes of counts before they go to disk
_CHUNK = 1 << 20  # counts read back at a time
_RECORD = np.dtype([("row", np.int32), ("window", np.int32), ("halves", np.int32)])


class WindowCounts:
    """Counts half toggles of every row in windows of equal width from the first recorded time on.

    Args:
        width: Width of a window in ticks.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.origin = 0
        self.recorded = np.zeros(0, dtype=np.int64)  # (windows,), ticks recorded in each
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 next line
        weakref.finalize(self, self._file.close)

    def add(self, row: NDArray[np.int64], time: NDArray[np.int64], halves: Reals) -> None:
        """Add half toggles, sorted by row and time."""
        window = (time - self.origin) // self.width
        changed = (row[1:] != row[:-1]) | (window[1:] != window[:-1])
        fresh = np.flatnonzero(np.concatenate(([True], changed)))
        record = np.empty(len(fresh), dtype=_RECORD)
        record["row"], record["window"] = row[fresh], window[fresh]
        record["halves"] = np.add.reduceat(halves, fresh)
        self._file.write(record.tobytes())

    def close(self, spans: list[tuple[int, int]]) -> None:
        """Note which time was recorded.

        Args:
            spans: Begin and end of each recorded span in ticks, in order.

        Raises:
            UserError: If there are too many windows.
        """
        count = -(-(spans[-1][1] - self.origin) // self.width) if spans else 0
        if count > _MOST_WINDOWS:
            raise UserError(
                f"the activity has {count:,} windows of that width; at most {_MOST_WINDOWS:,} are "
                f"accepted: take one {-(-count // _MOST_WINDOWS)} times as wide"
            )
        self.recorded = np.zeros(count, dtype=np.int64)
        for begin, end in spans:
            first, last = (begin - self.origin) // self.width, -(-(end - self.origin) // self.width)
            edges = self.origin + np.arange(first, last + 1) * self.width
            inside = np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin)
            self.recorded[first:last] += inside

    def sums(self, per_toggle: Reals) -> Reals:
        """Return toggles times a weight, summed over the rows, by window.

        Args:
            per_toggle: Weight of a toggle of each row, shape ``(rows,)``.

        Returns:
            Shape ``(windows,)``.
        """
        count = len(self.recorded)
        total = np.zeros(count)
        for record in self._records():
            window = np.minimum(record["window"], count - 1)  # changes at the very end
            weights = record["halves"] * (per_toggle[record["row"]] / 2)
            total += np.bincount(window, weights=weights, minlength=count)
        return total

    def _records(self) -> Iterator[NDArray[np.void]]:
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK * _RECORD.itemsize):
            yield np.frombuffer(chunk, dtype=_RECORD)


class Counter:
    """Counts the toggles and the high time of every row, block after block.

    The first value after recording starts is no toggle. A change to or from x or z counts half.

    Args:
        rows: Number of signals, one bit each.
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
        """Return whether changes count at present."""
        return self._resumed is not None

    def start(self, time: int) -> None:
        """Begin to record at a time in ticks."""
        self._resumed = time
        if self._windows is not None and not self._spans:
            self._windows.origin = time

    def stop(self, time: int) -> None:
        """Stop recording at a time in ticks; the next values of all rows are first values again."""
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
        """Stop at a time; return toggles and high ticks by row, and the ticks recorded."""
        self.stop(time)
        if self._windows is not None:
            self._windows.close(self._spans)
        ticks = sum(end - begin for begin, end in self._spans)
        return self._halves / 2, self._high, ticks

    def add(
        self, row: NDArray[np.int64], time: NDArray[np.int64], value: NDArray[np.uint8]
    ) -> None:
        """Count changes, which come one row after the other, and within a row by time."""
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


class Changes:
    """Keeps every change of every row, where :class:`Counter` only counts them.

    Args:
        path: The recording, for messages.
    """

    def __init__(self, path: Path) -> None:
        self.begin = 0  # ticks
        self.end = 0
        self._path = path
        self._recording = False
        self._parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]] = []

    @property
    def recording(self) -> bool:
        """Return whether changes are kept at present."""
        return self._recording

    def start(self, time: int) -> None:
        """Begin to record at a time in ticks.

        Raises:
            UserError: If the recording had begun before.
        """
        if self._parts:
            raise UserError(f"{self._path}: the recording pauses; accepted: one without a gap")
        self._recording = True
        self.begin = time

    def stop(self, time: int) -> None:
        """Stop recording; what follows is left out."""
        self._recording = False

    def add(
        self, row: NDArray[np.int64], time: NDArray[np.int64], value: NDArray[np.uint8]
    ) -> None:
        """Keep changes, which come one row after the other, and within a row by time."""
        if len(row):
            self._parts.append((row, np.maximum(time, self.begin), value))

    def of(self, row: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return times in ticks and values of one row, by time; the first is at the beginning."""
        rows, times, values = self._whole()
        kept = slice(*np.searchsorted(rows, (row, row + 1)).tolist())
        return times[kept], values[kept]

    def _whole(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        """Return all changes, by row and then by time."""
        if len(self._parts) > 1:
            rows, times, values = (np.concatenate(part) for part in zip(*self._parts, strict=True))
            order = np.lexsort((times, rows))
            self._parts = [(rows[order], times[order], values[order])]
        if not self._parts:
            empty = np.empty(0, dtype=np.int64)
            return empty, empty, np.empty(0, dtype=np.uint8)
        return self._parts[0]


def sorted_by_row(row: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the order that sorts by row and keeps the order within a row, by radix sort."""
    order: NDArray[np.int64] = np.argsort((row % _RADIX).astype(np.uint16), kind="stable")
    if len(row) and row.max() >= _RADIX:
        high = (row[order] // _RADIX).astype(np.uint16)
        order = order[np.argsort(high, kind="stable")]
    return order


def window_counts(window_s: float | None, tick_s: float, path: Path) -> WindowCounts | None:
    """Return empty counts by window, or None where no windows are asked for.

    Args:
        window_s: Width of a window.
        tick_s: Time unit of the file.
        path: The file, for messages.

    Raises:
        UserError: If the width is not a whole number of ticks of the file.
    """
    if window_s is None:
        return None
    ticks = round(window_s / tick_s)
    if ticks < 1 or abs(ticks * tick_s - window_s) > 1e-6 * window_s:
        raise UserError(
            f"the window of {window_s * 1e9:g} ns is no whole number of the time unit of {path}, "
            f"{tick_s * 1e9:g} ns"
        )
    return WindowCounts(ticks)
