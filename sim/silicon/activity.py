"""Switching activity of a simulation: how often each net toggled, how long it was high."""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.errors import UserError

__all__ = ["SECONDS", "Activity", "open_activity", "read_activity", "scope_error"]

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12, "fs": 1e-15}
_SCOPES_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Toggles and high time of the signals below one scope.

    ``signals`` gives the row of a signal by its path below the scope, scopes joined by ``/``, one
    bit at a time (``block/sum[3]``). Several names may have one row.
    """

    source: str  # "vcd" or "saif"
    duration_s: float
    signals: dict[str, int]
    toggles: NDArray[np.float64]  # (rows,), a change to or from x or z counts half
    high_s: NDArray[np.float64]  # (rows,)

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


def read_activity(path: Path, scope: str) -> Activity:
    """Read the activity below a scope such as ``tb/dut``.

    Args:
        path: VCD (IEEE 1364) or backward SAIF (IEEE 1801), plain or gzipped, told apart by content.
        scope: Path of the instance, from the root of the file.

    Raises:
        UserError: If the file cannot be read, is damaged or cut, covers no time, or has no such
            scope (the message lists those there are).
    """
    from sim.silicon.saif import read_saif
    from sim.silicon.vcd import read_vcd

    with open_activity(path) as file:
        head = file.peek(4096)[:4096].lstrip()
        if not head:
            raise UserError(f"{path}: the activity file is empty")
        reader = read_saif if head[:1] in (b"(", b"/") else read_vcd
        activity = reader(file, path, scope)
    if activity.duration_s <= 0:
        raise UserError(f"{path}: the activity covers no time")
    return activity
