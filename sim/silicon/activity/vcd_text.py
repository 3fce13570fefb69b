"""The text of a VCD in arrays: value changes cut into words, identifier codes looked up.

No Python object is made per change, which is what makes the reader quick.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BAD",
    "KEYWORD",
    "PADDING",
    "REAL",
    "SCALAR",
    "TIME",
    "UNKNOWN_CODE",
    "VECTOR",
    "Codes",
    "Words",
    "cut",
]

BAD, SCALAR, VECTOR, REAL, TIME, KEYWORD, _CODE = range(7)
PADDING = b"\n\0\0\0\0"  # what must stand behind a block: the end of its last line, a whole word
_NEWLINE, _SPACE = 10, 32
UNKNOWN_CODE = -1
_SHORT = 3  # bytes of a code that the table holds: enough for 830,000 signals
_MIX = 0x9E3779B97F4A7C15  # odd 64-bit multiplier (golden ratio): spreads codes of any length
_MASK = (1 << 64) - 1
_KEPT = np.array([0, 0xFF, 0xFFFF, 0xFFFFFF, 0], dtype=np.uint32)  # bytes of a word, by length


def _table() -> NDArray[np.uint8]:
    table = np.full(256, BAD, dtype=np.uint8)
    for characters, kind in (
        ("01xXzZuU-", SCALAR), ("bB", VECTOR), ("rRsS", REAL), ("#", TIME), ("$", KEYWORD),
    ):  # fmt: skip
        table[[ord(character) for character in characters]] = kind
    return table


_KIND = _table()


@dataclass(frozen=True, eq=False)
class Words:
    """The commands of a block in file order: value changes, times, keywords."""

    kind: NDArray[np.uint8]
    start: NDArray[np.int64]  # first byte of each
    end: NDArray[np.int64]  # byte behind it; of a vector or real, behind its value
    code_start: NDArray[np.int64]  # identifier code of a value change
    code_end: NDArray[np.int64]


def cut(block: bytes) -> Words:
    """Cut a block of whole lines, without comments, that ends with ``PADDING`` into commands.

    A line that holds one command, as simulators write it, is found quicker than words in free
    layout.
    """
    data = np.frombuffer(block, dtype=np.uint8)[: -len(PADDING) + 1]
    end = np.flatnonzero(data == _NEWLINE)
    start = np.empty_like(end)
    start[0], start[1:] = 0, end[:-1] + 1
    if not len(data) or data[0] == _NEWLINE or (np.diff(end) == 1).any():  # empty lines
        return _free(data)
    kind = _KIND[data[start]]
    pair = np.flatnonzero((kind == VECTOR) | (kind == REAL))
    blank = np.flatnonzero(data <= _SPACE)
    if len(blank) != len(end) + len(pair):
        return _free(data)
    code_start, value_end = start + 1, end
    if len(pair):
        space = blank[data[blank] == _SPACE]
        if len(space) != len(pair) or not ((space > start[pair]) & (space < end[pair])).all():
            return _free(data)
        code_start[pair] = space + 1
        value_end = end.copy()
        value_end[pair] = space
    return Words(kind, start, value_end, code_start, end)


def _free(data: NDArray[np.uint8]) -> Words:
    """Cut a block word by word."""
    edges = np.diff((data > _SPACE).astype(np.int8), prepend=0, append=0)
    start, end = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    kind = _KIND[data[start]]
    pair = (kind == VECTOR) | (kind == REAL)
    # The word after a vector or real is its code, and may itself begin with b or r: in a run of
    # such words, every second is a code.
    index = np.arange(len(kind))
    run = index - np.maximum.accumulate(np.where(pair, 0, index + 1))
    value = pair & (run % 2 == 0)
    if len(value) and value[-1]:  # no code follows
        kind[-1] = BAD
        value[-1] = False
    code = np.concatenate(([False], value[:-1])) if len(value) else value
    code_start, code_end = start + 1, end.copy()
    at = np.flatnonzero(value)
    code_start[at], code_end[at] = start[at + 1], end[at + 1]
    kept = ~code
    return Words(kind[kept], start[kept], end[kept], code_start[kept], code_end[kept])


class Codes:
    """The identifier codes of a dump, and the rows of the signals they stand for."""

    def __init__(self) -> None:
        self.rows = 0
        # by code: first row (-1: not wanted) and width (0: no bits, such as a real number)
        self._known: dict[str, tuple[int, int]] = {}
        self._short = np.empty(0, dtype=np.int32)
        self._hashes = np.empty(0, dtype=np.uint64)
        self._long = np.empty(0, dtype=np.int32)
        self.first = np.empty(0, dtype=np.int64)
        self.width = np.empty(0, dtype=np.int64)

    def add(self, code: str, width: int, *, kept: bool) -> int:
        """Note a declared variable and its identifier code.

        Args:
            code: Its identifier code; variables of one code are one signal.
            width: Its bits; 0 of a variable that has none, such as a real number.
            kept: Whether its changes are wanted.

        Returns:
            The row of its lowest bit; -1 where it is not kept.

        Raises:
            ValueError: If the code stands for a variable of another width already.
        """
        first, known = self._known.get(code, (-1, width))
        if known != width:
            raise ValueError(f"the code {code[:40]} stands for {known} and for {width} bits")
        if kept and first < 0:
            first = self.rows
            self.rows += width
        self._known[code] = first, width
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
        """Return the indices of codes in a block, ``UNKNOWN_CODE`` for one that nobody declared.

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
