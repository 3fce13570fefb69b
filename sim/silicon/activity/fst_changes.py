"""Value changes of one block of an FST file, in arrays: no Python object per change of a bit."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consilico.sim.silicon.activity.count import UNKNOWN
from consilico.sim.silicon.activity.fst_packing import signed, unpack, varint, varints

__all__ = ["Block", "Changes", "Layout"]

_TAIL = struct.Struct(">QQQ")
_BITS = np.full(256, UNKNOWN, dtype=np.uint8)
_BITS[[ord("0"), ord("1")]] = 0, 1

Changes = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]
"""Row, time in ticks and value; one row after the other, within a row in file order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """The signals of a file: widths, and the rows of those that are wanted."""

    width: NDArray[np.int64]  # by handle less 1: bits, 0 of a string, -1 of a real
    row: NDArray[np.int64]  # first row of each, -1: not wanted


class Block:
    """One block of value changes.

    Args:
        data: Content.
        kind: Type of the block.
        layout: Signals of the file.

    Raises:
        ValueError: If the block is damaged; so do the methods.
        IndexError: If it is cut.
    """

    def __init__(self, data: bytes, kind: int, layout: Layout) -> None:
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
        """Values that hold at the beginning."""
        frame = self._frame
        if len(frame) != self._frame_size:
            frame = zlib.decompress(frame)
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
        """Changes of the wanted signals, some signals at a time.

        Args:
            every: Hand on the bits of a vector that stay as they are, too.
        """
        times, tail = _times(self._data)
        if not len(times):
            return
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
    """Times of the block, and where the section that tells them begins."""
    size, packed, count = _TAIL.unpack_from(data, len(data) - _TAIL.size)
    at = len(data) - _TAIL.size - packed
    if at < 0:
        raise ValueError("a table of times that is too long")
    raw = data[at : at + packed]
    if size != packed:
        raw = zlib.decompress(raw)
    steps = varints(np.frombuffer(raw, dtype=np.uint8))
    if len(raw) != size or len(steps) != count:
        raise ValueError("its table of times has another size than it says")
    return np.cumsum(steps), at


def _chains(table: bytes, kind: int, end: int, most: int) -> list[tuple[int, int]]:
    """Offset and length of the changes of each signal; offset 0: there are none."""
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
    """Changes of signals of one bit, by row: a number each, of time step and value."""
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
    """Changes of a vector: a number of time step and form each, then the bits, packed or as text.

    Only bits that change are handed on, or all (``every``).
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
