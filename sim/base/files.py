"""Reading the user's files within bounds, and writing files that appear whole or not at all.

Input may be anything that a path can name. A plain file or a pipe (``<(zcat x.v.gz)`` in a shell)
is read; a folder, a device or a socket is refused; a pipe that nobody writes to is given up. Output
to a plain file replaces it in one step; output to anything else, such as a pipe or ``/dev/stdout``,
is written to it, as replacing a device by a plain file would break the machine.
"""

import contextlib
import errno
import io
import os
import re
import secrets
import select
import stat
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from consilico.sim.base.errors import UserError

__all__ = [
    "TEMPORARY_PREFIX",
    "check_input",
    "open_input",
    "protecting_inputs",
    "read_input",
    "read_input_text",
    "write_atomic",
]

TEMPORARY_PREFIX = ".consilico-"  # of files that are still being written

_WHOLE_LIMIT_BYTES = 1 << 30  # of text that is parsed whole; the largest file here has 22 MB
_PIPE_LIMIT_BYTES = 4 << 30  # a pipe is kept on disk while it is read
_IDLE_LIMIT_S = 30.0  # `zcat` of a large file begins within a second
_READER_LIMIT_S = 10.0  # for somebody to open a pipe that is written to
_CHUNK_BYTES = 1 << 20
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_inputs: set[tuple[int, int]] | None = None  # device and number of files read; None: not noted
_DESCRIPTOR = re.compile(r"/dev/(stdout|stderr)|(?:/dev/fd|/proc/self/fd)/(\d+)")


def check_input(path: Path, what: str = "file") -> None:
    """Refuse an input that cannot be read, before any long work.

    Args:
        path: What is to be read later.
        what: What the file is to the user, for the message.

    Raises:
        UserError: If the path names nothing, a folder, a device or a socket, or may not be read.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(path, what, error) from error
    for is_kind, kind in _KINDS:
        if is_kind(found.st_mode):
            raise _unreadable(path, what, f"it is {kind}; accepted: a file or a pipe")
    if not os.access(path, os.R_OK):
        raise _unreadable(path, what, os.strerror(errno.EACCES))
    if _inputs is not None and stat.S_ISREG(found.st_mode):
        _inputs.add((found.st_dev, found.st_ino))


@contextmanager
def protecting_inputs() -> Iterator[None]:
    """Let :func:`write_atomic` refuse, inside, what has been read as an input: a slip of the user.

    For a command, which ends soon; in a longer run a file may well be written anew.
    """
    global _inputs
    before, _inputs = _inputs, set()
    try:
        yield
    finally:
        _inputs = before


@contextmanager
def open_input(
    path: Path, what: str = "file", *, idle_limit_s: float = _IDLE_LIMIT_S
) -> Iterator[io.BufferedReader]:
    """Open a user's file for reading in parts; a reader may seek.

    A plain file may have any size. A pipe is first copied to a nameless temporary file of at most
    4 GiB.

    Args:
        path: A plain file or a pipe.
        what: What the file is to the user, for the message.
        idle_limit_s: Seconds after which a pipe that brings nothing is given up.

    Raises:
        UserError: If it cannot be read, or is none of these. An ``OSError`` while the caller reads
            becomes one, too.
    """
    check_input(path, what)
    try:
        # without O_NONBLOCK, opening a pipe waits for a writer for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                yield file
                return
            with tempfile.TemporaryFile(prefix="consilico-pipe-") as copy:
                _drain(descriptor, copy, path, what, _PIPE_LIMIT_BYTES, idle_limit_s)
                copy.seek(0)
                with os.fdopen(os.dup(copy.fileno()), "rb") as reader:
                    yield reader
    except OSError as error:
        raise _unreadable(path, what, error) from error


def read_input(
    path: Path,
    what: str = "file",
    *,
    limit_bytes: int = _WHOLE_LIMIT_BYTES,
    unzip: bool = False,
    idle_limit_s: float = _IDLE_LIMIT_S,
) -> bytes:
    """Read a user's file whole.

    Args:
        path: A plain file or a pipe.
        what: What the file is to the user, for the message.
        limit_bytes: Size from which on it is refused, of the decompressed content, too.
        unzip: Decompress it if it is gzipped.
        idle_limit_s: Seconds after which a pipe that brings nothing is given up.

    Returns:
        The content.

    Raises:
        UserError: If it cannot be read, is larger than the limit, or is neither a plain file nor
            a pipe; with ``unzip``, also if the compressed data are damaged or end early.
    """
    with open_input(path, what, idle_limit_s=idle_limit_s) as file:
        size = file.seek(0, io.SEEK_END)
        if size > limit_bytes:
            raise _unreadable(path, what, f"it has {_size(size)}; accepted: {_size(limit_bytes)}")
        file.seek(0)
        raw = file.read(limit_bytes + 1)
    if unzip and raw[:2] == b"\x1f\x8b":
        raw = _unzipped(raw, path, what, limit_bytes)
    if len(raw) > limit_bytes:
        raise _unreadable(path, what, f"it is larger than {_size(limit_bytes)}")
    return raw


def read_input_text(
    path: Path,
    what: str = "file",
    *,
    limit_bytes: int = _WHOLE_LIMIT_BYTES,
    unzip: bool = False,
    idle_limit_s: float = _IDLE_LIMIT_S,
) -> str:
    """Read a user's file whole, as UTF-8 text, with or without a byte-order mark.

    Args and errors are those of :func:`read_input`.

    Raises:
        UserError: Also if it is not UTF-8.
    """
    raw = read_input(path, what, limit_bytes=limit_bytes, unzip=unzip, idle_limit_s=idle_limit_s)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: the {what} is not UTF-8 text") from error


def _drain(
    source: int, target: BinaryIO, path: Path, what: str, limit_bytes: int, idle_limit_s: float
) -> None:
    """Copy what comes through a pipe, opened without blocking, until its writer closes it."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    copied = 0
    while True:
        # before its first writer comes a pipe reads as ended, but polls as idle
        if not poll.poll(1000 * idle_limit_s):
            raise _unreadable(path, what, f"nothing came through this pipe for {idle_limit_s:g} s")
        chunk = os.read(source, _CHUNK_BYTES)
        if not chunk:
            return
        copied += len(chunk)
        if copied > limit_bytes:
            raise _unreadable(path, what, f"more than {_size(limit_bytes)} came through this pipe")
        target.write(chunk)


