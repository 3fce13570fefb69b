"""Identifier codes of a VCD: which signal a short text stands for."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNKNOWN_CODE", "Codes"]

UNKNOWN_CODE = -1
_SHORT = 3  # bytes of a code that the table holds: enough for 830,000 signals
_MIX = 0x9E3779B97F4A7C15  # odd 64-bit multiplier (golden ratio): spreads codes of any length
_MASK = (1 << 64) - 1
_KEPT = np.array([0, 0xFF, 0xFFFF, 0xFFFFFF, 0], dtype=np.uint32)  # bytes of a word, by length


class Codes:
    """Identifier codes of a dump, and the rows of the signals they stand for."""

    def __init__(self) -> None:
        self.rows = 0
        self._known: dict[str, tuple[int, int]] = {}  # first row (-1: not wanted) and width
        self._short = np.empty(0, dtype=np.int32)
        self._hashes = np.empty(0, dtype=np.uint64)
        self._long = np.empty(0, dtype=np.int32)
        self.first = np.empty(0, dtype=np.int64)
        self.width = np.empty(0, dtype=np.int64)

    def add(self, code: str, width: int, *, kept: bool) -> int:
        """Note a variable of that code; the first row of its bits (lowest first), if kept."""
        first, known = self._known.get(code, (-1, width))
        if kept and (first < 0 or known < width):
            first = self.rows
            self.rows += width
        self._known[code] = first, max(known, width)
        return first

    def freeze(self, wanted: NDArray[np.bool_]) -> None:
        """Make the tables that :meth:`find` searches.

        Args:
            wanted: Rows whose changes are wanted, shape ``(rows,)``.
        """
        pairs = np.array(list(self._known.values()), dtype=np.int64).reshape(-1, 2)
        self.first, self.width = pairs[:, 0].copy(), pairs[:, 1]
        # of a vector all bits are read, or none
        before = np.concatenate(([0], np.cumsum(wanted)))
        kept = np.flatnonzero(self.first >= 0)
        start = self.first[kept]
        none = before[start + self.width[kept]] == before[start]
        self.first[kept[none]] = -1
        # zeros are not touched until they are written: most of the table takes no memory
        self._short = np.zeros(1 << 8 * _SHORT, dtype=np.int32)
        long: list[tuple[int, int]] = []
        for index, code in enumerate(self._known):
            raw = code.encode("latin-1")
            if len(raw) <= _SHORT:
                self._short[int.from_bytes(raw, "little")] = index + 1
            else:
                key = 0
                for byte in raw:
                    key = (key * _MIX + byte + 1) & _MASK
                long.append((key, index))
        long.sort()
        self._hashes = np.array([key for key, _ in long], dtype=np.uint64)
        self._long = np.array([index for _, index in long], dtype=np.int32)

    def find(
        self, block: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """Index of the code between each of ``starts`` and ``ends``, or ``UNKNOWN_CODE``.

        Args:
            block: Text, with at least four bytes behind the last start.
            starts: First byte of each code.
            ends: Byte behind each code.
        """
        words = np.ndarray(len(block) - 3, dtype="<u4", buffer=block, strides=(1,))
        length = ends - starts
        code = words[starts] & _KEPT[np.minimum(length, _SHORT + 1)]
        index: NDArray[np.int32] = self._short[code] - np.int32(1)
        if len(self._hashes) and (long := np.flatnonzero(length > _SHORT)).size:
            index[long] = self._find_long(block, starts[long], length[long])
        return index

    def _find_long(
        self, block: bytes, starts: NDArray[np.int64], length: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        data = np.frombuffer(block, dtype=np.uint8)
        key = np.zeros(len(starts), dtype=np.uint64)
        for position in range(int(length.max())):
            more = length > position
            byte = data[np.where(more, starts + position, 0)].astype(np.uint64)
            key = np.where(more, key * np.uint64(_MIX) + byte + np.uint64(1), key)
        at = np.minimum(np.searchsorted(self._hashes, key), len(self._hashes) - 1)
        return np.where(self._hashes[at] == key, self._long[at], np.int32(UNKNOWN_CODE))
