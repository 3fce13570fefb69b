"""Results as files: JSON with provenance, cached by the hash of their inputs.

An entry carries its key and a hash over kind, key and value: one that is damaged, or lies under the
name of another, is recomputed, never trusted. The cache knows its own files by their names, so that
clearing it removes nothing else.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import TEMPORARY_PREFIX, write_atomic

__all__ = [
    "CacheEntry",
    "cache_dir",
    "cache_entries",
    "cache_root",
    "cached",
    "cached_file",
    "canonical",
    "clear_cache",
    "computed_anew",
    "digest",
    "keep_file",
    "kept_file",
    "stored",
]

_KIND = re.compile(r"[a-z][a-z0-9_-]*")
_anew: set[str] = set()  # kinds of results that are not looked up
_ENTRY = re.compile(r"[0-9a-f]{64}(\.json|-[0-9a-f]{64}(\.[a-z]+)?)")


def canonical(value: Any) -> str:
    """Return JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(*parts: Any) -> str:
    """Return the SHA-256, in hex, of bytes, text and JSON-able parts, in order."""
    sha = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else canonical(part).encode()
        sha.update(len(raw).to_bytes(8, "little"))
        sha.update(raw)  # on its own: it may be gigabytes
    return sha.hexdigest()


def cache_root() -> Path:
    """Return the folder that holds the cached results of all kinds; it need not exist."""
    named = os.environ.get("CONSILICO_CACHE")
    return Path(named).absolute() if named else user_cache_path("consilico")


