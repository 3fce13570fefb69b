"""Liberty as text: files of one library merged into one for the mapper, chosen cells left out.

The content of cells is copied as it stands, once it has been seen to be Liberty.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.silicon.liberty.syntax import Group, LibertySource, open_library, parse_group

__all__ = ["LibraryText", "read_library_text", "usable", "with_area"]

# OpenSTA 2.0 adds the default wire load to every net, newer ones do not: wires are ideal here.
_WIRES = re.compile(r"\bdefault_wire_load\w*\s*(?::[^;\n]*|\([^)]*\))\s*;?")
_UNITS = {  # that files of one library must agree on; what Liberty takes where a file gives none
    "time_unit": "1ns",
    "voltage_unit": "1V",
    "leakage_power_unit": "none",
    "capacitive_load_unit": "none",
    "nom_voltage": "none",
}
# Not for mapping logic to, in Liberty's words: not to be used, three-state outputs, pads, macros,
# cells between power domains.
_TRUE = (
    "dont_use",
    "is_isolation_cell",
    "is_level_shifter",
    "always_on",
    "is_macro_cell",
    "pad_cell",
)
_SET = ("switch_cell_type", "retention_cell", "power_gating_cell", "three_state")
_MARK = re.compile(rf'\b(?:(?:{"|".join(_TRUE)})\s*:\s*"?true|(?:{"|".join(_SET)})\s*:\s*"?\w)')
# Defaults of limits, where files may differ: the attribute of a pin, and directions it is for.
_LIMITS = {
    "default_max_capacitance": ("max_capacitance", ("output", "inout")),
    "default_max_transition": ("max_transition", ("output", "inout")),
    "default_max_fanout": ("max_fanout", ("output", "inout")),
    "default_fanout_load": ("fanout_load", ("input", "inout")),
}
_AREA = re.compile(r"\barea\s*:\s*\"?([\d.eE+-]+)\"?\s*;?")


@dataclass(frozen=True, kw_only=True)
class LibraryText:
    """Texts of a library's cells by name, and of all else that the library holds."""

    head: str
    cells: Mapping[str, str]

    def render(self, name: str) -> str:
        """Return the Liberty text of a library of that name."""
        return f"library ({name}) {{\n{self.head}\n{''.join(self.cells.values())}}}\n"


def read_library_text(paths: Sequence[Path]) -> LibraryText:
    """Read Liberty files as the text of one library.

    Default limits (``default_max_transition`` and the like) in which the files differ become limits
    of the pins that have none of their own.

    Args:
        paths: Files of one library, plain or gzipped.

    Raises:
        UserError: If a file cannot be read, is empty, truncated or not Liberty, or has no cells, or
            files differ in units, voltage or table templates, or a cell is defined twice and
            differently.
    """
    head = ""
    templates: dict[tuple[str, str], str] = {}
    cells: dict[str, str] = {}
    places: dict[str, str] = {}
    units: dict[str, tuple[Path, str]] = {}
    files = [(path, *open_library(path)) for path in paths]
    differing = [
        name
        for name in _LIMITS
        if len({_plain(library.attributes.get(name, "")) for _, _, library in files}) > 1
    ]
    for path, source, library in files:
        _agree(units, path, library)
        end = source.text.index("{", library.position) + 1
        for group in library.groups:
            between = source.text[end : group.position]
            end = group.body[1] + 1
            # a mark of a joined line is no white space to other readers
            text = source.text[group.position : end].replace("\v", " ") + "\n"
            if path == paths[0]:
                head += _WIRES.sub("", between.replace("\v", " "))
            if group.kind == "cell":
                text = _with_limits(source, parse_group(source, group), text, library, differing)
                place = f"{path}:{source.line(group.position)}"
                if cells.setdefault(group.name, text).split() != text.split():
                    raise UserError(
                        f"{place}: cell {group.name}: defined at {places[group.name]}, too;"
                        " accepted: once"
                    )
                places[group.name] = place
            elif "template" in group.kind:
                known = templates.setdefault((group.kind, group.name), text)
                if known.split() != text.split():
                    raise UserError(
                        f"{paths[0]} and {path} define the table template {group.name}"
                        " differently; the files of one library must agree"
                    )
            elif path == paths[0] and not group.kind.startswith("wire_load"):
                head += text
        if path == paths[0]:
            head += _WIRES.sub("", _rest(source, end).replace("\v", " "))
    for name in differing:
        head = re.sub(rf"\b{name}\s*:[^;\n]*;?", "", head)
    head = re.sub(r"\n\s+\n", "\n", head + "".join(templates.values()))
    return LibraryText(head=head, cells=cells)


