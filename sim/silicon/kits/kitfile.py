"""Files that describe a process kit (TOML), read and checked field by field.

The format is in ``docs/kits.md``. What a file leaves out is found in the Liberty itself.
"""

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input_text
from consilico.sim.silicon.kits.roles import OPTIONAL, PURPOSES, Role

__all__ = ["Corner", "KitFile", "Place", "Rows", "WireLayer", "Wires", "read_kit_file"]

_MOST_BYTES = 4 << 20  # a kit file has a few kB
_MOST = 1e15  # of any number in a kit file


@dataclass(frozen=True, kw_only=True)
class Corner:
    """One corner of a kit; ``spelling`` is how file names write it."""

    name: str
    voltage_v: float
    spelling: str
    how_to_get: str | None
    fast: str | None  # corner at which hold is checked


@dataclass(frozen=True, kw_only=True)
class Place:
    """Place of the Liberty files, below a root that a variable, a package or a folder names."""

    kind: str
    root: str
    liberty: tuple[str, ...]
    lef: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows that cells are placed in."""

    height_um: float
    site_um: float  # step of the places in a row


@dataclass(frozen=True, kw_only=True)
class WireLayer:
    """What a micrometer of wire has, on the layer or the mix of layers that nets are routed on."""

    layer: str
    ff_per_um: float
    ohm_per_um: float


@dataclass(frozen=True, kw_only=True)
class Wires:
    """Wires of a kit, and where the figures come from."""

    signal: WireLayer
    clock: WireLayer
    source: str


@dataclass(frozen=True, kw_only=True)
class KitFile:
    """Content of a kit file; a field that it leaves out is None."""

    path: Path
    name: str
    title: str
    node_nm: float | None
    how_to_get: str
    avoid: tuple[str, ...]
    target_ns: float | None
    load_ff: float | None
    corners: tuple[Corner, ...]  # the first one is the default
    places: tuple[Place, ...]
    areas_um2: Mapping[str, float]
    roles: Mapping[str, Role] | None
    rows: Rows | None
    wires: Wires | None


def read_kit_file(path: Path) -> KitFile:
    """Read and check a kit file.

    Raises:
        UserError: If it cannot be read or is no TOML, or a field is missing, unknown or not what
            is accepted; one line that names the file and the field.
    """
    try:
        data = tomllib.loads(read_input_text(path, "kit file", limit_bytes=_MOST_BYTES))
    except (ValueError, RecursionError) as error:  # ValueError: of a number of 5,000 digits, too
        raise UserError(f"{path} is not TOML: {error}") from error
    top = _Table(path, "", data)
    kit = KitFile(
        path=path,
        name=path.stem,
        title=top.text("title", path.stem),
        node_nm=top.number("node_nm", optional=True),
        how_to_get=top.text("how_to_get", f"{path} says where its Liberty files should be"),
        avoid=top.texts("avoid", ()),
        target_ns=top.number("target_ns", optional=True),
        load_ff=top.number("load_ff", optional=True),
        corners=tuple(_corner(table) for table in top.tables("corner")),
        places=tuple(_place(table, path.parent) for table in top.tables("where")),
        areas_um2={
            cell: area
            for table in top.table("area_um2")
            for cell in table.data
            if (area := table.number(cell)) is not None
        },
        roles=next((_roles(table) for table in top.table("cells")), None),
        rows=next((_rows(table) for table in top.table("rows")), None),
        wires=next((_wires(table) for table in top.table("wires")), None),
    )
    top.done()
    names = [corner.name for corner in kit.corners]
    if len(set(names)) < len(names):
        raise UserError(f"{path}: corner: two have the same name")
    for number, corner in enumerate(kit.corners, 1):
        if corner.fast is not None and corner.fast not in names:
            raise UserError(
                f"{path}: corner {number}.fast must be one of {', '.join(names)}, not"
                f" {corner.fast!r}"
            )
    return kit


def _corner(table: "_Table") -> Corner:
    name = table.text("name")
    corner = Corner(
        name=name,
        voltage_v=table.number("voltage_v") or 0.0,
        spelling=table.text("spelling", name),
        how_to_get=table.text("how_to_get", "") or None,
        fast=table.text("fast", "") or None,
    )
    table.done()
    return corner


def _place(table: "_Table", folder: Path) -> Place:
    kinds = [kind for kind in ("variable", "package", "folder") if kind in table.data]
    if len(kinds) != 1:
        raise table.error("", "must hold one of variable, package, folder")
    root = table.text(kinds[0])
    if kinds[0] == "folder":
        root = str(folder / Path(root.replace("{prefix}", sys.prefix)).expanduser())
    place = Place(
        kind=kinds[0],
        root=root,
        liberty=table.texts("liberty"),
        lef=table.texts("lef", ()),
    )
    table.done()
    return place


def _rows(table: "_Table") -> Rows:
    rows = Rows(height_um=table.quantity("height_um"), site_um=table.quantity("site_um"))
    table.done()
    return rows


def _wires(table: "_Table") -> Wires:
    layers = {}
    for use in ("signal", "clock"):
        for item in table.table(use):
            layers[use] = WireLayer(
                layer=item.text("layer"),
                ff_per_um=item.quantity("ff_per_um"),
                ohm_per_um=item.quantity("ohm_per_um"),
            )
            item.done()
        if use not in layers:
            raise table.error(use, "is missing")
    wires = Wires(signal=layers["signal"], clock=layers["clock"], source=table.text("source"))
    table.done()
    return wires


def _roles(table: "_Table") -> dict[str, Role]:
    if unknown := [purpose for purpose in table.data if purpose not in PURPOSES]:
        raise table.error(unknown[0], f"is unknown; accepted: {', '.join(PURPOSES)}")
    roles = {}
    for purpose, pins in PURPOSES.items():
        for item in table.table(purpose):
            roles[purpose] = Role(
                cell=item.text("cell"),
                pins={pin: item.text(pin) for pin in sorted(pins)},
                inverted=item.texts("inverted", ()),
                low=item.texts("low", ()),
                high=item.texts("high", ()),
            )
            item.done()
            if wrong := [pin for pin in roles[purpose].inverted if pin not in pins]:
                raise item.error("inverted", f"names {wrong[0]!r}; accepted: {', '.join(pins)}")
        if purpose not in roles and purpose not in OPTIONAL:
            raise table.error(purpose, "is missing")
    return roles


class _Table:
    """A table of a kit file; a field that is never asked for is unknown."""

    def __init__(self, path: Path, place: str, data: dict[str, Any]) -> None:
        self.path, self.place, self.data = path, place, data
        self.known: list[str] = []

    def error(self, field: str, problem: str) -> UserError:
        """Return the error of a field: one line that names it and the file."""
        where = ".".join(part for part in (self.place, field) if part)
        return UserError(f"{self.path}: {where} {problem}")

    def done(self) -> None:
        """Refuse fields that nothing asked for."""
        for field in self.data:
            if field not in self.known:
                raise self.error(field, f"is unknown; accepted: {', '.join(self.known)}")

    def text(self, field: str, default: str | None = None) -> str:
        """Return a text that is not empty."""
        value = self._get(field, default)
        if not isinstance(value, str) or (not value and field in self.data):
            raise self.error(field, f"must be a text, not {value!r}")
        return value

    def texts(self, field: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a list of texts; where the field is needed, not an empty one."""
        value = self._get(field, default)
        good = isinstance(value, list | tuple) and all(isinstance(x, str) and x for x in value)
        if not good or (default is None and not value):
            raise self.error(field, f"must be a list of texts, not {value!r}")
        return tuple(value)

    def number(self, field: str, optional: bool = False) -> float | None:
        """Return a finite number above 0."""
        value = self._get(field, 1 if optional else None)
        if optional and field not in self.data:
            return None
        if type(value) not in (int, float) or not 0 < value < _MOST:
            raise self.error(field, f"must be a number above 0, not {repr(value)[:80]}")
        return value  # type: ignore[no-any-return]

    def quantity(self, field: str) -> float:
        """Return a number above 0 that must be there."""
        value = self.number(field)
        assert value is not None
        return value

    def table(self, field: str) -> list["_Table"]:
        """Return the table of that name in a list, which is empty where there is none."""
        value = self._get(field, {})
        if not isinstance(value, dict):
            raise self.error(field, f"must be a table, not {value!r}")
        found = _Table(self.path, f"{self.place}.{field}".strip("."), value)
        return [found] if field in self.data else []

    def tables(self, field: str) -> list["_Table"]:
        """Return the tables of an array that must have one at least."""
        value = self._get(field, None)
        if not (isinstance(value, list) and value and all(isinstance(x, dict) for x in value)):
            raise self.error(field, f"must be given as one or more [[{field}]] tables")
        return [_Table(self.path, f"{field} {index}", item) for index, item in enumerate(value, 1)]

    def _get(self, field: str, default: Any) -> Any:
        self.known.append(field)
        if field not in self.data and default is None:
            raise self.error(field, "is missing")
        return self.data.get(field, default)
