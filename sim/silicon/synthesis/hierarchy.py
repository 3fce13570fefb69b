"""Area by module and by purpose: a second mapping, in which module boundaries stay.

The netlist that is timed and simulated is flat: its cells belong to no module any more. Here
nothing is optimized across boundaries, so the areas do not add up to the flat
netlist's; the difference is part of the result.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import consilico.hw  # `from consilico import hw` would make the key cover the whole project
from consilico.golden.config import Config
from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import ToolError
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.files import write_atomic
from consilico.sim.base.processes import work_folder
from consilico.sim.base.results import digest
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.liberty.read import read_liberty
from consilico.sim.silicon.netlist.netlist import read_netlist
from consilico.sim.silicon.synthesis.synthesize import recipe_named, yosys_files
from consilico.sim.silicon.synthesis.yosys import run_yosys, yosys_version
from consilico.sim.units.unit import Unit

__all__ = ["HierarchicalArea", "MarkedDesign", "area_by_module", "marked_rtl", "marked_unit"]

_SOURCE_LINE = re.compile(r'(?<=\.py):\d+(?=["|])')
_PART = "consilico_part_"  # in the names of modules that hold a module's cells of one purpose
_MULTIPLIERS, _MEMORIES = "multipliers", "memories"
# The file that a generator's logic comes from says what it is for: Booth digits and column
# compressors are in one, register files and their read ports in the other.
_SOURCES = {"hw/arith.py": _MULTIPLIERS, "hw/register_file.py": _MEMORIES}
# Widths first: a multiplier cut out before would be as wide as the expression around it.
_BOUNDARIES = """
setattr -mod -set keep_hierarchy 1 *
setattr -mod -unset keep_hierarchy consilico_* $paramod*consilico_*
flatten
opt -full
wreduce
peepopt
opt_clean
memory -nomap
opt_clean
{purposes}
submod
"""


@dataclass(frozen=True, kw_only=True)
class MarkedDesign:
    """A design whose cells are marked with the purpose that they serve."""

    text: str
    read: str  # Yosys command that reads the text
    purposes: tuple[tuple[str, str], ...]  # pairs: selection of cells in Yosys' terms, purpose


@dataclass(frozen=True, kw_only=True)
class HierarchicalArea(Facts):
    """Area of a mapping that keeps module boundaries."""

    area_um2: float
    by_module_um2: dict[str, float]  # by path, modules inside included; the top by its name
    by_purpose_um2: dict[str, float]  # registers, memories, multipliers, rest


def marked_unit(unit: Unit, config: Config) -> MarkedDesign:
    """Return a unit's design; the generator's files tell multipliers and memories apart.

    Args:
        unit: From the catalogue.
        config: Its configuration.
    """
    from amaranth.back import rtlil

    from consilico.hw.register_file import RegisterFile

    component = unit.component(config)
    parts: dict[str, Any] = getattr(component, "parts", {})
    texts = [
        rtlil.convert(part, name=name, emit_src=True)
        for name, part in {unit.module_name: component, **parts}.items()
    ]
    root = str(Path(consilico.hw.__file__).parents[1])
    text = "\n".join(texts).replace(f"{root}/", "")  # the same wherever the checkout is
    purposes = [(f"t:* a:src=*{file}* %i", kind) for file, kind in _SOURCES.items()]
    purposes += [
        (f"{name}/t:*", _MEMORIES) for name, part in parts.items() if isinstance(part, RegisterFile)
    ]
    return MarkedDesign(
        # files without lines: a comment in a generator is no other design
        text=_SOURCE_LINE.sub("", text),
        read="read_rtlil rtl.v",
        purposes=tuple(purposes),
    )


def marked_rtl(text: str) -> MarkedDesign:
    """Return anyone's Verilog; multipliers are what ``*`` says, memories what is an array.

    Args:
        text: The Verilog.
    """
    return MarkedDesign(
        text=text,
        read="read_verilog -sv rtl.v",
        purposes=(("t:$mul", _MULTIPLIERS), ("t:$mem*", _MEMORIES)),
    )


def area_by_module(
    design: MarkedDesign, top: str, kit: Kit, clock_ns: float, recipe: str
) -> HierarchicalArea:
    """Return the area of each module and of each purpose, from a mapping module by module.

    Registers are flip-flops, latches and clock gates outside of memories. A memory is all that is
    in it, address decoding included. Multipliers are combinational: the registers among them count
    as such.

    Args:
        design: What to map.
        top: Its top module.
        kit: The process kit.
        clock_ns: Clock period to map for.
        recipe: Name of the recipe, see :mod:`consilico.sim.silicon.synthesis.synthesize`.

    Raises:
        UserError: If Yosys is missing.
        ToolError: If Yosys fails.
    """
    marks = "\n".join(
        f'setattr -set submod "{_PART}{purpose}" {selection}'
        for selection, purpose in design.purposes
    )
    files = yosys_files(
        design.text, top, kit, clock_ns, recipe_named(kit, recipe),
        read=design.read, boundaries=_BOUNDARIES.format(purposes=marks),
    )  # fmt: skip
    key = digest(files, kit.sha256, yosys_version(), code_digest(__name__))
    return cached_facts(HierarchicalArea, "hierarchy", key, lambda: _measure(files, top, kit))


def _measure(files: dict[str, str], top: str, kit: Kit) -> HierarchicalArea:
    try:
        made = run_yosys({**files, "cells.lib": kit.mapping_liberty})
    except ToolError as error:
        raise ToolError(f"mapping {top} with its modules kept: {error}") from error
    cells = read_liberty((kit.mapping_liberty,)).cells
    with work_folder("hierarchy") as folder:
        netlist = folder / "netlist.v"
        write_atomic(netlist, made["netlist.v"])
        instances = read_netlist(netlist, top, cells).instances
    by_module = {top: 0.0}
    by_purpose = {"registers": 0.0, _MEMORIES: 0.0, _MULTIPLIERS: 0.0, "rest": 0.0}
    for instance in instances:
        cell = cells[instance.cell]
        path = instance.module.split("/") if instance.module else []
        modules = [part for part in path if _PART not in part]
        for depth in range(len(modules) + 1):
            place = "/".join(modules[:depth]) or top
            by_module[place] = by_module.get(place, 0.0) + cell.area_um2
        by_purpose[_purpose(path, bool(cell.sequential or cell.clock_gate))] += cell.area_um2
    return HierarchicalArea(
        area_um2=by_module[top], by_module_um2=by_module, by_purpose_um2=by_purpose
    )


def _purpose(path: list[str], stores: bool) -> str:
    purposes = {part.partition(_PART)[2] for part in path}
    if _MEMORIES in purposes:
        return _MEMORIES
    if stores:
        return "registers"
    return _MULTIPLIERS if _MULTIPLIERS in purposes else "rest"