def cache_dir(kind: str) -> Path:
    """Return the folder of cached results of one kind, and make it where it is missing.

    It lies below ``CONSILICO_CACHE``, or else below the platform's folder for caches
    (``~/.cache/consilico`` on Linux), so that a result is found from every working folder.

    Raises:
        UserError: If it cannot be made.
        ValueError: If the kind is not in lower case, as the cache's folders are.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} is no name for a kind of results")
    path = cache_root() / kind
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the cache folder {path}: {error.strerror}") from error
    return path


def stored(kind: str, key: str) -> Any | None:
    """Return what :func:`cached` keeps for ``key``; None where there is none, or a damaged one."""
    path = _path(kind, key)
    if kind in _anew:
        return None
    try:
        entry = json.loads(path.read_text())
        whole = entry["key"] == key and entry["sha256"] == digest(kind, key, entry["value"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not whole:
        return None
    _note_use(path)
    return entry["value"]


def cached(
    kind: str, key: str, compute: Callable[[], Any], keep: Callable[[Any], bool] | None = None
) -> Any:
    """Return the cached JSON value of ``key``, computing and storing it where there is none.

    Args:
        kind: Name of the cache folder, such as ``"verify"``.
        key: :func:`digest` of everything the result depends on, tool versions included.
        compute: Makes the value; must return something JSON can carry, and not None.
        keep: Whether to store it: a failure may come from the machine, such as no memory.
    """
    value = stored(kind, key)
    if value is None:
        value = json.loads(json.dumps(compute()))
        if keep is None or keep(value):
            # in the order it has, so that a value from the cache reads like a new one
            entry = {"key": key, "sha256": digest(kind, key, value), "value": value}
            write_atomic(_path(kind, key), json.dumps(entry))
    return value


@contextmanager
def computed_anew(kind: str) -> Iterator[None]:
    """Compute results of one kind in the body even where they are cached; they are stored."""
    _anew.add(kind)
    try:
        yield
    finally:
        _anew.discard(kind)


def cached_file(kind: str, key: str, suffix: str, make: Callable[[], str | bytes]) -> Path:
    """Return the path of the file kept for ``key``, making it where it is missing or damaged.

    The file's name carries a hash of kind, key and content, so that a file that is damaged, or was
    kept for another key, is recognized, removed and made again.

    Args:
        kind: Name of the cache folder, such as ``"kits"``.
        key: :func:`digest` of everything the content depends on, tool versions included.
        suffix: End of the file's name, such as ``".lib"``.
        make: Returns the content.

    Raises:
        UserError: If the cache cannot be written.
    """
    found = kept_file(kind, key, suffix)
    if found is not None:
        return found
    content = make()
    return _write(kind, key, suffix, content.encode() if isinstance(content, str) else content)


def kept_file(
    kind: str, key: str, suffix: str, on_damaged: Callable[[Path], None] = lambda _: None
) -> Path | None:
    """Return the path of the file kept for ``key``; None where there is none, or a damaged one.

    Args:
        kind: Name of the cache folder.
        key: As that of :func:`cached_file`.
        suffix: End of the file's name.
        on_damaged: Called with each file that is damaged, or was kept for another key, once it is
            removed.
    """
    for entry in cache_dir(kind).glob(f"{key}-*{suffix}"):
        with contextlib.suppress(OSError):  # another process may have removed it
            if entry.name == _name_of(kind, key, entry.read_bytes(), suffix):
                _note_use(entry)
                return entry
            entry.unlink()
            on_damaged(entry)
    return None


def keep_file(kind: str, key: str, suffix: str, content: bytes) -> Path:
    """Keep a file for ``key`` in place of the one of before, and return its path.

    Args:
        kind: Name of the cache folder.
        key: As that of :func:`cached_file`.
        suffix: End of the file's name.
        content: What it holds.

    Raises:
        UserError: If the cache cannot be written.
    """
    entry = _write(kind, key, suffix, content)
    for other in entry.parent.glob(f"{key}-*{suffix}"):
        if other != entry:
            other.unlink(missing_ok=True)
    return entry


def _write(kind: str, key: str, suffix: str, content: bytes) -> Path:
    entry = cache_dir(kind) / _name_of(kind, key, content, suffix)
    write_atomic(entry, content)
    return entry


def _name_of(kind: str, key: str, content: bytes, suffix: str) -> str:
    return f"{key}-{digest(kind, key, content)}{suffix}"


def _path(kind: str, key: str) -> Path:
    return cache_dir(kind) / f"{key}.json"


def _note_use(path: Path) -> None:
    """Set the access time, which not every file system keeps by itself."""
    with contextlib.suppress(OSError):  # such as a cache that others may only read
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """Return the file that holds the entry of a key."""

    path: Path
    kind: str  # the folder that it lies in
    size_bytes: int
    used_at: float  # when it was last read or written, in seconds since 1970


def cache_entries() -> list[CacheEntry]:
    """List the files of the cache, those that were not finished included.

    Files and folders whose names the cache does not give, and symbolic links, are left out: they
    are somebody else's.

    Raises:
        UserError: If the cache cannot be read.
    """
    root = cache_root()
    found = []
    try:
        folders = sorted(root.iterdir()) if root.exists() else []
        for folder in folders:
            if folder.is_symlink() or not folder.is_dir() or not _KIND.fullmatch(folder.name):
                continue
            for path in sorted(folder.iterdir()):
                ours = _ENTRY.fullmatch(path.name) or path.name.startswith(TEMPORARY_PREFIX)
                if ours and not path.is_symlink() and path.is_file():
                    about = path.stat()
                    found.append(
                        CacheEntry(
                            path=path,
                            kind=folder.name,
                            size_bytes=about.st_size,
                            used_at=max(about.st_atime, about.st_mtime),
                        )
                    )
    except OSError as error:
        raise UserError(f"cannot read the cache {root}: {error.strerror}") from error
    return found


def clear_cache(unused_s: float = 0.0) -> list[CacheEntry]:
    """Remove the files of the cache, and folders that are empty then.

    Args:
        unused_s: Only what was not used for so many seconds.

    Returns:
        What was removed.

    Raises:
        UserError: If a file cannot be removed.
    """
    before = time.time() - unused_s
    removed = [entry for entry in cache_entries() if entry.used_at <= before]
    try:
        for entry in removed:
            entry.path.unlink(missing_ok=True)
        for folder in {entry.path.parent for entry in removed}:
            if not any(folder.iterdir()):
                folder.rmdir()
    except OSError as error:
        raise UserError(f"cannot clear the cache: {error.filename}: {error.strerror}") from error
    return removed
