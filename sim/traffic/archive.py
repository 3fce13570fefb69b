"""Arrays with a description in one ``.npz`` archive that carries the digest of its own content."""

import io
import json
from typing import Any

import numpy as np

from consilico.sim.base.results import canonical, digest

__all__ = ["from_archive", "to_archive"]


def to_archive(about: dict[str, Any], arrays: dict[str, Any]) -> bytes:
    """The archive.

    Args:
        about: JSON-able description.
        arrays: NumPy arrays by name; ``about`` and ``sha256`` are taken.
    """
    file = io.BytesIO()
    sha256 = np.array(_content_digest(about, arrays))
    np.savez(file, about=np.array(canonical(about)), sha256=sha256, **arrays)
    return file.getvalue()


def from_archive(raw: bytes, what: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what :func:`to_archive` wrote.

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
    names = sorted(arrays)
    shapes = {name: [str(arrays[name].dtype), *arrays[name].shape] for name in names}
    return digest(about, shapes, *(arrays[name].tobytes() for name in names))