def _unzipped(raw: bytes, path: Path, what: str, limit_bytes: int) -> bytes:
    """Decompress gzip data, which may be several streams one after the other."""
    parts: list[bytes] = []
    room = limit_bytes
    try:
        while raw[:2] == b"\x1f\x8b":
            stream = zlib.decompressobj(wbits=31)
            parts.append(stream.decompress(raw, room + 1))
            room -= len(parts[-1])
            if room < 0:
                raise _unreadable(path, what, f"it is larger than {_size(limit_bytes)} unzipped")
            if not stream.eof:
                raise _unreadable(path, what, "its compressed data end early")
            raw = stream.unused_data
    except zlib.error as error:
        raise _unreadable(path, what, f"its compressed data are damaged ({error})") from error
    return b"".join(parts)


def _unreadable(path: Path, what: str, problem: OSError | ValueError | str) -> UserError:
    reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else problem
    return UserError(f"cannot read the {what} {path}: {reason}")


def _size(count: int) -> str:
    """Format a number of bytes for error messages, for example ``1.1 GB``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} bytes"


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part.

    A symbolic link stays, and the file that it leads to is replaced; an existing file keeps its
    permissions. Folders that are missing are made. A pipe or a device is written to as it is.

    Args:
        path: Where to.
        content: Text (written as UTF-8) or bytes.

    Raises:
        UserError: If the place cannot be written, nobody reads from the pipe, the disk is full, or
            it is an input (see :func:`protecting_inputs`); an earlier file is then as it was.
    """
    raw = content.encode() if isinstance(content, str) else content
    try:
        if stream := _stream(path):
            with os.fdopen(stream, "wb") as file:
                file.write(raw)
        else:
            _replace(Path(os.path.realpath(path)), raw)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UserError(f"cannot write {path}: {reason}") from error


def _stream(path: Path) -> int | None:
    """Open a place that is no plain file for writing; return None for a file, there or not."""
    if named := _DESCRIPTOR.fullmatch(str(path)):
        # opening /dev/stdout anew would start at the beginning of the file behind it
        return os.dup({"stdout": 1, "stderr": 2}.get(named[1]) or int(named[2]))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return None
    end = time.monotonic() + _READER_LIMIT_S
    while True:
        try:
            # a pipe without a reader would keep us here; no O_CREAT: only what is there
            stream = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(mode):
                raise
            if time.monotonic() > end:
                raise OSError(errno.ENXIO, "nobody reads from this pipe") from error
            time.sleep(0.02)
        else:
            os.set_blocking(stream, True)
            return stream


def _replace(path: Path, raw: bytes) -> None:
    """Replace a plain file, or make it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    earlier = path.stat() if path.exists() else None
    if earlier is not None and _inputs and (earlier.st_dev, earlier.st_ino) in _inputs:
        raise ValueError("it is what was read; accepted: another file")
    if earlier is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as to:
            to.write(raw)
            if earlier is not None:
                with contextlib.suppress(PermissionError):  # only root may give files away
                    os.fchown(to.fileno(), earlier.st_uid, earlier.st_gid)
                os.fchmod(to.fileno(), stat.S_IMODE(earlier.st_mode))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
