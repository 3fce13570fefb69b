"""Represent switching activity, whatever kind of file it was read from."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.activity.counting import WindowCounts

__all__ = [
    "MOST_BITS",
    "SECONDS",
    "Activity",
    "Select",
    "Signals",
    "bit_names",
    "scope_error",
    "select_rows",
]

Select = Callable[[dict[str, int]], NDArray[np.int64]]
"""A function from the rows of all signals, by name, to the rows that are wanted."""

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12, "fs": 1e-15}
MOST_BITS = 1 << 22  # of all signals below a scope: beyond it a width is damaged, not large
_MOST_DEPTH = 1000  # of scopes within each other
_SCOPES_SHOWN = 12
_RANGE = re.compile(r"(.*)\[(-?\d{1,9})(?::(-?\d{1,9}))?\]")


@dataclass(frozen=True, kw_only=True)
class Activity:
    """The toggles and the high time of the signals below one scope.

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
        """Toggles per second, shape ``(rows,)``."""
        return self.toggles / self.duration_s

    @property
    def duty(self) -> NDArray[np.float64]:
        """Fraction of the time that a signal is 1, shape ``(rows,)``."""
        return np.clip(self.high_s / self.duration_s, 0.0, 1.0)


class Signals:
    """Collects the signals that a waveform file declares below one scope.

    Args:
        path: The file, for messages.
        scope: Path of the instance whose signals are wanted, such as ``tb/dut``.
    """

    def __init__(self, path: Path, scope: str) -> None:
        self.rows: dict[str, int] = {}
        self._path = path
        self._scope = scope
        self._wanted = tuple(scope.strip("/").split("/"))
        self._known: dict[str, None] = {}

    def enter(self, around: tuple[str, ...]) -> None:
        """Note that the file has a scope.

        Raises:
            UserError: If it is nested so deeply that the file must be damaged.
        """
        if len(around) > _MOST_DEPTH:
            raise UserError(f"{self._path}: scopes nested more than {_MOST_DEPTH:,} deep")
        if len(around) <= len(self._wanted):
            self._known["/".join(around)] = None

    def covers(self, around: tuple[str, ...]) -> bool:
        """Tell whether what a scope declares is wanted."""
        return around[: len(self._wanted)] == self._wanted

    def declare(self, around: tuple[str, ...], name: str, width: int, first: int) -> None:
        """Note a variable whose bits have the rows from ``first`` on, the lowest bit first.

        Raises:
            UserError: If the scope has another variable of that name.
        """
        inner = "".join(f"{part}/" for part in around[len(self._wanted) :])
        for bit, bit_name in enumerate(bit_names(name, width)):
            if self.rows.setdefault(inner + bit_name, first + bit) != first + bit:
                signal = " ".join(f"{self._scope}/{inner}{bit_name}".split())[:200]
                raise UserError(
                    f"{self._path}: {signal} is declared twice, as two signals; accepted: once"
                )

    def found(self) -> dict[str, int]:
        """Return the rows by name.

        Raises:
            UserError: If the file has no such scope; the message lists those there are.
        """
        if "/".join(self._wanted) not in self._known:
            raise scope_error(self._path, self._scope, self._known)
        return self.rows


def scope_error(path: Path, scope: str, known: Iterable[str]) -> UserError:
    """Return the error that a scope is not in a file, with those that are."""
    names = [" ".join(name.split())[:200] for name in known]
    shown = ", ".join(names[:_SCOPES_SHOWN]) or "none"
    more = ", ..." if len(names) > _SCOPES_SHOWN else ""
    return UserError(f"{path} has no scope {scope!r}; there are: {shown}{more}")


def bit_names(name: str, width: int) -> list[str]:
    r"""Return the names of the bits of a variable, the lowest (rightmost) first.

    Args:
        name: As a waveform file has it: ``sum [3:0]``, ``sum[3:0]``, ``\esc[3] [3:0]``, or
            ``mem[5] [3:0]`` of a word of a memory. Only a range as wide as the variable counts.
        width: Bits.
    """
    base, tail = name.strip(), ""
    if base.startswith("\\"):  # an escaped name may hold brackets: its range is set off
        base, _, tail = base[1:].partition(" ")
        base, tail = base.replace("[", "\0"), tail.strip()
    match = _RANGE.fullmatch(f"{base}{tail}".replace(" ", ""))
    high = low = 0
    if match:
        high, low = int(match[2]), int(match[3] if match[3] is not None else match[2])
    if match is None or abs(high - low) + 1 != width:
        base = f"{base}{tail}".replace(" ", "").replace("\0", "[")
        return [base] if width == 1 else [f"{base}[{bit}]" for bit in range(width)]
    base = match[1].replace("\0", "[")
    step = 1 if high >= low else -1
    return [f"{base}[{low + step * bit}]" for bit in range(width)]


def select_rows(signals: dict[str, int], rows: int, select: Select | None) -> NDArray[np.bool_]:
    """Return which rows are wanted, shape ``(rows,)``: all where nothing is selected."""
    if select is None:
        return np.ones(rows, dtype=np.bool_)
    wanted = np.zeros(rows, dtype=np.bool_)
    wanted[select(signals)] = True
    return wanted
