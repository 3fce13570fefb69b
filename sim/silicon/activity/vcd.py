"""Value change dumps (IEEE 1364-2005, clause 18): toggles and high time of every signal.

The file is taken in blocks. Within a block all changes are handled at once in arrays; only what
happens a few times a file (``$dumpoff``, comments) is looked at one by one.
"""

import io
import re
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.counting import (
    UNKNOWN,
    Changes,
    Counter,
    sorted_by_row,
    window_counts,
)
from consilico.sim.silicon.activity.recording import (
    MOST_BITS,
    SECONDS,
    Activity,
    Select,
    Signals,
    select_rows,
)
from consilico.sim.silicon.activity.vcd_text import (
    BAD,
    KEYWORD,
    PADDING,
    REAL,
    SCALAR,
    TIME,
    VECTOR,
    Codes,
    Words,
    cut,
)

__all__ = ["read_vcd", "read_vcd_changes"]

_BLOCK = 1 << 21  # bytes: the arrays of a block stay in the cache
_MOST_HEADER = 1 << 28  # bytes of declarations, or of one line: beyond it this is no VCD
_COMMAND = re.compile(rb"\s*\$(\w+)\s(.*?)\$end(?=\s|$)", re.S)
_END = re.compile(rb"\$enddefinitions\s+\$end\s")
_DECLARING = re.compile(rb"(?:^|\s)\$(var|scope|upscope|timescale|enddefinitions)(?=\s|$)")
_WIDTH = re.compile(r"[1-9][0-9]{0,8}")
_NO_BITS = {"real", "realtime", "string", "event"}
_MOST_DIGITS = 18  # of a time in ticks: what 64 bits hold
_VALUE = np.full(256, 4, dtype=np.uint8)
_VALUE[[ord(character) for character in "xXzZuU-"]] = UNKNOWN
_VALUE[[ord("0"), ord("1")]] = 0, 1


def read_vcd(
    file: io.BufferedReader,
    path: Path,
    scope: str,
    select: Select | None = None,
    window_s: float | None = None,
) -> Activity:
    """Read a value change dump.

    The first value of a signal is no toggle. Time counts from the first time stamp to the last,
    without the spans between ``$dumpoff`` and ``$dumpon``. A change to or from x or z counts as
    half a toggle, as OpenSTA counts it.

    A dump has no mark of its end: one that was cut after a whole line cannot be told from one of a
    shorter simulation.

    Args:
        file: The dump, uncompressed.
        path: Its path, for messages.
        scope: Path of the instance whose signals are wanted.
        select: See :func:`consilico.sim.silicon.activity.read.read_activity`.
        window_s: Width of the windows in which toggles are counted, too.

    Raises:
        UserError: If the dump is damaged, ends within a line, or has no such scope.
    """
    header, rest = _header(file, path)
    signals, codes, tick = _declarations(header, path, scope)
    codes.freeze(select_rows(signals, codes.rows, select))
    windows = window_counts(window_s, tick, path)
    counter = Counter(codes.rows, windows)
    now = _replay(file, path, rest, codes, counter)
    toggles, high, ticks = counter.totals(now)
    return Activity(
        source="vcd",
        tick_s=tick,
        duration_s=ticks * tick,
        signals=signals,
        toggles=toggles,
        high_s=high * tick,
        windows=windows,
    )


def read_vcd_changes(
    file: io.BufferedReader, path: Path, scope: str, select: Select
) -> tuple[Changes, dict[str, int], float]:
    """Read every change of some signals of a value change dump.

    Args:
        file: The dump, uncompressed.
        path: Its path, for messages.
        scope: Path of the instance whose signals are wanted.
        select: See :func:`consilico.sim.silicon.activity.read.read_activity`.

    Returns:
        The changes, the rows of the signals by name, and the time unit in seconds.

    Raises:
        UserError: As for :func:`read_vcd`, and if the recording pauses.
    """
    header, rest = _header(file, path)
    signals, codes, tick = _declarations(header, path, scope)
    codes.freeze(select_rows(signals, codes.rows, select))
    changes = Changes(path)
    changes.end = _replay(file, path, rest, codes, changes)
    return changes, signals, tick