def usable(name: str, cells: Mapping[str, str], avoided: Callable[[str], bool]) -> set[str]:
    """Return the names of the cells that a mapper may choose by their function.

    Args:
        name: Name of the library, for messages.
        cells: Texts of cells by name.
        avoided: Tells from a cell's name whether it is to be left out.

    Raises:
        UserError: If no cell has an area, or none is left, or no flip-flop.
    """
    sized = [cell for cell, text in cells.items() if _area(text) > 0]
    if not sized:
        raise UserError(f"the Liberty files of {name} give no cell an area; nothing can be chosen")
    left = {cell for cell in sized if not avoided(cell) and not _marked(cells[cell])}
    if not left:
        raise UserError(
            f"the Liberty files of {name} hold no cell to choose: all are marked dont_use or the"
            " like, or avoided by name"
        )
    if not any(re.search(r"\bff(?:_bank)?\s*\(", cells[cell]) for cell in left):
        raise UserError(f"the Liberty files of {name} hold no flip-flop to map registers to")
    return left


def with_area(cell: str, area_um2: float) -> str:
    """Return the text of a cell with that area, or as it stands where it has an area."""
    if _area(cell) > 0:
        return cell
    return _AREA.sub("", cell, count=1).replace("{", f"{{\n  area : {area_um2:g};", 1)


def _with_limits(
    source: LibertySource, cell: Group, text: str, library: Group, names: Sequence[str]
) -> str:
    """Return the text of a cell whose pins say what some defaults of the library say.

    Args:
        source: Text of the file that the cell is in.
        cell: The cell, parsed.
        text: Its text.
        library: The file's library.
        names: The defaults.
    """
    for pin in reversed(list(cell.all("pin", "bus", "bundle"))):
        after = source.text.index("{", pin.position) + 1 - cell.position
        for name in names:
            attribute, directions = _LIMITS[name]
            value = library.attributes.get(name)
            if (
                value is not None
                and attribute not in pin.attributes
                and pin.attributes.get("direction") in directions
            ):
                text = f"{text[:after]} {attribute} : {value};{text[after:]}"
    return text


def _area(cell: str) -> float:
    found = _AREA.search(cell)
    try:
        return float(found[1]) if found else 0.0
    except ValueError:
        return 0.0


def _marked(cell: str) -> bool:
    # plain searches first: the pattern is slow on the megabyte that a large cell has
    return any(word in cell for word in (*_TRUE, *_SET)) and _MARK.search(cell) is not None


def _rest(source: LibertySource, start: int) -> str:
    """Return what follows the last group of a library, without the brace that closes it."""
    text = source.text[start:]
    return text[: text.rindex("}")]


def _agree(units: dict[str, tuple[Path, str]], path: Path, library: Group) -> None:
    """Note the units of the first file, and refuse those of another one that differ."""
    for name, usual in _UNITS.items():
        words = library.list(name) or (library.attributes.get(name, usual),)
        value = " ".join(_plain(word) for word in words)
        first, known = units.setdefault(name, (path, value))
        if known != value:
            raise UserError(
                f"{first} has {name} {known}, {path} has {value}; the files of one library must"
                " agree"
            )


def _plain(word: str) -> str:
    """Return a number without trailing zeros, and any other word in lower case."""
    try:
        return f"{float(word):g}"
    except ValueError:
        return word.strip().lower()
