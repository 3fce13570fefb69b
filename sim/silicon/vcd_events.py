"""Value changes of a VCD, a block at a time, in arrays: no Python object per change."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.errors import UserError
from sim.silicon.vcd_codes import Codes

__all__ = ["Tally"]

_BAD, _SCALAR, _VECTOR, _REAL, _TIME, _KEYWORD, _CODE = range(7)
_NONE, _X = 3, 2  # values of a bit beside 0 and 1: not seen yet, neither 0 nor 1


def _table(default: int, **groups: int) -> NDArray[np.uint8]:
    table = np.full(256, default, dtype=np.uint8)
    for characters, value in groups.items():
        table[[ord(character) for character in characters]] = value
    return table


_KIND = _table(_BAD, xXzZuU=_SCALAR, bB=_VECTOR, rRsS=_REAL)
_KIND[[ord("0"), ord("1"), ord("-"), ord("#"), ord("$")]] = (
    _SCALAR,
    _SCALAR,
    _SCALAR,
    _TIME,
    _KEYWORD,
)
_VALUE = _table(_X)
_VALUE[[ord("0"), ord("1")]] = 0, 1


class Tally:
    """Toggles and high time of every row, block after block."""

    def __init__(self, codes: Codes, path: Path) -> None:
        self._codes = codes
        self._path = path
        self._value = np.full(codes.rows, _NONE, dtype=np.uint8)
        self._since = np.zeros(codes.rows, dtype=np.int64)
        self._halves = np.zeros(codes.rows)
        self._high = np.zeros(codes.rows)
        self._now = 0
        self._resumed: int | None = None  # since when values are being recorded
        self._paused = False
        self._ticks = 0

    def totals(self) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Toggles and high ticks by row, and the ticks recorded. Ends the tally."""
        self._pause()
        return self._halves / 2, self._high, self._ticks

    def add(self, block: bytes) -> None:
        """Take in whole lines of the dump.

        Raises:
            UserError: If they are not value changes of declared signals, or time runs backwards.
        """
        if b"$comment" in block:
            block = re.sub(rb"\$comment\s.*?\$end", b"", block, flags=re.S)
        data = np.frombuffer(block, dtype=np.uint8)
        solid = data > 32
        edges = np.diff(solid.astype(np.int8), prepend=0, append=0)
        starts = np.flatnonzero(edges == 1)
        ends = np.flatnonzero(edges == -1)
        if not len(starts):
            return
        kind = _kinds(data[starts])
        if (kind == _BAD).any():
            self._damaged(block, starts, ends, kind == _BAD)
        times = self._times(block, data, starts, ends, kind)
        begin = 0
        for at in np.flatnonzero(kind == _KEYWORD):
            word = block[starts[at] : ends[at]]
            if word not in (b"$dumpoff", b"$dumpon"):
                continue
            self._changes(block, data, starts, ends, kind, times, slice(begin, int(at)))
            begin = int(at)
            self._now = int(times[at])
            if word == b"$dumpoff":
                self._pause()
                self._paused = True
            else:
                self._paused = False
        self._changes(block, data, starts, ends, kind, times, slice(begin, len(starts)))
        self._now = int(times[-1])

    def _pause(self) -> None:
        """Close the books at the present time; values that follow are first values again."""
        if self._resumed is not None:
            high = self._value == 1
            self._high[high] += self._now - self._since[high]
            self._ticks += self._now - self._resumed
        self._value[:] = _NONE
        self._resumed = None

    def _times(
        self,
        block: bytes,
        data: NDArray[np.uint8],
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        kind: NDArray[np.uint8],
    ) -> NDArray[np.int64]:
        """Time at each word of the block, in ticks."""
        stamps = np.flatnonzero(kind == _TIME)
        first, length = starts[stamps] + 1, ends[stamps] - starts[stamps] - 1
        values = np.zeros(len(stamps), dtype=np.int64)
        for position in range(int(length.max(initial=0))):
            more = length > position
            digit = data[np.where(more, first + position, 0)].astype(np.int64) - ord("0")
            wrong = more & ((digit < 0) | (digit > 9))
            if wrong.any():
                self._damaged(block, starts[stamps], ends[stamps], wrong)
            values = np.where(more, values * 10 + digit, values)
        known = np.concatenate(([self._now], values))
        back = np.diff(known) < 0
        if self._resumed is None and len(back):
            back[0] = False
        if back.any():
            self._damaged(block, starts[stamps], ends[stamps], back, "time runs backwards at ")
        at: NDArray[np.int64] = known[np.cumsum(kind == _TIME)]
        return at

    def _changes(
        self,
        block: bytes,
        data: NDArray[np.uint8],
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        kind: NDArray[np.uint8],
        times: NDArray[np.int64],
        part: slice,
    ) -> None:
        """Take in the value changes of a part of a block in which recording is on or off."""
        starts, ends, kind, times = starts[part], ends[part], kind[part], times[part]
        if self._paused or not len(kind):
            return
        if self._resumed is None:
            stamp = np.flatnonzero((kind == _TIME) | (kind == _SCALAR) | (kind == _VECTOR))
            if not len(stamp):
                return
            self._resumed = int(times[stamp[0]])
        scalar = np.flatnonzero(kind == _SCALAR)
        vector = np.flatnonzero(kind == _VECTOR)
        if len(vector) and vector[-1] + 1 >= len(kind):
            self._damaged(block, starts, ends, np.arange(len(kind)) == vector[-1])
        index, known = self._codes.find(data, starts[scalar] + 1, ends[scalar])
        if not known.all():
            self._damaged(block, starts[scalar], ends[scalar], ~known, "undeclared signal in ")
        row = self._codes.first[index]
        kept = row >= 0
        row, at = row[kept], scalar[kept]
        value = _VALUE[data[starts[at]]]
        if len(vector):
            index, known = self._codes.find(data, starts[vector + 1], ends[vector + 1])
            if not known.all():
                self._damaged(
                    block, starts[vector + 1], ends[vector + 1], ~known, "undeclared signal "
                )
            rows, owner, bits = _expand(self._codes, index, data, starts[vector], ends[vector])
            row = np.concatenate((row, rows))
            at = np.concatenate((at, vector[owner]))
            value = np.concatenate((value, bits))
        # By row, and within a row in the order of the file.
        order = np.argsort(row * len(kind) + at)
        self._count(row[order], times[at[order]], value[order])

    def _count(
        self, row: NDArray[np.int64], time: NDArray[np.int64], value: NDArray[np.uint8]
    ) -> None:
        """Count changes sorted by row and time."""
        if not len(row):
            return
        starting = np.concatenate(([True], row[1:] != row[:-1]))
        ending = np.concatenate((starting[1:], [True]))
        before = np.where(starting, self._value[row], np.roll(value, 1))
        since = np.where(starting, self._since[row], np.roll(time, 1))
        changed = (before != _NONE) & (before != value)
        halves = np.where(changed, np.where((before == _X) | (value == _X), 1.0, 2.0), 0.0)
        high = np.where(before == 1, time - since, 0).astype(np.float64)
        self._halves += np.bincount(row, weights=halves, minlength=self._codes.rows)
        self._high += np.bincount(row, weights=high, minlength=self._codes.rows)
        self._value[row[ending]] = value[ending]
        self._since[row[ending]] = time[ending]

    def _damaged(
        self,
        block: bytes,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        wrong: NDArray[np.bool_],
        problem: str = "cannot read ",
    ) -> None:
        at = int(np.flatnonzero(wrong)[0])
        word = block[starts[at] : ends[at]][:40].decode("latin-1")
        raise UserError(f"{self._path}: damaged VCD: {problem}{word!r} after time {self._now}")


