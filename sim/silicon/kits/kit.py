"""Process kits: small files in ``kits/`` that say where a cell library lies and which cells to use.

A kit is found by the conventions people already have: an installed Python package, or the folder
that an environment variable (``PDK_ROOT``, ``FLOW_HOME``) names. Adding one needs no code; a file
of the user's own, or bare Liberty files, serve as well.
"""

import fnmatch
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.files import read_input
from consilico.sim.base.results import cached_file, digest
from consilico.sim.silicon.kits.derive import derive
from consilico.sim.silicon.kits.kitfile import (
    CellRows,
    Corner,
    KitFile,
    Place,
    Wires,
    read_kit_file,
)
from consilico.sim.silicon.kits.roles import Role, check_roles
from consilico.sim.silicon.liberty.merge import read_library_text, usable, with_area
from consilico.sim.silicon.liberty.read import read_liberty

__all__ = [
    "Kit",
    "KitCorner",
    "describe_kits",
    "find_kit",
    "has_wires",
    "kit_names",
    "liberty_kit",
]

_KITS = Path(__file__).parent
_USUAL = {  # where people keep a kit where the variable is not set
    "PDK_ROOT": ("~/.ciel", "~/.volare", "/usr/share/pdk", "/usr/local/share/pdk"),
}
_BELOW = {  # where else below the variable's folder a kit may lie
    # versions that ciel, or volare before it, fetched and did not enable
    "PDK_ROOT": ("ciel/*/versions/*", "volare/*/versions/*"),
    "FLOW_HOME": ("flow",),
}


