"""Waveforms in GTKWave's FST format: toggles and high time of every signal.

Our own reader, because those on PyPI hand over one Python object per change and say nothing of
``$dumpoff``. Blocks are read one after the other.
"""

import io
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.activity import (
    Activity,
    Select,
    bit_names,
    scope_error,
    select_rows,
    window_counts,
)
from consilico.sim.silicon.activity.count import UNKNOWN, Counter
from consilico.sim.silicon.activity.fst_blocks import (
    CHANGES,
    Variable,
    Walk,
    blackouts,
    geometry,
    hierarchy,
    walk,
)
from consilico.sim.silicon.activity.fst_changes import Block, Changes, Layout

__all__ = ["read_fst"]

_MOST_ROWS = 1 << 28  # bits: beyond it a width is damaged, not large


def read_fst(
    file: io.BufferedReader,
    path: Path,
    scope: str,
    select: Select | None = None,
    window_s: float | None = None,
) -> Activity:
    """Read an FST file, with the conventions of :func:`sim.silicon.activity.vcd.read_vcd`.

    Args:
        file: The file.
        path: Its path, for messages.
        scope: Path of the instance whose signals are wanted.
        select: See :func:`consilico.sim.silicon.activity.activity.read_activity`.
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


def _signals(found: Walk, path: Path, scope: str) -> tuple[dict[str, int], Layout, int]:
    """Rows of the signals below the scope by name, the layout of the file, the number of rows."""
    width = geometry(found)
    row = np.full(len(width), -1, dtype=np.int64)
    wanted = tuple(scope.strip("/").split("/"))
    depth = len(wanted)
    scopes: dict[str, None] = {}
    signals: dict[str, int] = {}
    rows = 0
    for item in hierarchy(found):
        if not isinstance(item, Variable):
            if len(item) <= depth:
                scopes["/".join(item)] = None
            continue
        if item.scope[:depth] != wanted or not item.bits or width[item.handle - 1] <= 0:
            continue
        if row[item.handle - 1] < 0:
            row[item.handle - 1] = rows
            rows += int(width[item.handle - 1])
            if rows > _MOST_ROWS:
                raise ValueError("more bits than can be")
        inner = "".join(f"{part}/" for part in item.scope[depth:])
        for bit, name in enumerate(bit_names(item.name, item.width)):
            signals[inner + name] = int(row[item.handle - 1]) + bit
    if "/".join(wanted) not in scopes:
        raise scope_error(path, scope, scopes)
    return signals, Layout(width=width, row=row), rows


def _only(layout: Layout, wanted: NDArray[np.bool_]) -> Layout:
    """The layout without signals of which no bit is wanted."""
    before = np.concatenate(([0], np.cumsum(wanted)))
    kept = np.flatnonzero(layout.row >= 0)
    start = layout.row[kept]
    none = before[start + layout.width[kept]] == before[start]
    row = layout.row.copy()
    row[kept[none]] = -1
    return Layout(width=layout.width, row=row)


def _count(found: Walk, layout: Layout, counter: Counter, start: int) -> int:
    """Hand all changes to the counter; the time at which they end."""
    switches = blackouts(found)
    recorded = sorted(
        (position, length, kind)
        for kind in CHANGES
        for position, length in found.blocks.get(kind, ())
    )
    counter.start(start)
    end = start
    for number, (position, length, kind) in enumerate(recorded):
        block = Block(found.content(position, length), kind, layout)
        end = max(end, block.end)
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
    """Changes of all signals in one piece."""
    empty = np.empty(0, dtype=np.int64)
    parts = [*parts, (empty, empty, empty.astype(np.uint8))]
    row, time, value = zip(*parts, strict=True)
    return np.concatenate(row), np.concatenate(time), np.concatenate(value)


def _switch(changes: Changes, counter: Counter, at: int, *, active: bool) -> Changes:
    """Count what comes before recording is switched on or off; what is left.

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
