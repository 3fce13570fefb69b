"""Value changes of a VCD, a block at a time, in arrays: no Python object per change."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.count import UNKNOWN, Counter, sorted_by_row
from consilico.sim.silicon.activity.vcd_codes import Codes
from consilico.sim.silicon.activity.vcd_words import (
    BAD,
    KEYWORD,
    PADDING,
    SCALAR,
    TIME,
    VECTOR,
    Words,
    cut,
)

__all__ = ["Events"]

_VALUE = np.full(256, UNKNOWN, dtype=np.uint8)
_VALUE[[ord("0"), ord("1")]] = 0, 1


class Events:
    """Hands the changes of a dump to a counter.

    Args:
        codes: Identifier codes, frozen.
        counter: What counts.
        path: The dump, for messages.
    """

    def __init__(self, codes: Codes, counter: Counter, path: Path) -> None:
        self._codes = codes
        self._counter = counter
        self._path = path
        self._paused = False
        self.now = 0  # ticks

    def add(self, block: bytes) -> None:
        """Take in whole lines of the dump.

        Raises:
            UserError: If they are not value changes of declared signals, or time runs backwards.
        """
        if b"$comment" in block:
            block = re.sub(rb"\$comment\s.*?\$end", b"", block, flags=re.S)
        if not block.strip():
            return
        block = block.removesuffix(b"\n") + PADDING
        words = cut(block)
        if (wrong := words.kind == BAD).any():
            self._damaged(block, words, np.flatnonzero(wrong))
        stamps = np.flatnonzero(words.kind == TIME)
        times = self._times(block, words, stamps)
        begin = 0
        for at in np.flatnonzero(words.kind == KEYWORD).tolist():
            word = block[words.start[at] : words.end[at]]
            if word not in (b"$dumpoff", b"$dumpon"):
                continue
            self._changes(block, words, stamps, times, begin, at)
            begin = at
            if word == b"$dumpoff":
                self._counter.stop(self.now)
            self._paused = word == b"$dumpoff"
        self._changes(block, words, stamps, times, begin, len(words.kind))

    def _times(self, block: bytes, words: Words, stamps: NDArray[np.int64]) -> NDArray[np.int64]:
        """Time in ticks before the first time stamp of a block, and from each of them on."""
        data = np.frombuffer(block, dtype=np.uint8)
        first = words.start[stamps] + 1
        length = words.end[stamps] - first
        values = np.zeros(len(stamps), dtype=np.int64)
        for position in range(int(length.max(initial=0))):
            more = length > position
            digit = data[np.where(more, first + position, 0)].astype(np.int64) - ord("0")
            if (wrong := more & ((digit < 0) | (digit > 9))).any():
                self._damaged(block, words, stamps[wrong])
            values = np.where(more, values * 10 + digit, values)
        known = np.concatenate(([self.now], values))
        back = np.diff(known) < 0
        if not self._counter.recording and len(back):
            back[0] = False
        if back.any():
            self._damaged(block, words, stamps[back], "time runs backwards at ")
        return known

    def _changes(
        self,
        block: bytes,
        words: Words,
        stamps: NDArray[np.int64],
        times: NDArray[np.int64],
        begin: int,
        end: int,
    ) -> None:
        """Take in the commands of a part of a block in which recording is on or off."""
        kind = words.kind[begin:end]
        scalar = np.flatnonzero(kind == SCALAR) + begin
        vector = np.flatnonzero(kind == VECTOR) + begin
        seen = int(np.searchsorted(stamps, end))
        at_begin = int(times[np.searchsorted(stamps, begin)])
        self.now = int(times[seen])
        if self._paused:
            return
        if not self._counter.recording:
            first = [int(which[0]) for which in (scalar, vector) if len(which)]
            inside = stamps[(stamps >= begin) & (stamps < end)]
            if len(inside) and not any(change < inside[0] for change in first):
                at_begin = int(times[np.searchsorted(stamps, inside[0]) + 1])
            elif not first:
                return
            self._counter.start(at_begin)
        place, row, value = self._scalars(block, words, scalar)
        order = sorted_by_row(row)
        time = times[np.searchsorted(stamps, place[order], side="right")]
        self._counter.add(row[order], time, value[order])
        if len(vector):
            place, row, value = self._vectors(block, words, vector)
            time = times[np.searchsorted(stamps, place, side="right")]
            self._counter.add(row, time, value)

    def _find(self, block: bytes, words: Words, which: NDArray[np.int64]) -> NDArray[np.int32]:
        index = self._codes.find(block, words.code_start[which], words.code_end[which])
        if (unknown := index < 0).any():
            self._damaged(block, words, which[unknown], "undeclared signal in ")
        return index

    def _scalars(
        self, block: bytes, words: Words, which: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        """Place, row and value of the changes of one bit that are wanted."""
        row = self._codes.first[self._find(block, words, which)]
        kept = row >= 0
        which = which[kept]
        data = np.frombuffer(block, dtype=np.uint8)
        return which, row[kept], _VALUE[data[words.start[which]]]

    def _vectors(
        self, block: bytes, words: Words, which: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        """Place, row and value of the bits of changed vectors that are wanted.

        A value shorter than its variable is continued with 0, or with x if it begins with x or z.
        """
        index = self._find(block, words, which)
        kept = np.flatnonzero(self._codes.first[index] >= 0)
        kept = kept[sorted_by_row(index[kept])]
        index, which = index[kept], which[kept]
        starting = np.flatnonzero(np.diff(index, prepend=-1))  # changes of one vector after another
        count = np.diff(np.append(starting, len(index)))
        width = self._codes.width[index[starting]]
        # of each vector all changes of its lowest bit, then those of the next
        row = np.repeat(self._codes.first[index[starting]], width) + _ordinals(width)
        bit = np.repeat(_ordinals(width), np.repeat(count, width))
        change = np.repeat(starting, count * width) + _ordinals(np.repeat(count, width))
        data = np.frombuffer(block, dtype=np.uint8)
        start, end = words.start[which], words.end[which]
        at = end[change] - 1 - bit
        lowest = start[change] + 1
        value = _VALUE[data[np.maximum(at, lowest)]]
        value[(at < lowest) & (value != UNKNOWN)] = 0
        row = np.repeat(row, np.repeat(count, width))
        changed = np.ones(len(row), dtype=np.bool_)
        changed[1:] = (row[1:] != row[:-1]) | (value[1:] != value[:-1])
        return which[change[changed]], row[changed], value[changed]

    def _damaged(
        self, block: bytes, words: Words, which: NDArray[np.int64], problem: str = "cannot read "
    ) -> None:
        at = int(which[0])
        word = block[words.start[at] : words.code_end[at]][:40].decode("latin-1")
        raise UserError(f"{self._path}: damaged VCD: {problem}{word!r} after time {self.now}")


def _ordinals(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, ... within runs of given lengths."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
