"""Toggles by signal and time window.

Memory is bounded: counts go to a temporary file once they are many, and are read back in chunks.
"""

import tempfile
import weakref
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError

__all__ = ["WindowCounts"]

Reals = NDArray[np.float64]
_MOST_WINDOWS = 1_000_000
_IN_MEMORY = 1 << 26  # bytes of counts before they go to disk
_CHUNK = 1 << 20  # counts read back at a time
_RECORD = np.dtype([("row", np.int32), ("window", np.int32), ("halves", np.int32)])


class WindowCounts:
    """Half toggles of every row in windows of equal width, the first at the first recorded time.

    Args:
        width: Ticks of a window.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.origin = 0
        self.recorded = np.zeros(0, dtype=np.int64)  # (windows,), ticks recorded in each
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 next line
        weakref.finalize(self, self._file.close)

    def add(self, row: NDArray[np.int64], time: NDArray[np.int64], halves: Reals) -> None:
        """Take in half toggles, sorted by row and time."""
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
        """Toggles times a weight, summed over the rows, by window.

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
