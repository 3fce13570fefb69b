"""Files that describe a process kit (TOML), read and checked field by field.

The format is in ``docs/kits.md``. What a file leaves out is found in the Liberty itself.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.base.toml_tables import TomlTable, read_toml
from consilico.sim.silicon.kits.roles import OPTIONAL, PURPOSES, Role

__all__ = ["CellRows", "Corner", "KitFile", "Place", "WireLayer", "Wires", "read_kit_file"]


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
class CellRows:
    """Rows that cells are placed in."""

    height_um: float
    site_um: float  # step of the places in a row


@dataclass(frozen=True, kw_only=True)
class WireLayer:
    """Resistance and capacitance of a micrometer of wire, on the layer or mix of layers of nets."""

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
    rows: CellRows | None
    wires: Wires | None


def read_kit_file(path: Path) -> KitFile:
    """Read and check a kit file.

    Raises:
        UserError: If it cannot be read or is no TOML, or a field is missing, unknown or not what
            is accepted; one line that names the file and the field.
    """
    top = read_toml(path, "kit file")
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


def _corner(table: TomlTable) -> Corner:
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


def _place(table: TomlTable, folder: Path) -> Place:
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


def _rows(table: TomlTable) -> CellRows:
    rows = CellRows(height_um=table.quantity("height_um"), site_um=table.quantity("site_um"))
    table.done()
    return rows


def _wires(table: TomlTable) -> Wires:
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


def _roles(table: TomlTable) -> dict[str, Role]:
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
