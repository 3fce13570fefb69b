"""The text of a VCD's value changes, cut into words by array operations."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BAD", "KEYWORD", "PADDING", "SCALAR", "TIME", "VECTOR", "Words", "cut"]

BAD, SCALAR, VECTOR, REAL, TIME, KEYWORD, _CODE = range(7)
PADDING = b"\n\0\0\0\0"  # what must stand behind a block: the end of its last line, a whole word
_NEWLINE, _SPACE = 10, 32


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
    """Commands of a block in file order: value changes, times, keywords."""

    kind: NDArray[np.uint8]
    start: NDArray[np.int64]  # first byte of each
    end: NDArray[np.int64]  # byte behind it; of a vector or real, behind its value
    code_start: NDArray[np.int64]  # identifier code of a value change
    code_end: NDArray[np.int64]


def cut(block: bytes) -> Words:
    """Cut a block of whole lines, comments taken out, that ends with ``PADDING``.

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
