"""Synthesis: Verilog in, a netlist of a kit's cells out (Yosys and ABC).

Recipes are tried in order of area, the smallest first, until one meets the clock; if none does the
fastest netlist is taken. They differ in whether full adders become the library's cells, and in
what ABC maps for: area, the clock and then area, or the clock.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from consilico.sim.base.code import code_digest
from consilico.sim.base.errors import ToolError
from consilico.sim.base.facts import Facts, cached_facts
from consilico.sim.base.processes import work_folder
from consilico.sim.base.results import cached_file, digest
from consilico.sim.silicon.kits.kit import Kit
from consilico.sim.silicon.synthesis.techmap import (
    adder_map,
    flop_map,
    kit_cells,
    latch_map,
    tie_command,
    without_cells,
)
from consilico.sim.silicon.synthesis.yosys import run_yosys, yosys_version
from consilico.sim.silicon.timing.opensta import longest_path
from consilico.sim.silicon.timing.sta import sta_version

__all__ = [
    "RECIPES",
    "AreaAndPath",
    "MappedNetlist",
    "MappingRecipe",
    "RecipeResult",
    "map_once",
    "recipe_named",
    "recipes_of",
    "synthesize",
    "yosys_files",
]

# simplemap before abc: opt -full may leave a $mux of one bit (opt_share), a map of adders a $not
_SCRIPT = """
read_liberty -lib -ignore_miss_func cells.lib
{read}
read_verilog -sv cells.v
hierarchy -check -top {top}
proc
{boundaries}
opt -full
wreduce
peepopt
opt_clean
alumacc
share
opt -full
memory
opt -full
techmap
opt -fast
{adders}
techmap -map latches.v
{flops}
opt -full
simplemap
abc -liberty cells.lib -constr abc.constr -D {target_ps} -script abc.script
setundef -zero
{ties}
splitnets
opt_clean -purge
tee -q -o counts.json stat -json
tee -q -o area.txt stat -liberty cells.lib
write_verilog -noattr -noexpr -nohex -simple-lhs netlist.v
"""

_OWN_FLOPS = """
dfflegalize -cell $_DFF_P_ 01 -cell $_DFF_N_ 01
techmap -map flops.v
"""

# A search of depth 4 finds nearly all full adders that the default of 20 does, 60 times faster
# (Yosys 0.23 wants these options in this order).
_ADDERS = """
extract_fa -d 4 -b 6 -fa
techmap -map adders.v
"""

_CLEAN = "strash; ifraig; scorr; dc2; strash; "
_SIZE = "; upsize -D {D}; dnsize -D {D}"
_ABC = {
    "area": _CLEAN + "dc2; dch -f; amap -m; topo; buffer -c -N 32" + _SIZE,
    "clock, then area": _CLEAN + "dch -f; map -a -B 0.9 -D {D}; topo; buffer -c" + _SIZE,
    "clock": _CLEAN + "dch -f; map -B 0.9 -D {D}; topo; buffer -c" + _SIZE,
}


@dataclass(frozen=True, kw_only=True)
class MappingRecipe:
    """One way to map a design."""

    abc: str  # name of the ABC script
    full_adders: bool  # use the library's full adder where logic is one

    @property
    def name(self) -> str:
        """Return the name that reports and ``tried`` use, such as ``area; gates``."""
        return f"{self.abc}; {'full adder cells' if self.full_adders else 'gates'}"


# Full adder cells are small and frugal but slow.
RECIPES = (
    MappingRecipe(abc="area", full_adders=True),
    MappingRecipe(abc="clock", full_adders=True),
    MappingRecipe(abc="clock, then area", full_adders=False),
    MappingRecipe(abc="clock", full_adders=False),
)


@dataclass(frozen=True, kw_only=True)
class AreaAndPath(Facts):
    """Area of a netlist, and the shortest period at which no path of it fails."""

    area_um2: float
    path_ns: float


@dataclass(frozen=True, kw_only=True)
class RecipeResult(Facts):
    """Netlist that one recipe makes of a design, with its area and path."""

    area_um2: float
    cells_by_type: dict[str, int]
    path_ns: float  # shortest period at which no path fails
    netlist: str  # flat Verilog


@dataclass(frozen=True, kw_only=True)
class MappedNetlist:
    """The netlist of the recipe that meets the clock in the least area, or of the fastest one."""

    netlist: Path  # flat Verilog
    area_um2: float
    path_ns: float  # shortest period at which no path fails
    cells_by_type: dict[str, int]
    recipe: str
    tried: dict[str, AreaAndPath]  # every recipe that was run, by name

    @property
    def cells(self) -> int:
        """Return the number of cells."""
        return sum(self.cells_by_type.values())


def synthesize(
    verilog: str, top: str, kit: Kit, clock_ns: float, clock: str = "clk"
) -> MappedNetlist:
    """Map Verilog to the cells of a kit.

    The Yosys that runs is the one :mod:`consilico.sim.silicon.synthesis.yosys` finds.

    Args:
        verilog: The design, with the modules of :mod:`consilico.hw.cells` where it uses them.
        top: Its top module.
        kit: The process kit.
        clock_ns: Clock period to meet.
        clock: Name of the clock port.

    Raises:
        UserError: If Yosys is missing.
        ToolError: If Yosys or OpenSTA fails on a recipe, exceeds a limit or is killed, or Yosys
            leaves a cell that the kit has not. Nothing is kept of it.
    """
    best: tuple[MappingRecipe, Path, RecipeResult] | None = None
    tried: dict[str, AreaAndPath] = {}
    for recipe in recipes_of(kit):
        netlist, found = _cached_map(verilog, top, kit, clock_ns, recipe, clock)
        tried[recipe.name] = AreaAndPath(area_um2=found.area_um2, path_ns=found.path_ns)
        if best is None or found.path_ns < best[2].path_ns:
            best = recipe, netlist, found
        if found.path_ns <= clock_ns:
            break
    assert best is not None  # every kit has recipes
    recipe, netlist, found = best
    return MappedNetlist(
        netlist=netlist,
        area_um2=found.area_um2,
        path_ns=found.path_ns,
        cells_by_type=found.cells_by_type,
        recipe=recipe.name,
        tried=tried,
    )


def recipes_of(kit: Kit) -> tuple[MappingRecipe, ...]:
    """Return the recipes that make sense with a kit, in the order in which they are tried."""
    if "full_adder" in kit.roles:
        return RECIPES
    return tuple(MappingRecipe(abc=abc, full_adders=False) for abc in _ABC)


def recipe_named(kit: Kit, name: str) -> MappingRecipe:
    """Return the recipe of a kit that has this name."""
    return next(recipe for recipe in recipes_of(kit) if recipe.name == name)


def _cached_map(
    verilog: str, top: str, kit: Kit, clock_ns: float, recipe: MappingRecipe, clock: str
) -> tuple[Path, RecipeResult]:
    """Return the file with the recipe's netlist, and what :func:`map_once` made.

    A recipe for which a tool fails ends the mapping: what the next recipe makes may be worse, and
    would be kept as the answer though the failure was the machine's.
    """
    files = yosys_files(verilog, top, kit, clock_ns, recipe)
    key = digest(files, kit.sha256, yosys_version(), sta_version(), code_digest(__name__), clock)

    def compute() -> RecipeResult:
        try:
            return map_once(files, top, kit, clock)
        except ToolError as error:
            raise ToolError(f"mapping {top} ({recipe.name}): {error}") from error

    found = cached_facts(RecipeResult, "synth", key, compute)
    return cached_file("synth", key, ".v", lambda: found.netlist), found


def yosys_files(
    design: str,
    top: str,
    kit: Kit,
    clock_ns: float,
    recipe: MappingRecipe,
    *,
    read: str = "read_verilog -sv rtl.v",
    boundaries: str = "flatten",
) -> dict[str, str]:
    """Return the texts, by file name, that Yosys reads for a recipe next to the kit's Liberty.

    Args:
        design: Verilog, or what else ``read`` reads as ``rtl.v``.
        top: Its top module.
        kit: The process kit.
        clock_ns: Clock period to meet.
        recipe: How to map.
        read: Yosys command that reads the design.
        boundaries: Yosys commands that decide which module boundaries stay.
    """
    role = kit.roles
    target_ps = 1000 * min(clock_ns, kit.target_ns)
    return {
        "rtl.v": without_cells(design),
        "cells.v": kit_cells(kit),
        "latches.v": latch_map(kit),
        "flops.v": flop_map(kit) if "flop" in role else "",
        "adders.v": adder_map(kit) if recipe.full_adders else "",
        "abc.constr": f"set_driving_cell {role['driver'].cell}\nset_load {kit.load_ff}\n",
        "abc.script": _ABC[recipe.abc].replace("{D}", f"{target_ps:g}").replace("; ", "\n") + "\n",
        "script.ys": _SCRIPT.format(
            top=top,
            read=read,
            boundaries=boundaries,
            target_ps=target_ps,
            adders=_ADDERS if recipe.full_adders else "",
            flops=_OWN_FLOPS if "flop" in role else "dfflibmap -liberty cells.lib",
            ties=tie_command(kit),
        ),
    }


def map_once(files: dict[str, str], top: str, kit: Kit, clock: str = "clk") -> RecipeResult:
    """Run Yosys on :func:`yosys_files`, and time the netlist.

    Args:
        files: What Yosys reads, by file name.
        top: Top module of the design.
        kit: The process kit.
        clock: Name of the clock port.

    Raises:
        UserError: If Yosys or OpenSTA is missing.
        ToolError: If one of them fails or takes too long, or a cell is left that the kit has not.
    """
    made = run_yosys({**files, "cells.lib": kit.mapping_liberty})
    counts: dict[str, int] = json.loads(made["counts.json"])["design"]["num_cells_by_type"]
    if foreign := sorted(cell for cell in counts if cell.startswith("$")):
        raise ToolError(f"{top}: no cell of {kit.name} for {', '.join(foreign)}")
    with work_folder("netlist") as folder:
        netlist = folder / "netlist.v"
        netlist.write_text(made["netlist.v"])
        path_ns = longest_path(netlist, top, kit, clock, kit.target_ns).path_ns
    return RecipeResult(
        area_um2=float(re.findall(r"Chip area for .*: ([\d.]+)", made["area.txt"])[-1]),
        cells_by_type=counts,
        path_ns=path_ns,
        netlist=made["netlist.v"],
    )
