"""Results as files: JSON with provenance, cached by the hash of their inputs.

A cache entry carries its key and a hash over key and value: one that is damaged, or lies under the
name of another, is recomputed, never trusted. Files appear whole or not at all.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import write_atomic

__all__ = [
    "cache_dir",
    "cache_root",
    "cached",
    "cached_file",
    "canonical",
    "digest",
    "stored",
    "write_atomic",
]


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
    """
    path = cache_root() / kind
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the cache folder {path}: {error.strerror}") from error
    return path


def stored(kind: str, key: str) -> Any | None:
    """Return what :func:`cached` keeps for ``key``; None where there is none, or a damaged one."""
    try:
        entry = json.loads(_path(kind, key).read_text())
        whole = entry["key"] == key and entry["sha256"] == digest(kind, key, entry["value"])
        return entry["value"] if whole else None
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
            entry = {"key": key, "sha256": digest(kind, key, value), "value": value}
            write_atomic(_path(kind, key), json.dumps(entry))
    return value


def cached_file(kind: str, key: str, suffix: str, make: Callable[[], str | bytes]) -> Path:
    """Return the path of the file kept for ``key``, making it where it is missing or damaged.

    The file's name carries a hash of kind, key and content, so that a file that is damaged, or was
    kept for another key, is recognised, removed and made again.

    Args:
        kind: Name of the cache folder, such as ``"kits"``.
        key: :func:`digest` of everything the content depends on, tool versions included.
        suffix: End of the file's name, such as ``".lib"``.
        make: Returns the content.

    Raises:
        UserError: If the cache cannot be written.
    """
    folder = cache_dir(kind)
    for entry in folder.glob(f"{key}-*{suffix}"):
        if entry.name == _name_of(kind, key, entry.read_bytes(), suffix):
            return entry
        entry.unlink()
    content = make()
    raw = content.encode() if isinstance(content, str) else content
    entry = folder / _name_of(kind, key, raw, suffix)
    write_atomic(entry, raw)
    return entry


def _name_of(kind: str, key: str, content: bytes, suffix: str) -> str:
    return f"{key}-{digest(kind, key, content)}{suffix}"


def _path(kind: str, key: str) -> Path:
    return cache_dir(kind) / f"{key}.json"