def _kinds(first: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Kind of each word by its first character; the word after a vector or real is its code."""
    kind = _KIND[first]
    pair = (kind == _VECTOR) | (kind == _REAL)
    if pair.any():
        # A code may itself begin with b or r: in a run of such words, every second is a code.
        index = np.arange(len(kind))
        run = index - np.maximum.accumulate(np.where(pair, 0, index + 1))
        value = pair & (run % 2 == 0)
        code = np.concatenate(([False], value[:-1]))
        kind = np.where(code, np.uint8(_CODE), kind)
    return kind


def _expand(
    codes: Codes,
    index: NDArray[np.int64],
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Bits of vector values: row, index of the vector, value of each.

    A value shorter than its variable is continued with 0, or with x if it begins with x or z.
    """
    first = codes.first[index]
    width = np.where(first >= 0, codes.width[index], 0)
    owner = np.repeat(np.arange(len(index)), width)
    bit = np.arange(len(owner)) - np.repeat(np.cumsum(width) - width, width)
    digits = ends - starts - 1
    given = bit < digits[owner]
    value = _VALUE[data[np.where(given, ends[owner] - 1 - bit, starts[owner] + 1)]]
    value = np.where(given | (value == _X), value, np.uint8(0))
    return first[owner] + bit, owner, value
