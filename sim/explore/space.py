"""Spaces of chips: the values of each field, and the conditions that a chip has to meet.

A space is a TOML file (docs/explore.md): the workload at its top, a table ``fields`` with the
values of each field (one, a list, or a range), and a list ``constraints``.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

from consilico.sim.accelerator.accelerator import find_dram
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.toml_tables import TomlTable, read_toml
from consilico.sim.explore.constraints import Constraint, read_constraint
from consilico.sim.memory.presets import find_model
from consilico.sim.system.chip import Chip, tile_size, weight_format
from consilico.sim.workload.graph import Workload

__all__ = ["FIGURES", "MOST_POINTS", "DesignPoint", "Space", "read_space"]

FIGURES = {"latency": "latency_s", "energy": "energy_j", "area": "area_um2"}
"""Objectives, and the figure of an answer that each is."""

MOST_POINTS = 1 << 18
"""Points of a space: closed forms of as many take minutes, and all of them are in the answer."""

_MOST_VALUES = 1 << 12  # of one field
_PHASES = ("prefill", "decode")


@dataclass(frozen=True, kw_only=True)
class DesignPoint(Facts):
    """A chip, and how it is used: what the options of ``consilico system`` say of it.

    The fields that change last in a space come last, so that neighbours have most in common.
    """

    tile: str = "64x64"  # queries x keys
    tiles: int = 4
    gemv_lanes: int = 512
    lanes: int = 256
    weights: str = "int8"
    transforms: str = ""  # as `--transform` takes them, separated by spaces
    sram_kib: int = 8192
    dram: str = "hbm2"
    clock_ns: float = 2.0
    pdk: str = "nangate45"
    rung: str = ""  # "": the layout, where the kit was laid out
    p_format: str = "int7"
    normaliser: str = "consmax/log2"

    def chip(self) -> Chip:
        """Return the chip.

        Raises:
            UserError: If a field is not accepted.
        """
        rows, columns = tile_size(self.tile)
        return Chip(
            rows=rows, columns=columns, tiles=self.tiles, gemv_lanes=self.gemv_lanes,
            lanes=self.lanes, weights=weight_format(self.weights), sram_kib=self.sram_kib,
            dram=find_dram(self.dram), clock_ns=self.clock_ns,
        )  # fmt: skip

    def quantities(self) -> dict[str, Any]:
        """Return what a constraint may name: the fields, and the size of a tile."""
        found = {name: getattr(self, name) for name in _FIELDS}
        try:
            rows, columns = tile_size(self.tile)
        except UserError:  # refused when it is looked at, as every other field is
            rows = columns = 0
        return found | {"rows": rows, "columns": columns}


_FIELDS: dict[str, Any] = {item.name: item.default for item in fields(DesignPoint)}


@dataclass(frozen=True, kw_only=True)
class Space:
    """The chips that are compared for one workload, as values of each field and conditions."""

    workload: Workload
    axes: Mapping[str, tuple[Any, ...]]  # values by field, of all fields
    constraints: tuple[Constraint, ...] = ()

    @property
    def size(self) -> int:
        """Return the points, those that constraints exclude included."""
        return math.prod(len(values) for values in self.axes.values())

    @property
    def varied(self) -> list[str]:
        """Return the fields of which there is more than one value."""
        return [name for name, values in self.axes.items() if len(values) > 1]

    def points(self) -> Iterator[DesignPoint]:
        """Yield the points that meet all constraints on fields, in the same order always.

        Raises:
            UserError: If a constraint cannot be computed.
        """
        own = [item for item in self.constraints if not item.names & set(FIGURES.values())]
        for values in product(*self.axes.values()):
            point = DesignPoint(**dict(zip(self.axes, values, strict=True)))
            if not own or _meets(own, point.quantities()):
                yield point

    def accepts(self, point: DesignPoint, figures: Mapping[str, float]) -> bool:
        """Tell whether the figures of a point meet the constraints on figures.

        Args:
            point: The point.
            figures: Values of :data:`FIGURES` by name.

        Raises:
            UserError: If a constraint cannot be computed.
        """
        late = [item for item in self.constraints if item.names & set(FIGURES.values())]
        return not late or _meets(late, point.quantities() | dict(figures))


def _meets(constraints: list[Constraint], values: Mapping[str, Any]) -> bool:
    return all(item.holds(values) for item in constraints)


def read_space(path: Path) -> Space:
    """Return the space of a file.

    Raises:
        UserError: If it cannot be read, or something in it is not accepted; the message names file
            and field.
    """
    top = read_toml(path, "space")
    name = top.text("model")
    if (path.parent / name).is_file():  # next to the space
        name = str(path.parent / name)
    workload = Workload(
        model=find_model(name), phase=top.choice("phase", _PHASES, "decode"),
        context=top.integer("context", 4096), new=top.integer("new", 0),
        batch=top.integer("batch", 1),
    )  # fmt: skip
    texts = top.texts("constraints", ())
    tables = top.table("fields")
    top.done()
    axes = {name: (default,) for name, default in _FIELDS.items()}
    for table in tables:
        axes |= {name: _values(table, name) for name in _FIELDS if name in table.data}
        table.known = list(_FIELDS)
        table.done()
    known = [*_FIELDS, "rows", "columns", *FIGURES.values()]
    try:
        constraints = tuple(read_constraint(text, known) for text in texts)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    space = Space(workload=workload, axes=axes, constraints=constraints)
    if space.size > MOST_POINTS:
        counts = ", ".join(f"{len(axes[field]):,} of {field}" for field in space.varied)
        raise UserError(
            f"{path}: a space must have at most {MOST_POINTS:,} points, not {space.size:,}:"
            f" {counts}"
        )
    return space


def _values(table: TomlTable, name: str) -> tuple[Any, ...]:
    """Return the values of a field: one, a list of them, or a range of numbers."""
    default, given = _FIELDS[name], table.data[name]
    if isinstance(given, dict):
        if isinstance(default, str):
            raise table.error(name, "must be a text or a list of texts, not a range")
        return _range(table.table(name)[0], type(default))
    found = given if isinstance(given, list) else [given]
    if not found or len(found) > _MOST_VALUES:
        raise table.error(name, f"must have 1 to {_MOST_VALUES:,} values, not {len(found):,}")
    typed = tuple(_typed(table, name, value, type(default)) for value in found)
    for value in typed:
        if typed.count(value) > 1:
            raise table.error(name, f"has {value!r} twice")
    return typed


def _typed(table: TomlTable, name: str, value: Any, kind: type) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    infinite = isinstance(value, float) and not math.isfinite(value)
    if type(value) is not kind or infinite:
        words = {int: "whole numbers", float: "numbers", str: "texts"}[kind]
        raise table.error(name, f"must be {words}, not {repr(value)[:80]}")
    return value


def _range(ends: TomlTable, kind: type) -> tuple[Any, ...]:
    """Return the numbers from one to another, by equal steps or by a factor."""
    begins_at_0 = ends.data.get("from") == 0
    low = 0.0 if begins_at_0 else ends.quantity("from")
    ends.known.append("from")
    high = ends.quantity("to")
    step, factor = ends.number("step", optional=True), ends.number("factor", optional=True)
    ends.done()
    if (step is None) == (factor is None):
        raise ends.error("", "needs either a step or a factor")
    if factor is not None and (factor <= 1 or begins_at_0):
        raise ends.error("", "with a factor needs one above 1, and to begin above 0")
    steps = (high - low) / step if step else math.log(high / low, factor or 2)
    if not -1e-9 <= steps < _MOST_VALUES:
        raise ends.error("", f"must have 1 to {_MOST_VALUES:,} values")
    places = range(int(steps + 1e-9) + 1)
    exact = [low + place * step if step else low * (factor or 2) ** place for place in places]
    if kind is int and any(value != int(value) for value in exact):
        raise ends.error("", "must give whole numbers")
    return tuple(kind(value) for value in exact)
