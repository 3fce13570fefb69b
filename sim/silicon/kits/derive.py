"""Derive what a kit file leaves out from the Liberty files themselves.

Roles follow from functions (:mod:`consilico.sim.silicon.kits.roles`). The delay that mapping aims
for and the load of a port follow from the smallest inverter: 40 of its delays at a fan-out of four,
and four of its inputs, which is about what the kits that are described by hand have.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.files import read_input
from consilico.sim.base.results import digest
from consilico.sim.silicon.kits.roles import Role, find_roles, inverters
from consilico.sim.silicon.liberty.library import Cell, Library, Reals, Table
from consilico.sim.silicon.liberty.merge import read_library_text, usable
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.liberty.syntax import open_library

__all__ = ["Derived", "derive", "fanout_of_four"]

_TARGET_FO4 = 40
_LOAD_INVERTERS = 4
_STEPS = 8  # towards the slew that an inverter in a chain of its like sees


@dataclass(frozen=True, kw_only=True)
class Derived(Facts):
    """Properties of a kit as the Liberty files of its library state them."""

    name: str
    corner: str
    voltage_v: float
    target_ns: float
    load_ff: float
    roles: Mapping[str, Role]


def derive(paths: Sequence[Path], avoided: Callable[[str], bool] = lambda cell: False) -> Derived:
    """Find roles, corner, voltage, target and load in Liberty files.

    Args:
        paths: Files of one library.
        avoided: Tells from the name of a cell whether it is to be left out.

    Raises:
        UserError: If a file is damaged, or the library lacks what synthesis needs.
    """
    cells = read_library_text(paths).cells
    files = [read_input(path, "Liberty file") for path in paths]
    key = digest([cell for cell in cells if avoided(cell)], code_digest(__name__), *files)
    return cached_facts(Derived, "kits", key, lambda: _derive(paths, cells, avoided))


def _derive(
    paths: Sequence[Path], texts: Mapping[str, str], avoided: Callable[[str], bool]
) -> Derived:
    library = read_liberty(paths)
    left = usable(library.name, texts, avoided)
    everything = [library.cells[name] for name in library.cells if not avoided(name)]
    # a latch without an area (those of osu018 have none) is better than no latch
    cells = [cell for cell in everything if cell.name in left or _unsized_latch(cell)]
    smallest = inverters(cells)
    roles = find_roles(library.name, cells)
    delay_s, input_f = fanout_of_four(smallest[0])
    return Derived(
        name=library.name,
        corner=_corner(paths[0], library),
        voltage_v=library.voltage_v,
        target_ns=float(f"{_TARGET_FO4 * delay_s * 1e9:.3g}"),
        load_ff=float(f"{_LOAD_INVERTERS * input_f * 1e15:.3g}"),
        roles=roles,
    )


def fanout_of_four(inverter: Cell) -> tuple[float, float]:
    """Return the delay of an inverter that drives four like it, and its input capacitance.

    Returns:
        The mean of rise and fall in seconds, at the slew that such an inverter gets from another;
        the capacitance in farads.

    Raises:
        UserError: If the cell has no delay tables.
    """
    load = next(pin.capacitance_f for pin in inverter.pins.values() if pin.direction == "input")
    arcs = [arc for pin in inverter.pins.values() for arc in pin.timing]
    tables = [
        table
        for arc in arcs[:1]
        for table in (arc.cell_rise, arc.cell_fall, arc.rise_transition, arc.fall_transition)
        if table is not None
    ]
    if len(tables) < 4 or load <= 0:
        raise UserError(f"the inverter {inverter.name} has no delay tables; NLDM tables are needed")

    def mean(pair: list[Table], slew_s: Reals) -> Reals:
        rise, fall = (table.lookup(slew_s, np.array([4 * load])) for table in pair)
        return (rise + fall) / 2

    slew_s = np.zeros(1)
    for _ in range(_STEPS):
        slew_s = mean(tables[2:], slew_s)
    return float(mean(tables[:2], slew_s)[0]), load


def _unsized_latch(cell: Cell) -> bool:
    kinds = {state.kind for state in cell.sequential}
    return cell.area_um2 <= 0 and kinds == {"latch"} and not (cell.dont_use or cell.pad)


def _corner(path: Path, library: Library) -> str:
    """Return the name of the operating conditions, or of the library where it names none."""
    _, group = open_library(path)
    named = [conditions.name for conditions in group.all("operating_conditions")]
    usual = group.attributes.get("default_operating_conditions", "")
    return usual or next(iter(named), "") or library.name
