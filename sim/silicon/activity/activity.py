"""Switching activity of a simulation: how often each net toggled, how long it was high."""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.windows import WindowCounts

__all__ = [
    "SECONDS",
    "Activity",
    "Select",
    "bit_names",
    "open_activity",
    "read_activity",
    "scope_error",
    "select_rows",
    "window_counts",
]

Select = Callable[[dict[str, int]], NDArray[np.int64]]
"""From the rows of all signals, by name, to the rows that are wanted."""

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12, "fs": 1e-15}
_SCOPES_SHOWN = 12
_RANGE = re.compile(r"\[(-?\d+)(?::(-?\d+))?\]$")
_MAGIC_FST = (0, 254)  # first byte: header block, or a wrapper around the whole file


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Toggles and high time of the signals below one scope.

    ``signals`` gives the row of a signal by its path below the scope, scopes joined by ``/``, one
    bit at a time (``block/sum[3]``). Several names may have one row.
    """

    source: str  # "vcd", "fst" or "saif"
    tick_s: float  # time unit of the file
    duration_s: float
    signals: dict[str, int]
    toggles: NDArray[np.float64]  # (rows,), a change to or from x or z counts half
    high_s: NDArray[np.float64]  # (rows,)
    windows: WindowCounts | None = None  # toggles by time, where asked for

    @property
    def density(self) -> NDArray[np.float64]:
        """Toggles a second, shape ``(rows,)``."""
        return self.toggles / self.duration_s

    @property
    def duty(self) -> NDArray[np.float64]:
        """Fraction of the time that a signal is 1, shape ``(rows,)``."""
        return np.clip(self.high_s / self.duration_s, 0.0, 1.0)


@contextmanager
def open_activity(path: Path) -> Iterator[io.BufferedReader]:
    """Open an activity file, gzipped or not.

    Raises:
        UserError: If it cannot be read, or the gzip stream is damaged or cut.
    """
    try:
        with path.open("rb") as file:
            if file.peek(2)[:2] != b"\x1f\x8b":
                yield file
            else:
                with gzip.GzipFile(fileobj=file) as stream:
                    yield io.BufferedReader(stream)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read the activity file {path}: {error}") from error


def scope_error(path: Path, scope: str, known: Iterable[str]) -> UserError:
    """The error that a scope is not in a file, with those that are."""
    names = list(known)
    shown = ", ".join(names[:_SCOPES_SHOWN]) or "none"
    more = ", ..." if len(names) > _SCOPES_SHOWN else ""
    return UserError(f"{path} has no scope {scope!r}; there are: {shown}{more}")


def bit_names(name: str, width: int) -> list[str]:
    r"""Names of the bits of a variable, the lowest (rightmost) first.

    Args:
        name: As a waveform file has it: ``sum [3:0]``, ``sum[3:0]``, ``\esc[3] [3:0]``.
        width: Bits.
    """
    name = name.strip()
    if name.startswith("\\"):  # an escaped name may hold brackets: its range is set off
        base, _, tail = name[1:].partition(" ")
    else:
        base, bracket, tail = name.replace(" ", "").partition("[")
        tail = bracket + tail
    match = _RANGE.match(tail.strip())
    if match is None:
        return [base] if width == 1 else [f"{base}[{bit}]" for bit in range(width)]
    high, low = int(match[1]), int(match[2] if match[2] is not None else match[1])
    step = 1 if high >= low else -1
    return [f"{base}[{low + step * bit}]" for bit in range(width)]


def select_rows(signals: dict[str, int], rows: int, select: Select | None) -> NDArray[np.bool_]:
    """Which rows are wanted, shape ``(rows,)``: all where nothing is selected."""
    if select is None:
        return np.ones(rows, dtype=np.bool_)
    wanted = np.zeros(rows, dtype=np.bool_)
    wanted[select(signals)] = True
    return wanted


def window_counts(window_s: float | None, tick_s: float, path: Path) -> WindowCounts | None:
    """Empty counts by window, if windows are asked for.

    Raises:
        UserError: If the width is not a whole number of ticks of the file.
    """
    if window_s is None:
        return None
    ticks = round(window_s / tick_s)
    if ticks < 1 or abs(ticks * tick_s - window_s) > 1e-6 * window_s:
        raise UserError(
            f"the window of {window_s * 1e9:g} ns is no whole number of the time unit of {path}, "
            f"{tick_s * 1e9:g} ns"
        )
    return WindowCounts(ticks)


def read_activity(
    path: Path, scope: str, select: Select | None = None, window_s: float | None = None
) -> Activity:
    """Read the activity below a scope such as ``tb/dut``.

    Args:
        path: VCD (IEEE 1364), FST (GTKWave) or backward SAIF (IEEE 1801), plain or gzipped, told
            apart by content.
        scope: Path of the instance, from the root of the file.
        select: Given the rows of all signals by name, returns those that are wanted: the others
            need not be read and may stay 0.
        window_s: Width of the windows in which toggles are counted, too.

    Raises:
        UserError: If the file cannot be read, is damaged or cut, covers no time, or has no such
            scope (the message lists those there are), or windows are asked of a SAIF file.
    """
    from consilico.sim.silicon.activity.fst import read_fst
    from consilico.sim.silicon.activity.saif import read_saif
    from consilico.sim.silicon.activity.vcd import read_vcd

    with open_activity(path) as file:
        raw = file.peek(4096)[:4096]
        head = raw.lstrip()
        if not head:
            raise UserError(f"{path}: the activity file is empty")
        if raw[0] in _MAGIC_FST:
            activity = read_fst(file, path, scope, select, window_s)
        elif head[:1] in (b"(", b"/"):
            if window_s is not None:
                raise UserError(f"{path}: a SAIF file holds totals only: windows need VCD or FST")
            activity = read_saif(file, path, scope)
        else:
            activity = read_vcd(file, path, scope, select, window_s)
    if activity.duration_s <= 0:
        raise UserError(f"{path}: the activity covers no time")
    return activity