def _replay(
    file: io.BufferedReader, path: Path, rest: bytes, codes: Codes, counter: Counter | Changes
) -> int:
    """Hand all changes of a dump to a counter, and return the last time, in ticks."""
    events = _Events(codes, counter, path)
    more = True
    while more:
        block = file.read(_BLOCK)
        more = bool(block)
        block = rest + block
        # A vector's value and its code stand in one line, a comment may take several: cut at
        # the end of a line outside comments.
        end = block.rfind(b"\n") + 1
        comment = block.rfind(b"$comment", 0, end)
        if comment >= 0 and b"$end" not in block[comment:end]:
            end = comment
        events.add(block[:end])
        rest = block[end:]
        if len(rest) > _MOST_HEADER:
            raise UserError(f"{path}: damaged VCD: a line of more than {_MOST_HEADER:,} bytes")
    if rest.strip():
        what = "a comment" if rest.lstrip().startswith(b"$comment") else "a line"
        raise UserError(f"{path}: damaged VCD: it ends within {what}, so it was cut")
    return events.now


def _header(file: io.BufferedReader, path: Path) -> tuple[bytes, bytes]:
    """Return the declarations, and what has been read already of the changes that follow them."""
    data = bytearray()
    while block := file.read(_BLOCK):
        seen = max(len(data) - _BLOCK, 0)  # the end may stand across two blocks
        data += block
        if (found := _END.search(data, seen)) is not None:
            return bytes(data[: found.start()]), bytes(data[found.end() :])
        if len(data) > _MOST_HEADER:
            break
    raise UserError(f"{path}: not a VCD file, or cut: it has no $enddefinitions")


def _declarations(header: bytes, path: Path, scope: str) -> tuple[dict[str, int], Codes, float]:
    """Return the rows of the signals below the scope, their codes, the time unit in seconds."""
    tick = 0.0
    around: list[str] = []
    signals = Signals(path, scope)
    codes = Codes()
    position = 0

    def damaged(problem: str) -> UserError:
        return UserError(f"{path}: damaged declaration in the VCD: {problem}")

    while position < len(header):
        match = _COMMAND.match(header, position)
        if match is None:
            if left := header[position : position + 200].split():
                raise damaged(f"cannot read {_shown(left[0])}")
            break
        position = match.end()
        command, body = match[1], " ".join(match[2].decode("latin-1").split())
        if inner := _DECLARING.search(match[2]) if command != b"comment" else None:
            raise damaged(f"${command.decode()} is not closed before ${inner[1].decode()}")
        if command == b"var":
            words = body.split(None, 3)
            if len(words) < 4 or not _WIDTH.fullmatch(words[1]):
                raise damaged(f"$var {body[:80]}")
            kind, width, code, name = words[0], int(words[1]), words[2], words[3]
            bits = kind not in _NO_BITS
            inside = bits and signals.covers(tuple(around))
            if inside and codes.rows + width > MOST_BITS:
                raise damaged(f"$var {body[:80]}: more than {MOST_BITS:,} bits below {scope}")
            try:
                first = codes.add(code, width if bits else 0, kept=inside)
            except ValueError as error:
                raise damaged(f"$var {body[:80]}: {error}") from error
            if inside:
                signals.declare(tuple(around), name, width, first)
        elif command == b"scope":
            if not body:
                raise damaged("$scope without a name")
            around.append(body.split()[-1].removeprefix("\\"))
            signals.enter(tuple(around))
        elif command == b"upscope":
            if not around:
                raise damaged("$upscope closes what no $scope opened")
            around.pop()
        elif command == b"timescale":
            scale = re.fullmatch(r"(1|10|100)\s*([munpf]?s)", body)
            if scale is None:
                raise UserError(
                    f"{path}: unknown $timescale {body[:40]!r}; accepted: such as 1ns, 10 ps"
                )
            known, tick = tick, int(scale[1]) * SECONDS[scale[2]]
            if known not in (0.0, tick):
                raise damaged("two different $timescale")
    if around:
        raise damaged(f"$scope {around[-1][:80]} is not closed")
    if not tick:
        raise UserError(f"{path}: the VCD has no $timescale")
    return signals.found(), codes, tick


