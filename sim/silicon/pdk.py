"""Process kits: small files in ``kits/`` that say where a cell library lies and which cells to use.

A kit is found by the conventions people already have: an installed Python package, or the folder
that an environment variable (``PDK_ROOT``, ``FLOW_HOME``) names. Adding one needs no code.
"""

import fnmatch
import importlib.util
import inspect
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sim.errors import UserError
from sim.results import cache_dir, digest, write_atomic
from sim.silicon import libertytext
from sim.silicon.libertytext import merge, read_text

__all__ = ["Kit", "Role", "describe_kits", "find_kit", "kit_names"]

_KITS = Path(__file__).parent / "kits"
_ROLES = {  # what each cell of a kit is for, and the pins that a kit names in it
    "driver": set[str](),
    "tie_high": {"output"},
    "tie_low": {"output"},
    "full_adder": {"a", "b", "c", "carry", "sum"},
    "latch_high": {"enable", "data", "output"},
    "latch_low": {"enable", "data", "output"},
    "clock_gate": {"clock", "enable", "output"},
    "flop": {"clock", "data", "output"},
}
_OPTIONAL = {"tie_high", "tie_low", "full_adder", "clock_gate", "flop"}


@dataclass(frozen=True, kw_only=True)
class Role:
    """The cell that a kit uses for one purpose, and how its pins are called.

    ``pins`` maps the purpose of a pin to its name. ``inverted`` names the purposes whose pin
    carries the complement, ``low`` and ``high`` the further input pins, which are tied.
    """

    cell: str
    pins: Mapping[str, str]
    inverted: tuple[str, ...] = ()
    low: tuple[str, ...] = ()
    high: tuple[str, ...] = ()

    def ports(self, **signals: str) -> str:
        """Port connections of an instance in Verilog; a complemented input gets its complement."""
        connected = [
            f".{self.pins[purpose]}({'~' if purpose in self.inverted else ''}{signal})"
            for purpose, signal in signals.items()
        ]
        tied = [
            f".{pin}(1'b{value})"
            for value, pins in enumerate((self.low, self.high))
            for pin in pins
        ]
        return ", ".join([*connected, *tied])


@dataclass(frozen=True, kw_only=True)
class Kit:
    """One cell library at one corner."""

    name: str
    title: str
    node_nm: float
    corner: str
    voltage_v: float
    target_ns: float  # what mapping aims for where the clock asked for is slower
    load_ff: float  # load of an output port that mapping assumes
    avoid: tuple[str, ...]  # patterns of cells that mapping must not choose
    liberty: tuple[Path, ...]
    roles: Mapping[str, Role]

    @cached_property
    def sha256(self) -> str:
        """Hash of the Liberty files, the kit's own file, and the code that merges them."""
        own = (_KITS / f"{self.name}.toml").read_bytes() + inspect.getsource(libertytext).encode()
        return digest(own, *(path.read_bytes() for path in self.liberty))

    @cached_property
    def mapping_liberty(self) -> Path:
        """One uncompressed Liberty file without the cells to avoid: what mapping may choose from.

        Raises:
            UserError: If a Liberty file cannot be read, is empty or damaged, or has no flip-flop.
        """
        path = cache_dir("kits") / f"{self.name}-{self.sha256[:16]}.lib"
        if not path.exists():
            texts = [(str(file), read_text(file)) for file in self.liberty]
            write_atomic(path, merge(texts, self._avoided, name=self.name))
        return path

    def _avoided(self, cell: str) -> bool:
        return any(fnmatch.fnmatchcase(cell, pattern) for pattern in self.avoid)


def kit_names() -> list[str]:
    """Names of the kits that are described, found on this machine or not."""
    return sorted(path.stem for path in _KITS.glob("*.toml"))


def describe_kits() -> list[dict[str, Any]]:
    """Every kit, found on this machine or not.

    Returns:
        ``pdk``, ``title``, ``corner``, ``voltage_v``, ``node_nm``, ``found``, ``path`` (of its
        first Liberty file, None where it is not found) and ``how_to_get``.
    """
    kits = []
    for name in kit_names():
        data = tomllib.loads((_KITS / f"{name}.toml").read_text())
        liberty = _locate(data["where"])
        kits.append(
            {
                "pdk": name,
                **{key: data[key] for key in ("title", "corner", "voltage_v", "node_nm")},
                "found": liberty is not None,
                "path": None if liberty is None else str(liberty[0]),
                "how_to_get": data["how_to_get"],
            }
        )
    return kits


def find_kit(name: str) -> Kit:
    """The kit of that name, with its Liberty files located.

    Raises:
        UserError: If no kit has that name (the message lists those there are), or its files are
            not on this machine (the message says how to get them).
    """
    if name not in kit_names():
        raise UserError(f"unknown process kit {name!r}; there are: {', '.join(kit_names())}")
    data = tomllib.loads((_KITS / f"{name}.toml").read_text())
    liberty = _locate(data["where"])
    if liberty is None:
        raise UserError(f"process kit {name} is not on this machine; {data['how_to_get']}")
    cells = dict(data["cells"])
    if unknown := set(cells) - set(_ROLES):
        raise ValueError(f"kits/{name}.toml: unknown roles {sorted(unknown)}")
    if absent := set(_ROLES) - _OPTIONAL - set(cells):
        raise ValueError(f"kits/{name}.toml: roles without a cell {sorted(absent)}")
    return Kit(
        name=name,
        title=data["title"],
        node_nm=data["node_nm"],
        corner=data["corner"],
        voltage_v=data["voltage_v"],
        target_ns=data["target_ns"],
        load_ff=data["load_ff"],
        avoid=tuple(data["avoid"]),
        liberty=liberty,
        roles={role: _role(name, role, item) for role, item in cells.items()},
    )


def _role(kit: str, role: str, item: dict[str, Any]) -> Role:
    pins = {key: pin for key, pin in item.items() if key not in ("cell", "inverted", "low", "high")}
    if set(pins) != _ROLES[role]:
        raise ValueError(f"kits/{kit}.toml: {role} takes pins {sorted(_ROLES[role])}")
    return Role(
        cell=item["cell"],
        pins=pins,
        inverted=tuple(item.get("inverted", ())),
        low=tuple(item.get("low", ())),
        high=tuple(item.get("high", ())),
    )


def _locate(places: list[dict[str, Any]]) -> tuple[Path, ...] | None:
    """The Liberty files of the first place that has them all."""
    for place in places:
        for root in _roots(place):
            found = [_file(root / name) for name in place["liberty"]]
            if None not in found:
                return tuple(path for path in found if path is not None)
    return None


def _roots(place: dict[str, Any]) -> list[Path]:
    if "variable" in place:
        value = os.environ.get(place["variable"])
        return [Path(value).absolute()] if value else []
    if "folder" in place:
        return [Path(place["folder"])]
    spec = importlib.util.find_spec(place["package"])
    return [Path(path) for path in (spec.submodule_search_locations or [])] if spec else []


def _file(path: Path) -> Path | None:
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.is_file():
            return candidate
    return None
