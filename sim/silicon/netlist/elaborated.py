"""Netlists with macros, included files or parameters, made into plain ones by a front end."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from consilico.sim.base.files import read_input
from consilico.sim.rtlsim.foreign.elaborate import elaborate_netlist
from consilico.sim.rtlsim.foreign.sources import directives, read_sources
from consilico.sim.silicon.liberty.library import Cell
from consilico.sim.silicon.netlist.syntax import DIRECTIVES

__all__ = ["plain_netlist"]

_NAMES = re.compile(r"[A-Za-z_][\w$]*")


def plain_netlist(
    files: Path | Sequence[Path],
    top: str,
    cells: Mapping[str, Cell],
    *,
    include: Sequence[Path] = (),
    defines: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Path | Sequence[Path]:
    """Return files that :func:`~consilico.sim.silicon.netlist.netlist.read_netlist` takes.

    They are the ones given, unless a preprocessor has to read these or parameters are set: then
    what the front end of :mod:`consilico.sim.rtlsim.foreign` makes of them, all instances kept.

    Args:
        files: Verilog or SystemVerilog, one file or several.
        top: The top module.
        cells: Cells of the library by name.
        include: Further folders of included files.
        defines: Texts of macros by name.
        parameters: Values of the top module's parameters by name.

    Raises:
        UserError: If a file cannot be read or reaches beyond these folders, or the netlist is not
            understood.
    """
    paths = [files] if isinstance(files, Path) else files
    asked = bool(include or defines or parameters)
    if not asked and not any(_is_preprocessed(path) for path in paths):
        return files
    sources = read_sources(paths, include, defines)
    used = cells.keys() & set(_NAMES.findall(sources.text))
    stubs = "\n".join(_stub(cells[name]) for name in sorted(used))
    source = ", ".join(map(str, paths))
    return elaborate_netlist(sources, top, parameters or {}, stubs, source)


def _is_preprocessed(path: Path) -> bool:
    """Tell whether a text means something else once a preprocessor has read it."""
    text = read_input(path, "netlist", unzip=True).decode("latin-1")
    return not directives(text) <= DIRECTIVES


def _stub(cell: Cell) -> str:
    """Return a module without content that has a cell's name and ports."""
    in_bus = {bit for bits in cell.buses.values() for bit in bits}
    ports = {
        name: f"{_direction(cell, bits[0])} [{_index(bits[0])}:{_index(bits[-1])}]"
        for name, bits in cell.buses.items()
    }
    ports |= {
        name: _direction(cell, name)
        for name, pin in cell.pins.items()
        if name not in in_bus and pin.direction != "internal"
    }
    ports |= dict.fromkeys(cell.supply_pins, "inout")
    listed = ", ".join(f"{kind} {name}" for name, kind in ports.items())
    return f"(* blackbox *) module {cell.name}({listed}); endmodule"


def _direction(cell: Cell, pin: str) -> str:
    found = cell.pins[pin].direction
    return found if found in ("input", "output") else "inout"


def _index(bit: str) -> str:
    return bit.rpartition("[")[2].removesuffix("]")
