"""Waveforms in GTKWave's FST format: toggles and high time of every signal.

Our own reader, because those on PyPI hand over one Python object per change and say nothing of
``$dumpoff``. Blocks are read one after the other.
"""

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.counting import UNKNOWN, Counter, window_counts
from consilico.sim.silicon.activity.fst_file import (
    CHANGES,
    FstBlocks,
    Variable,
    blackouts,
    geometry,
    hierarchy,
    inflated,
    signed,
    unpack,
    varint,
    varints,
    walk,
)
from consilico.sim.silicon.activity.recording import (
    MOST_BITS,
    Activity,
    Select,
    Signals,
    select_rows,
)

__all__ = ["read_fst"]

_TAIL = struct.Struct(">QQQ")
_BITS = np.full(256, UNKNOWN, dtype=np.uint8)
_BITS[[ord("0"), ord("1")]] = 0, 1

Changes = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]
"""Row, time in ticks and value; one row after the other, within a row in file order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SignalRows:
    """The widths of the signals of a file, and the rows of those that are wanted."""

    width: NDArray[np.int64]  # by handle less 1: bits, 0 of a string, -1 of a real
    row: NDArray[np.int64]  # first row of each, -1: not wanted


def read_fst(
    file: io.BufferedReader,
    path: Path,
    scope: str,
    select: Select | None = None,
    window_s: float | None = None,
) -> Activity:
    """Read an FST file, with the conventions of ``read_vcd``.

    Args:
        file: The file.
        path: Its path, for messages.
        scope: Path of the instance whose signals are wanted.
        select: See :func:`consilico.sim.silicon.activity.read.read_activity`.
        window_s: Width of the windows in which toggles are counted, too.

    Raises:
        UserError: If the file is damaged or cut, or has no such scope.
    """
    try:
        with walk(file) as found:
            header = found.header()
            signals, layout, rows = _signals(found, path, scope)
            wanted = select_rows(signals, rows, select)
            layout = _only(layout, wanted)
            windows = window_counts(window_s, header.tick_s, path)
            counter = Counter(rows, windows)
            end = _count(found, layout, counter, header.start)
            blocks = sum(len(found.blocks.get(kind, ())) for kind in CHANGES)
            if (blocks, end) != (header.change_blocks, header.end):
                raise ValueError(
                    f"{blocks} blocks of changes up to {end}; its header says"
                    f" {header.change_blocks} up to {header.end}"
                )
    except (ValueError, IndexError, OverflowError, struct.error, zlib.error, EOFError) as error:
        raise UserError(f"{path}: the FST file is damaged or cut: {error}") from error
    toggles, high, ticks = counter.totals(end)
    return Activity(
        source="fst",
        tick_s=header.tick_s,
        duration_s=ticks * header.tick_s,
        signals=signals,
        toggles=toggles,
        high_s=high * header.tick_s,
        windows=windows,
    )


def _signals(found: FstBlocks, path: Path, scope: str) -> tuple[dict[str, int], SignalRows, int]:
    """Return the rows of the signals below the scope, the layout, and the number of rows."""
    width = geometry(found)
    row = np.full(len(width), -1, dtype=np.int64)
    signals = Signals(path, scope)
    rows = 0
    for item in hierarchy(found):
        if not isinstance(item, Variable):
            signals.enter(item)
            continue
        if not signals.covers(item.scope) or not item.bits or width[item.handle - 1] <= 0:
            continue
        if item.width != width[item.handle - 1]:
            raise ValueError(f"{item.name[:40]} has two widths")
        if row[item.handle - 1] < 0:
            row[item.handle - 1] = rows
            rows += int(width[item.handle - 1])
            if rows > MOST_BITS:
                raise ValueError(f"more than {MOST_BITS:,} bits below {scope}")
        signals.declare(item.scope, item.name, item.width, int(row[item.handle - 1]))
    return signals.found(), SignalRows(width=width, row=row), rows


def _only(layout: SignalRows, wanted: NDArray[np.bool_]) -> SignalRows:
    """Return the layout without the signals of which no bit is wanted."""
    before = np.concatenate(([0], np.cumsum(wanted)))
    kept = np.flatnonzero(layout.row >= 0)
    start = layout.row[kept]
    none = before[start + layout.width[kept]] == before[start]
    row = layout.row.copy()
    row[kept[none]] = -1
    return SignalRows(width=layout.width, row=row)


def _count(found: FstBlocks, layout: SignalRows, counter: Counter, start: int) -> int:
    """Hand all changes to the counter; return the time at which they end."""
    switches = blackouts(found)
    recorded = sorted(
        (position, length, kind)
        for kind in CHANGES
        for position, length in found.blocks.get(kind, ())
    )
    counter.start(start)
    end = start
    for number, (position, length, kind) in enumerate(recorded):
        block = ChangeBlock(found.content(position, length), kind, layout)
        if not (start if number == 0 else end) <= block.begin <= block.end:
            raise ValueError(f"time runs backwards to {block.begin}")
        end = block.end
        if number == 0:
            counter.add(*block.first_values())
        switched = bool(switches) and switches[0][1] <= block.end
        parts: Iterable[Changes] = block.changes(every=switched)
        if switched:
            parts = [_joined(list(parts))]
        for part in parts:
            if number == 0:  # what stands at the first time are the first values
                counter.forget(part[0][part[1] == block.begin])
            while switches and switches[0][1] <= block.end:
                active, at = switches.pop(0)
                part = _switch(part, counter, at, active=active)
            if counter.recording:
                counter.add(*part)
    return end


def _joined(parts: list[Changes]) -> Changes:
    """Return the changes of all signals in one piece."""
    empty = np.empty(0, dtype=np.int64)
    parts = [*parts, (empty, empty, empty.astype(np.uint8))]
    row, time, value = zip(*parts, strict=True)
    return np.concatenate(row), np.concatenate(time), np.concatenate(value)


def _switch(changes: Changes, counter: Counter, at: int, *, active: bool) -> Changes:
    """Count what comes before recording is switched on or off, and return what is left.

    ``$dumpon`` writes all values anew. ``$dumpoff`` writes x: what a signal did at that time before
    it counts, and what came after it does not.
    """
    row, time, value = changes
    before = time < at
    if not active:
        now = np.flatnonzero(time == at)
        off = np.cumsum(value[now] == UNKNOWN)
        starting = np.flatnonzero(np.diff(row[now], prepend=-1))
        earlier = np.concatenate(([0], off))[starting]
        lengths = np.diff(np.append(starting, len(now)))
        before[now[off == np.repeat(earlier, lengths)]] = True
    if counter.recording:
        counter.add(row[before], time[before], value[before])
    if active:
        counter.start(at)
    else:
        counter.stop(at)
    return row[~before], time[~before], value[~before]


class ChangeBlock:
    """Block of value changes of an FST file.

    Args:
        data: Content of the block.
        kind: Type of the block.
        layout: Signals of the file.

    Raises:
        ValueError: If the block is damaged; so do the methods.
        IndexError: If it is cut.
    """

    def __init__(self, data: bytes, kind: int, layout: SignalRows) -> None:
        self._data = data
        self._kind = kind
        self._layout = layout
        self.begin, self.end = struct.unpack_from(">QQ", data)
        size, at = varint(data, 24)
        packed, at = varint(data, at)
        self._frame_count, at = varint(data, at)
        self._frame = data[at : at + packed]
        self._frame_size = size
        _, self._chains_at = varint(data, at + packed)

    def first_values(self) -> Changes:
        """Return the values that hold at the beginning."""
        frame = self._frame
        if len(frame) != self._frame_size:
            frame = inflated(frame, self._frame_size)
        layout, count = self._layout, self._frame_count
        width = layout.width[:count]
        size = np.where(width < 0, 8, width)
        offset = np.cumsum(size) - size
        if int(size.sum()) > len(frame):
            raise ValueError("too few values at the beginning")
        wanted = np.flatnonzero((layout.row[:count] >= 0) & (width > 0))
        owner = np.repeat(wanted, width[wanted])
        bit = np.arange(len(owner)) - np.repeat(
            np.cumsum(width[wanted]) - width[wanted], width[wanted]
        )
        # a character a bit, the leftmost first
        value = _BITS[np.frombuffer(frame, dtype=np.uint8)[offset[owner] + width[owner] - 1 - bit]]
        return layout.row[owner] + bit, np.full(len(owner), self.begin, dtype=np.int64), value

    def changes(self, *, every: bool) -> Iterator[Changes]:
        """Yield the changes of the wanted signals, some signals at a time.

        Args:
            every: Whether the bits of a vector that stay as they are count as changes, too.
        """
        times, tail = _times(self._data)
        if not len(times):
            return
        if times[0] < self.begin or times[-1] > self.end or (np.diff(times) < 0).any():
            raise ValueError("times that are not within their block")
        (size,) = struct.unpack_from(">Q", self._data, tail - 8)
        if size > tail - 8 - self._chains_at:
            raise ValueError("a table of signals that is too long")
        table = self._data[tail - 8 - size : tail - 8]
        chains = _chains(
            table, self._kind, tail - 8 - size - self._chains_at, len(self._layout.width)
        )
        pack = self._data[self._chains_at : self._chains_at + 1]
        bits: list[tuple[int, bytes]] = []
        for signal in np.flatnonzero(self._layout.row[: len(chains)] >= 0).tolist():
            offset, length = chains[signal]
            if not offset:
                continue
            length, start = length + self._chains_at + offset, self._chains_at + offset
            size, start = varint(self._data, start)
            raw = self._data[start:length]
            content = unpack(pack, raw, size) if size else raw
            width, row = int(self._layout.width[signal]), int(self._layout.row[signal])
            if width == 1:
                bits.append((row, content))
            else:
                yield _vector(content, width, row, times, every=every)
        if bits:
            yield _bits(bits, times)


def _times(data: bytes) -> tuple[NDArray[np.int64], int]:
    """Return the times of the block, and where the section that tells them begins."""
    size, packed, count = _TAIL.unpack_from(data, len(data) - _TAIL.size)
    at = len(data) - _TAIL.size - packed
    if at < 0:
        raise ValueError("a table of times that is too long")
    raw = data[at : at + packed]
    if size != packed:
        raw = inflated(raw, size)
    steps = varints(np.frombuffer(raw, dtype=np.uint8))
    if len(raw) != size or len(steps) != count:
        raise ValueError("its table of times has another size than it says")
    return np.cumsum(steps), at


def _chains(table: bytes, kind: int, end: int, most: int) -> list[tuple[int, int]]:
    """Return offset and length of the changes of each signal; offset 0 where there are none."""
    found: list[tuple[int, int]] = []  # offset and length, or 0 and minus the alias
    at = offset = previous = 0
    last = -1  # signal whose changes end where the next ones begin

    def begin(step: int) -> None:
        nonlocal offset, last
        offset += step
        if last >= 0:
            found[last] = found[last][0], offset - found[last][0]
        last = len(found)
        found.append((offset, 0))

    while at < len(table):
        value, after = varint(table, at)
        if kind == 8 and table[at] & 1:
            step, after = signed(table, at)
            if (step := step >> 1) > 0:
                begin(step)
            else:
                previous = step or previous
                found.append((0, previous))
        elif kind == 5 and value == 0:
            alias, after = varint(table, after)
            found.append((0, -alias))
        elif value & 1:
            begin(value >> 1)
        elif value >> 1 > most - len(found):
            raise ValueError("more signals than there are")
        else:
            found += [(0, 0)] * (value >> 1)
        at = after
    if last >= 0:
        found[last] = found[last][0], end - found[last][0]
    return [found[-length - 1] if length < 0 else (start, length) for start, length in found]


def _bits(chains: list[tuple[int, bytes]], times: NDArray[np.int64]) -> Changes:
    """Decode the changes of signals of one bit, each a number made of time step and value."""
    data = np.frombuffer(b"".join(content for _, content in chains), dtype=np.uint8)
    code = varints(data)
    ends = np.cumsum([len(content) for _, content in chains])
    counts = np.diff(np.searchsorted(np.flatnonzero(data < 0x80), ends), prepend=0)
    odd = code & 1 == 1  # x, z and the like
    value = np.where(odd, UNKNOWN, code >> 1 & 1).astype(np.uint8)
    row = np.repeat([row for row, _ in chains], counts)
    total = np.cumsum(np.where(odd, code >> 4, code >> 2))
    before = np.concatenate(([0], total))[np.cumsum(counts) - counts]
    return row, times[total - np.repeat(before, counts)], value


def _vector(
    content: bytes, width: int, row: int, times: NDArray[np.int64], *, every: bool
) -> Changes:
    """Decode the changes of a vector: a number made of time step and form, then the bits.

    The bits are packed, or as text. Only bits that change are handed on, or all (``every``).
    """
    data = np.frombuffer(content, dtype=np.uint8)
    # where a change that begins at a byte would end, for all bytes; then follow the chain
    last = np.where(data < 0x80, np.arange(len(data)), len(data))
    bits_at = np.minimum.accumulate(last[::-1])[::-1] + 1
    size = (width + 7) // 8
    behind = (bits_at + np.where(data & 1, width, size)).tolist()
    starts: list[int] = []
    at = 0
    while at < len(content):
        starts.append(at)
        at = behind[at]
    if at != len(content):
        raise ValueError("the changes of a signal end within one")
    start = np.array(starts, dtype=np.int64)
    time = times[np.cumsum(varints(data, start) >> 1)]
    text = data[start] & 1 == 1
    value = np.empty((len(start), width), dtype=np.uint8)  # leftmost bit first
    packed = data[bits_at[start[~text]][:, None] + np.arange(size)]
    value[~text] = np.unpackbits(packed, axis=1, count=width)
    value[text] = _BITS[data[bits_at[start[text]][:, None] + np.arange(width)]]
    by_bit = np.ascontiguousarray(value.T[::-1])
    changed = np.ones(by_bit.shape, dtype=np.bool_)
    changed[:, 1:] = every | (by_bit[:, 1:] != by_bit[:, :-1])
    bit, which = np.nonzero(changed)
    return row + bit, time[which], by_bit[changed]
