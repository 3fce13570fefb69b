"""Reading of any activity file: VCD, FST or SAIF, plain or gzipped, told apart by its content."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import open_input
from consilico.sim.silicon.activity.counting import Changes
from consilico.sim.silicon.activity.fst import read_fst
from consilico.sim.silicon.activity.recording import Activity, Select
from consilico.sim.silicon.activity.saif import read_saif
from consilico.sim.silicon.activity.vcd import read_vcd, read_vcd_changes

__all__ = ["read_activity", "read_changes"]

_MAGIC_FST = (0, 254)  # first byte: header block, or a wrapper around the whole file
_MARK = b"\xef\xbb\xbf"  # byte-order mark of UTF-8


def read_activity(
    path: Path, scope: str, select: Select | None = None, window_s: float | None = None
) -> Activity:
    """Read the activity below a scope such as ``tb/dut``.

    Args:
        path: VCD (IEEE 1364), FST (GTKWave) or backward SAIF (IEEE 1801), plain or gzipped.
        scope: Path of the instance, from the root of the file.
        select: Given the rows of all signals by name, returns those that are wanted. The others
            need not be read and may stay 0.
        window_s: Width of the windows in which toggles are counted, too.

    Raises:
        UserError: If the file cannot be read, is damaged or cut, covers no time, or has no such
            scope (the message lists those there are), or windows are asked of a SAIF file.
    """
    with _opened(path) as file:
        if file.peek(3)[:3] == _MARK:
            file.read(3)
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


def read_changes(path: Path, scope: str, select: Select) -> tuple[Changes, dict[str, int], float]:
    """Read every change of some signals below a scope.

    Args:
        path: VCD, plain or gzipped.
        scope: Path of the instance, from the root of the file.
        select: Given the rows of all signals by name, returns those that are wanted.

    Returns:
        The changes, the rows of the signals by name, and the time unit in seconds.

    Raises:
        UserError: If the file is no VCD or cannot be read, is damaged or cut, pauses, or has no
            such scope.
    """
    with _opened(path) as file:
        head = file.peek(4096)[:4096].lstrip()
        if not head or head[0] in _MAGIC_FST or head[:1] in (b"(", b"/"):
            raise UserError(f"{path} is no VCD; accepted: a VCD, whose changes can be replayed")
        return read_vcd_changes(file, path, scope, select)


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    """Open an activity file, gzipped or not."""
    try:
        with open_input(path, "activity file") as file:
            if file.peek(2)[:2] != b"\x1f\x8b":
                yield file
            else:
                with gzip.GzipFile(fileobj=file) as stream:
                    yield io.BufferedReader(stream)
    except (EOFError, zlib.error) as error:
        raise UserError(f"cannot read the activity file {path}: {error}") from error
