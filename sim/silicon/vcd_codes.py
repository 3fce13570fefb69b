"""Identifier codes of a VCD: which signal a short text stands for."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codes"]

_MIX = 0x9E3779B97F4A7C15  # odd 64-bit multiplier (golden ratio): spreads codes of any length
_MASK = (1 << 64) - 1


class Codes:
    """Identifier codes of a dump, and the rows of the signals they stand for."""

    def __init__(self) -> None:
        self.rows = 0
        self._known: dict[int, tuple[int, int]] = {}  # first row (-1: not wanted) and width
        self._width: dict[int, int] = {}
        self.keys = np.empty(0, dtype=np.uint64)
        self.first = np.empty(0, dtype=np.int64)
        self.width = np.empty(0, dtype=np.int64)

    def add(self, code: str, width: int, *, kept: bool) -> int:
        """Note a variable of that code; the first row of its bits (lowest first), if kept."""
        key = 0
        for byte in code.encode("latin-1"):
            key = (key * _MIX + byte + 1) & _MASK
        first, known = self._known.get(key, (-1, width))
        if kept and (first < 0 or known < width):
            first = self.rows
            self.rows += width
        self._known[key] = first, max(known, width)
        return first

    def freeze(self) -> None:
        """Make the tables that :meth:`find` searches."""
        keys = sorted(self._known)
        self.keys = np.array(keys, dtype=np.uint64)
        pairs = np.array([self._known[key] for key in keys], dtype=np.int64).reshape(-1, 2)
        self.first, self.width = pairs[:, 0], pairs[:, 1]

    def find(
        self, data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Index of the code between each of ``starts`` and ``ends``, and whether it is known."""
        key = np.zeros(len(starts), dtype=np.uint64)
        length = ends - starts
        for position in range(int(length.max(initial=0))):
            more = length > position
            byte = data[np.where(more, starts + position, 0)].astype(np.uint64)
            key = np.where(more, key * np.uint64(_MIX) + byte + np.uint64(1), key)
        if not len(self.keys):
            return np.zeros(len(key), dtype=np.int64), np.zeros(len(key), dtype=np.bool_)
        index = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        return index, self.keys[index] == key
