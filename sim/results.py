"""Results as files: JSON with provenance, cached by the hash of their inputs.

A cache entry carries the hash of its own content; one that does not match, or cannot be read, is
recomputed, never trusted. Files appear whole or not at all.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim.errors import UserError

__all__ = ["cache_dir", "cached", "canonical", "digest", "stored", "write_atomic"]


def canonical(value: Any) -> str:
    """JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(*parts: Any) -> str:
    """SHA-256, in hex, of ``bytes``, ``str`` and JSON-able parts, in order."""
    sha = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else canonical(part).encode()
        sha.update(len(raw).to_bytes(8, "little") + raw)
    return sha.hexdigest()


def cache_dir(kind: str) -> Path:
    """Folder of cached results of one kind, made on demand.

    It lies below ``build/cache`` of the current folder, or below ``CONSILICO_CACHE``.

    Raises:
        UserError: If it cannot be made.
    """
    path = Path(os.environ.get("CONSILICO_CACHE", "build/cache")).absolute() / kind
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the cache folder {path}: {error.strerror}") from error
    return path


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part.

    Raises:
        UserError: If the folder is missing or not writable, or the disk is full.
    """
    raw = content.encode() if isinstance(content, str) else content
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def stored(kind: str, key: str) -> Any | None:
    """What :func:`cached` keeps for ``key``; None where there is none, or a damaged one."""
    try:
        entry = json.loads(_path(kind, key).read_text())
        return entry["value"] if entry["sha256"] == digest(entry["value"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
            entry = {"sha256": digest(value), "value": value}
            write_atomic(_path(kind, key), json.dumps(entry))
    return value


def _path(kind: str, key: str) -> Path:
    return cache_dir(kind) / f"{key}.json"
