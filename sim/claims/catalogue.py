"""Find claims: those that come with Consilico, of installed packages, and of a user's folder.

A package names a module under the entry point group ``consilico.claims``; the TOML files next to
that module are its claim files.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.claims.claim import Claim, read_claims

__all__ = ["GROUP", "claims", "find_claims"]

GROUP = "consilico.claims"
_OWN = Path(__file__).parent / "papers"


def claims(folder: Path | None = None) -> Mapping[str, Claim]:
    """Return all claims by name, ordered by file and as they stand in it.

    A package whose claims cannot be read is left out, with one line on standard error.

    Args:
        folder: Further claim files; None if there are none.

    Raises:
        UserError: If the folder has no claim file, a file is not what is accepted, or two files
            have the same name; the message names both.
    """
    found: dict[str, Path] = {}
    named: dict[str, Claim] = {}
    for path, of_package in (*_own(), *_installed(), *_given(folder)):
        if path.stem in found:
            raise UserError(
                f"two claim files are called {path.stem}: {found[path.stem]} and {path}"
            )
        found[path.stem] = path
        try:
            named |= {claim.name: claim for claim in read_claims(path)}
        except UserError as error:
            if not of_package:
                raise
            print(f"consilico: claims of {of_package} are left out: {error}", file=sys.stderr)
    return named


def find_claims(names: Sequence[str], folder: Path | None = None) -> tuple[Claim, ...]:
    """Return the claims of some names, each that of a claim or of a whole paper's file.

    Args:
        names: Such as ``"galore"`` or ``"galore/optimizer-states"``; all claims if empty.
        folder: Further claim files, as :func:`claims` takes it.

    Raises:
        UserError: If there is no claim of a name; the message says what there is.
    """
    known = claims(folder)
    if not names:
        return tuple(known.values())
    chosen: dict[str, Claim] = {}
    for name in names:
        found = {key: claim for key, claim in known.items() if name in (key, key.split("/")[0])}
        if not found:
            paper = name.partition("/")[0]
            near = [key for key in known if key.split("/")[0] == paper]
            papers = near or dict.fromkeys(key.split("/")[0] for key in known)
            raise UserError(f"unknown claim {name!r}; there are: {', '.join(papers)}")
        chosen |= found
    return tuple(chosen.values())


def _own() -> Iterator[tuple[Path, str]]:
    """Yield the files of the product."""
    for path in sorted(_OWN.glob("*.toml")):
        yield path, ""


def _installed() -> Iterator[tuple[Path, str]]:
    """Yield the files of installed packages; warn of modules that cannot be loaded."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        package = point.dist.name if point.dist else point.module
        try:
            place = Path(str(point.load().__file__)).parent
        # whatever a stranger's module raises, or calls, must not stop the rest
        except (Exception, SystemExit) as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"consilico: claims of {package} are left out: {said}", file=sys.stderr)
            continue
        for path in sorted(place.glob("*.toml")):
            yield path, package


def _given(folder: Path | None) -> Iterator[tuple[Path, str]]:
    """Yield the files of a user's folder, or the one file that was given."""
    if folder is None:
        return
    files = [folder] if folder.is_file() else sorted(folder.glob("*.toml"))
    if not files:
        raise UserError(f"{folder}: no claim file; accepted: a folder with .toml files, or one")
    for path in files:
        yield path, ""