@dataclass(frozen=True, kw_only=True)
class Kit:
    """One cell library at one corner, and how its cells are used."""

    name: str
    title: str
    node_nm: float | None  # None: not known
    corner: str
    voltage_v: float
    target_ns: float  # what mapping aims for where the clock asked for is slower
    load_ff: float  # load of an output port that mapping assumes
    avoid: tuple[str, ...]  # patterns of cells that mapping must not choose
    liberty: tuple[Path, ...]
    roles: Mapping[str, Role]
    areas_um2: Mapping[str, float] = field(default_factory=dict)  # where the Liberty gives none
    lef: tuple[Path, ...] = ()  # empty: sizes follow from areas, pins lie in the middle of cells
    rows: CellRows | None = None  # None: not known
    wires: Wires | None = None  # None: not known
    fast: "Kit | None" = None  # at the corner for checks of hold; None: at its own

    @cached_property
    def sha256(self) -> str:
        """Return the hash of the Liberty files and of what the kit says of them.

        Raises:
            UserError: If one cannot be read.
        """
        said = {
            "avoid": self.avoid,
            "roles": {purpose: asdict(role) for purpose, role in self.roles.items()},
            "areas_um2": dict(self.areas_um2),
            "target_ns": self.target_ns,
            "load_ff": self.load_ff,
        }
        return digest(said, *(read_input(path, "Liberty file") for path in self.liberty))

    @cached_property
    def layout_sha256(self) -> str:
        """Return the hash of all that a layout takes from the kit besides its Liberty.

        Raises:
            UserError: If a file cannot be read.
        """
        said = [None if each is None else asdict(each) for each in (self.rows, self.wires)]
        fast = "" if self.fast is None else self.fast.sha256
        return digest(said, fast, *(read_input(path, "LEF file") for path in self.lef))

    @cached_property
    def mapping_liberty(self) -> Path:
        """Path of one uncompressed Liberty file of the cells that mapping may choose from.

        Raises:
            UserError: If a Liberty file cannot be read, is empty or damaged, is for another
                voltage than the kit says, has not the cells and pins that the kit names, or has
                no flip-flop or no cell that mapping may choose.
        """

        def merged() -> str:
            library = read_library_text(self.liberty)
            cells = {
                cell: with_area(text, self.areas_um2[cell]) if cell in self.areas_um2 else text
                for cell, text in library.cells.items()
            }
            kept = usable(self.name, cells, self._avoided)
            kept.update(role.cell for role in self.roles.values())
            self._check()
            left = {cell: text for cell, text in cells.items() if cell in kept}
            return replace(library, cells=left).render(self.name)

        key = digest(self.sha256, code_digest(__name__))
        return cached_file("kits", key, ".lib", merged)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a reader of results with this kit should know."""
        cells = read_liberty((self.mapping_liberty,)).cells
        named = sorted({role.cell for role in self.roles.values()})
        return tuple(
            f"{cell} has no area in the Liberty of {self.name}: it counts as 0"
            for cell in named
            if cells[cell].area_um2 <= 0
        )

    def _check(self) -> None:
        library = read_liberty(self.liberty)
        check_roles(self.name, self.roles, library.cells)
        if abs(library.voltage_v - self.voltage_v) > 0.005:
            raise UserError(
                f"process kit {self.name}, corner {self.corner}, is for {self.voltage_v:g} V,"
                f" but {self.liberty[0]} is for {library.voltage_v:g} V"
            )

    def _avoided(self, cell: str) -> bool:
        return _matches(cell, self.avoid)


@dataclass(frozen=True, kw_only=True)
class KitCorner(Facts):
    """One corner of a kit that is described, found on this machine or not."""

    pdk: str
    title: str
    corner: str
    default: bool  # whether it is the corner that the kit's name alone stands for
    voltage_v: float
    node_nm: float | None  # None: not known
    found: bool
    path: str | None  # of its first Liberty file; None where it is not found
    how_to_get: str


def kit_names() -> list[str]:
    """Return the names of the kits that are described, found on this machine or not."""
    return sorted(path.stem for path in _KITS.glob("*.toml"))


def describe_kits() -> list[KitCorner]:
    """Return every corner of every kit, found on this machine or not, the default ones first."""
    kits = []
    for name in kit_names():
        file = read_kit_file(_KITS / f"{name}.toml")
        for corner in file.corners:
            located = _locate(file, corner)
            kits.append(
                KitCorner(
                    pdk=name,
                    title=file.title,
                    corner=corner.name,
                    default=corner == file.corners[0],
                    voltage_v=corner.voltage_v,
                    node_nm=file.node_nm,
                    found=located is not None,
                    path=None if located is None else str(located[0][0]),
                    how_to_get=corner.how_to_get or file.how_to_get,
                )
            )
    return kits


def has_wires(name: str) -> bool:
    """Tell whether a described kit, found on this machine or not, says what a layout takes.

    Args:
        name: One of :func:`kit_names`.
    """
    file = read_kit_file(_KITS / f"{name}.toml")
    return file.rows is not None and file.wires is not None


def find_kit(name: str) -> Kit:
    """Return the kit of that name, with its Liberty files located.

    Args:
        name: ``kit`` or ``kit:corner``, where ``kit`` is one of :func:`kit_names` or the path of
            a kit file that ends in ``.toml``.

    Raises:
        UserError: If no kit or corner has that name (the message lists those there are), a kit
            file is wrong, or its Liberty files are not on this machine (the message says how to
            get them).
    """
    kit, colon, wanted = (name, "", "") if name.endswith(".toml") else name.rpartition(":")
    if not colon:
        kit, wanted = name, ""
    if kit.endswith(".toml"):
        file = read_kit_file(Path(kit))
    elif kit in kit_names():
        file = read_kit_file(_KITS / f"{kit}.toml")
    else:
        raise UserError(
            f"unknown process kit {kit!r}; there are: {', '.join(kit_names())}, and any kit file"
            " that ends in .toml"
        )
    corners = {corner.name: corner for corner in file.corners}
    if colon and wanted not in corners:
        raise UserError(
            f"process kit {file.name} has no corner {wanted!r}; it has: {', '.join(corners)}"
        )
    corner = corners[wanted] if colon else file.corners[0]
    located = _locate(file, corner)
    if located is None:
        where = f"process kit {file.name}" + (f", corner {corner.name}," if colon else "")
        raise UserError(f"{where} is not on this machine; {corner.how_to_get or file.how_to_get}")
    found = _kit(file, corner, *located)
    fast = corners[corner.fast] if corner.fast is not None else corner
    if fast == corner or (at_fast := _locate(file, fast)) is None:
        return found
    return replace(found, fast=_kit(file, fast, *at_fast))


def liberty_kit(paths: Sequence[Path]) -> Kit:
    """Return a kit of Liberty files alone; what else it needs is found in them.

    Args:
        paths: Files of one library, plain or gzipped.

    Raises:
        UserError: If a file cannot be read or is damaged, the files do not go together, or the
            library lacks an inverter, a flip-flop or a latch.
    """
    found = derive(paths)
    return Kit(
        name=found.name,
        title=", ".join(path.name for path in paths),
        node_nm=None,
        corner=found.corner,
        voltage_v=found.voltage_v,
        target_ns=found.target_ns,
        load_ff=found.load_ff,
        avoid=(),
        liberty=tuple(path.absolute() for path in paths),
        roles=found.roles,
    )


def _kit(file: KitFile, corner: Corner, liberty: tuple[Path, ...], lef: tuple[Path, ...]) -> Kit:
    """Return the kit of a file; what the file leaves out comes from the Liberty."""
    roles, target_ns, load_ff = file.roles, file.target_ns, file.load_ff
    if roles is None or target_ns is None or load_ff is None:
        found = derive(liberty, lambda cell: _matches(cell, file.avoid))
        roles = found.roles if roles is None else roles
        target_ns = target_ns or found.target_ns
        load_ff = load_ff or found.load_ff
    return Kit(
        name=file.name,
        title=file.title,
        node_nm=file.node_nm,
        corner=corner.name,
        voltage_v=corner.voltage_v,
        target_ns=target_ns,
        load_ff=load_ff,
        avoid=file.avoid,
        liberty=liberty,
        roles=roles,
        areas_um2=file.areas_um2,
        lef=lef,
        rows=file.rows,
        wires=file.wires,
    )


def _matches(cell: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(cell, pattern) for pattern in patterns)


def _locate(file: KitFile, corner: Corner) -> tuple[tuple[Path, ...], tuple[Path, ...]] | None:
    """Return the Liberty files of the first place that has them all, and the LEF files there.

    A place whose file names do not say ``{corner}`` has the default corner only. LEF files that a
    place should have and has not are left out, all of them. None where no place has the Liberty.
    """
    for place in file.places:
        names = [name.replace("{corner}", corner.spelling) for name in place.liberty]
        if names == list(place.liberty) and corner != file.corners[0]:
            continue
        for root in _roots(place):
            found = [_file(root / name) for name in names]
            if None not in found:
                lef = [_file(root / name) for name in place.lef]
                return _all(found), () if None in lef else _all(lef)
    return None


def _all(paths: Sequence[Path | None]) -> tuple[Path, ...]:
    return tuple(path for path in paths if path is not None)


def _roots(place: Place) -> list[Path]:
    if place.kind == "folder":
        return [Path(place.root)]
    if place.kind == "package":
        try:
            spec = importlib.util.find_spec(place.root)
        except (ImportError, ValueError):  # of a package within one that is not there
            spec = None
        return [Path(path) for path in (spec.submodule_search_locations or [])] if spec else []
    value = os.environ.get(place.root)
    folders = [Path(value)] if value else [Path(x) for x in _USUAL.get(place.root, ())]
    roots = []
    for folder in (path.expanduser().absolute() for path in folders):
        below = [path for inner in _BELOW.get(place.root, ()) for path in folder.glob(inner)]
        below = [path for path in below if path.is_dir()]
        roots += [folder, *sorted(below, key=lambda path: path.stat().st_mtime, reverse=True)]
    return roots


def _file(path: Path) -> Path | None:
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.is_file():
            return candidate
    return None
