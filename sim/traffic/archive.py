"""Arrays with a description in one ``.npz`` archive that carries the digest of its own content."""

import io
import json
from typing import Any

import numpy as np

from consilico.sim.base.results import canonical, digest

__all__ = ["from_archive", "to_archive"]


def to_archive(about: dict[str, Any], arrays: dict[str, Any], *, compress: bool = False) -> bytes:
    """Return the archive of some arrays.

    Args:
        about: JSON-able description.
        arrays: NumPy arrays by name; ``about`` and ``sha256`` are taken.
        compress: Whether the arrays are worth the time that compressing them takes.
    """
    file = io.BytesIO()
    sha256 = np.array(_content_digest(about, arrays))
    save = np.savez_compressed if compress else np.savez
    save(file, about=np.array(canonical(about)), sha256=sha256, **arrays)
    return file.getvalue()


def from_archive(raw: bytes, what: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the description and the arrays that :func:`to_archive` was given.

    Args:
        raw: The archive.
        what: Name of its content, for the message.

    Raises:
        ValueError: If the archive is damaged in any way.
    """
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            arrays = dict(archive)
        about: dict[str, Any] = json.loads(arrays.pop("about").item())
        sha256 = arrays.pop("sha256").item()
    except Exception as error:  # zipfile and numpy raise a dozen kinds
        raise ValueError(f"damaged {what}: {error}") from error
    if sha256 != _content_digest(about, arrays):
        raise ValueError(f"damaged {what}: their content does not match its SHA-256")
    return about, arrays


def _content_digest(about: dict[str, Any], arrays: dict[str, Any]) -> str:
    """Return the digest of description, shapes, types and values."""
    names = sorted(arrays)
    shapes = {name: [str(arrays[name].dtype), *arrays[name].shape] for name in names}
    return digest(about, shapes, *(arrays[name].tobytes() for name in names))
