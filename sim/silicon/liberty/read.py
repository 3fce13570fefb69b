"""Cell libraries in Liberty format, read into dataclasses in SI units.

Several files (ASAP7 comes as five) give one library. Files may be gzipped. A cell is built when it
is first asked for. Format: Liberty Reference Manual (Synopsys, open-source Liberty).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.build import build_cell
from consilico.sim.silicon.liberty.context import LibraryContext
from consilico.sim.silicon.liberty.library import (
    Cell,
    InternalPower,
    Leakage,
    Pin,
    Sequential,
    Table,
    TimingArc,
)
from consilico.sim.silicon.liberty.parse import Group, open_library, parse_group

__all__ = [
    "Cell",
    "InternalPower",
    "Leakage",
    "Library",
    "Pin",
    "Sequential",
    "Table",
    "TimingArc",
    "read_liberty",
]


class _Cells(Mapping[str, Cell]):
    """Cells by name, in file order, each built on first use."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[LibraryContext, Group]] = {}
        self._built: dict[str, Cell] = {}

    def add(self, context: LibraryContext) -> None:
        """Take in the cells of one more file; a name that is there already keeps its cell."""
        for group in context.library.all("cell"):
            self._found.setdefault(group.name, (context, group))

    def __getitem__(self, name: str) -> Cell:
        if name not in self._built:
            context, group = self._found[name]
            self._built[name] = build_cell(context, parse_group(context.source, group))
        return self._built[name]

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


@dataclass(frozen=True, kw_only=True)
class Library:
    """Cells of one or several Liberty files."""

    name: str  # of the first file's library
    paths: tuple[Path, ...]
    voltage_v: float  # nominal
    cells: Mapping[str, Cell]


def read_liberty(paths: Sequence[Path]) -> Library:
    """Read Liberty files as one library; of a cell that is in two, the first one counts.

    Args:
        paths: Files, plain or gzipped, each with its own units.

    Raises:
        UserError: If there is no file, or one cannot be read, is empty, truncated or not Liberty,
            or has no cells; names file and line. Damage inside a cell shows when it is asked for.
    """
    if not paths:
        raise UserError("no Liberty file was given")
    cells = _Cells()
    contexts = [LibraryContext(*open_library(path)) for path in paths]
    for context in contexts:
        cells.add(context)
    return Library(
        name=contexts[0].library.name,
        paths=tuple(paths),
        voltage_v=contexts[0].voltage_v,
        cells=cells,
    )