def _shown(word: bytes) -> str:
    return repr(word[:40].decode("latin-1"))


class _Events:
    """Hands the changes of a dump to a counter.

    Args:
        codes: The identifier codes, frozen.
        counter: What counts.
        path: The dump, for messages.
    """

    def __init__(self, codes: Codes, counter: Counter | Changes, path: Path) -> None:
        self._codes = codes
        self._counter = counter
        self._path = path
        self._paused = False
        self.now = 0  # ticks

    def add(self, block: bytes) -> None:
        """Count the changes in whole lines of the dump.

        Raises:
            UserError: If they are not value changes of declared signals, or time runs backwards.
        """
        if b"$comment" in block:
            block = re.sub(rb"\$comment\s.*?\$end", b"", block, flags=re.S)
        if b"\0" in block:
            raise UserError(f"{self._path}: damaged VCD: a NUL byte after time {self.now}")
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
            if _DECLARING.match(word):
                self._damaged(block, words, np.array([at]), "a declaration behind the others: ")
            if word not in (b"$dumpoff", b"$dumpon"):
                continue
            self._changes(block, words, stamps, times, begin, at)
            begin = at
            if word == b"$dumpoff":
                self._counter.stop(self.now)
            self._paused = word == b"$dumpoff"
        self._changes(block, words, stamps, times, begin, len(words.kind))

    def _times(self, block: bytes, words: Words, stamps: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the time before the first time stamp of a block, and from each of them on."""
        data = np.frombuffer(block, dtype=np.uint8)
        first = words.start[stamps] + 1
        length = words.end[stamps] - first
        if (wrong := (length < 1) | (length > _MOST_DIGITS)).any():
            self._damaged(block, words, stamps[wrong])
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
        """Count what a part of a block says, in which recording is on or off throughout."""
        kind = words.kind[begin:end]
        if len(real := np.flatnonzero(kind == REAL)):
            index = self._find(block, words, real + begin)
            if (wrong := self._codes.width[index] > 0).any():
                self._damaged(block, words, real[wrong] + begin, "no bits in ")
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
        """Return place, row and value of the changes of one bit that are wanted."""
        index = self._find(block, words, which)
        row = self._codes.first[index]
        if (wrong := self._codes.width[index] > 1).any():
            self._damaged(block, words, which[wrong], "one bit for a vector in ")
        kept = row >= 0
        which = which[kept]
        data = np.frombuffer(block, dtype=np.uint8)
        return which, row[kept], _VALUE[data[words.start[which]]]

    def _vectors(
        self, block: bytes, words: Words, which: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        """Return place, row and value of the bits of changed vectors that are wanted.

        A value shorter than its variable is continued with 0, or with x if it begins with x or z.
        """
        index = self._find(block, words, which)
        kept = np.flatnonzero(self._codes.first[index] >= 0)
        kept = kept[sorted_by_row(index[kept])]
        index, which = index[kept], which[kept]
        digits = words.end[which] - words.start[which] - 1
        if (wrong := (digits < 1) | (digits > self._codes.width[index])).any():
            self._damaged(block, words, which[wrong], "another number of bits than declared in ")
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
        if (wrong := value > UNKNOWN).any():
            self._damaged(block, words, which[change[wrong]], "no bits in ")
        value[(at < lowest) & (value != UNKNOWN)] = 0
        row = np.repeat(row, np.repeat(count, width))
        changed = np.ones(len(row), dtype=np.bool_)
        changed[1:] = (row[1:] != row[:-1]) | (value[1:] != value[:-1])
        return which[change[changed]], row[changed], value[changed]

    def _damaged(
        self, block: bytes, words: Words, which: NDArray[np.int64], problem: str = "cannot read "
    ) -> NoReturn:
        at = int(which[0])
        word = _shown(block[words.start[at] : words.code_end[at]])
        raise UserError(f"{self._path}: damaged VCD: {problem}{word} after time {self.now}")


def _ordinals(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0, 1, ... within runs of given lengths."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
