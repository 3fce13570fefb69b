"""Synthesis: Verilog in, a netlist of a kit's cells out (Yosys and ABC).

Recipes are tried in order of area, the smallest first, until one meets the clock; if none does the
fastest netlist is taken. They differ in whether full adders become the library's cells, and in
what ABC maps for: area, the clock and then area, or the clock.
"""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.doctor import tool_versions
from sim.errors import ToolError, UserError
from sim.results import cache_dir, cached, digest, write_atomic
from sim.silicon.pdk import Kit
from sim.silicon.sta import longest_path

__all__ = ["RECIPES", "Recipe", "SynthResult", "synthesize"]

_LIMIT_S = 900  # a recipe that takes longer is given up

# simplemap before abc: opt -full may leave a $mux of one bit (opt_share), a map of adders a $not
_SCRIPT = """
read_liberty -lib -ignore_miss_func cells.lib
read_verilog -sv rtl.v
read_verilog -sv cells.v
hierarchy -check -top {top}
proc
flatten
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
tee -q -o stat.txt stat -liberty cells.lib
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
class Recipe:
    """One way to map a design."""

    abc: str  # name of the ABC script
    full_adders: bool  # use the library's full adder where logic is one

    @property
    def name(self) -> str:
        """Name for reports."""
        return f"{self.abc}; {'full adder cells' if self.full_adders else 'gates'}"


# Full adder cells are small and frugal but slow.
RECIPES = (
    Recipe(abc="area", full_adders=True),
    Recipe(abc="clock", full_adders=True),
    Recipe(abc="clock, then area", full_adders=False),
    Recipe(abc="clock", full_adders=False),
)


@dataclass(frozen=True, kw_only=True)
class SynthResult:
    """A mapped netlist."""

    netlist: Path
    area_um2: float
    path_ns: float
    cells_by_type: dict[str, int]
    recipe: str
    tried: dict[str, dict[str, float]]  # recipe: area_um2 and path_ns


def synthesize(verilog: str, top: str, kit: Kit, clock_ns: float) -> SynthResult:
    """Map Verilog to the cells of a kit.

    Args:
        verilog: The design, with the modules of :mod:`hw.cells` where it uses them.
        top: Its top module.
        kit: The process kit.
        clock_ns: Clock period to meet.

    Raises:
        UserError: If Yosys is missing.
        ToolError: If Yosys fails on every recipe, or leaves a cell that the kit has not.
    """
    if shutil.which("yosys") is None:
        raise UserError("yosys is not installed; get it with: apt-get install yosys")
    version = tool_versions(("yosys",))
    recipes: tuple[Recipe, ...] = RECIPES
    if "full_adder" not in kit.roles:
        recipes = tuple(Recipe(abc=abc, full_adders=False) for abc in _ABC)
    own = Path(__file__).read_text()
    keys = {
        recipe: digest(verilog, top, kit.sha256, clock_ns, own, version, recipe.name)
        for recipe in recipes
    }

    best: tuple[Recipe, dict[str, Any]] | None = None
    tried: dict[str, dict[str, float]] = {}
    failure = ""
    for recipe, key in keys.items():
        found = _cached_map(verilog, top, kit, clock_ns, recipe, key)
        if "failure" in found:
            failure = failure or found["failure"]
            continue
        tried[recipe.name] = {name: found[name] for name in ("area_um2", "path_ns")}
        if best is None or found["path_ns"] < best[1]["path_ns"]:
            best = recipe, found
        if found["path_ns"] <= clock_ns:
            break
    if best is None:
        raise ToolError(f"yosys failed on {top}: {failure}")
    recipe, found = best
    return SynthResult(
        netlist=_store(keys[recipe]),
        area_um2=found["area_um2"],
        path_ns=found["path_ns"],
        cells_by_type=found["cells_by_type"],
        recipe=recipe.name,
        tried=tried,
    )


def _store(key: str) -> Path:
    return cache_dir("synth") / f"{key}.v"


def _cached_map(
    verilog: str, top: str, kit: Kit, clock_ns: float, recipe: Recipe, key: str
) -> dict[str, Any]:
    """The recipe's result; made again where its netlist is gone or damaged."""

    def compute() -> dict[str, Any]:
        return _map(verilog, top, kit, clock_ns, recipe, _store(key))

    found: dict[str, Any] = cached("synth", key, compute)
    if "failure" not in found and not _intact(_store(key), found["netlist_sha256"]):
        found = compute()
    return found


def _intact(path: Path, sha256: str) -> bool:
    try:
        return digest(path.read_text()) == sha256
    except OSError:
        return False


def _map(
    verilog: str, top: str, kit: Kit, clock_ns: float, recipe: Recipe, store: Path
) -> dict[str, Any]:
    """Run one recipe; write the netlist to ``store``."""
    role = kit.roles
    target_ps = 1000 * min(clock_ns, kit.target_ns)
    script = _SCRIPT.format(
        top=top,
        target_ps=target_ps,
        adders=_ADDERS if recipe.full_adders else "",
        flops=_OWN_FLOPS if "flop" in role else "dfflibmap -liberty cells.lib",
        ties=_ties(kit),
    )
    files = {
        "rtl.v": _without_cells(verilog),
        "cells.v": _cells(kit),
        "latches.v": _latches(kit),
        "flops.v": _flops(kit) if "flop" in role else "",
        "adders.v": _full_adder(kit) if recipe.full_adders else "",
        "abc.constr": f"set_driving_cell {role['driver'].cell}\nset_load {kit.load_ff}\n",
        "abc.script": _ABC[recipe.abc].replace("{D}", f"{target_ps:g}").replace("; ", "\n") + "\n",
        "script.ys": script,
    }
    with tempfile.TemporaryDirectory(prefix="consilico-synth-") as name:
        work = Path(name)
        for file, text in files.items():
            (work / file).write_text(text)
        (work / "cells.lib").symlink_to(kit.mapping_liberty)
        try:
            run = subprocess.run(
                ["yosys", "-q", "-s", "script.ys"],
                cwd=work, capture_output=True, text=True, timeout=_LIMIT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"failure": f"{recipe.name}: no netlist within {_LIMIT_S} s"}
        if run.returncode:
            return {"failure": f"{recipe.name}: {(run.stderr or run.stdout).strip()[-400:]}"}
        netlist, stat = (work / "netlist.v").read_text(), (work / "stat.txt").read_text()
    counts = {cell: int(count) for cell, count in re.findall(r"^\s+(\S+)\s+(\d+)$", stat, re.M)}
    if foreign := sorted(cell for cell in counts if cell.startswith("$")):
        raise ToolError(f"{top}: no cell of {kit.name} for {', '.join(foreign)}")
    write_atomic(store, netlist)
    return {
        "area_um2": float(re.findall(r"Chip area for .*: ([\d.]+)", stat)[-1]),
        "cells_by_type": counts,
        "path_ns": longest_path(store, top, kit, "clk", clock_ns).path_ns,
        "netlist_sha256": digest(netlist),
    }


def _without_cells(verilog: str) -> str:
    """The design without the behaviour of the cells that the kit provides."""
    return re.sub(
        r"^module consilico_(clock_gate|latch)\b.*?^endmodule$", "", verilog, flags=re.S | re.M
    )


def _cells(kit: Kit) -> str:
    """Clock gate and latch of :mod:`hw.cells` made of the kit's cells."""
    latch, low, gate = kit.roles["latch_high"], kit.roles["latch_low"], kit.roles.get("clock_gate")
    if gate is not None:
        body = f"{gate.cell} gate({gate.ports(clock='clk', enable='enable', output='gclk')});"
    else:
        body = (
            f"wire held; {low.cell} latch({low.ports(enable='clk', data='enable', output='held')});"
            " assign gclk = clk & held;"
        )
    bit = latch.ports(enable="enable", data="d[i]", output="q[i]")
    return f"""
module consilico_clock_gate(input clk, input enable, output gclk);
  {body}
endmodule
module consilico_latch #(parameter WIDTH = 1) (
  input enable, input [WIDTH-1:0] d, output [WIDTH-1:0] q
);
  genvar i;
  generate for (i = 0; i < WIDTH; i = i + 1) begin : bits
    {latch.cell} latch({bit});
  end endgenerate
endmodule
"""


def _latches(kit: Kit) -> str:
    """Technology map of latches that Yosys infers."""
    text = ""
    for level, sign in (("high", "P"), ("low", "N")):
        role = kit.roles[f"latch_{level}"]
        text += (
            f"module \\$_DLATCH_{sign}_ (input E, input D, output Q);\n"
            f"  {role.cell} _TECHMAP_REPLACE_ ({role.ports(enable='E', data='D', output='Q')});\n"
            "endmodule\n"
        )
    return text


def _flops(kit: Kit) -> str:
    """Technology map of flip-flops, for a kit whose flip-flops dfflibmap cannot use."""
    role = kit.roles["flop"]
    text = ""
    for sign, clock in (("P", "C"), ("N", "~C")):
        text += (
            f"module \\$_DFF_{sign}_ (input C, input D, output Q);\n"
            f"  {role.cell} _TECHMAP_REPLACE_ ({role.ports(clock=clock, data='D', output='Q')});\n"
            "endmodule\n"
        )
    return text


def _ties(kit: Kit) -> str:
    """Command that gives constants to tie cells; without them they stay constants."""
    if "tie_high" not in kit.roles or "tie_low" not in kit.roles:
        return ""
    high, low = (kit.roles[f"tie_{level}"] for level in ("high", "low"))
    cells = (
        f"-{name} {r.cell} {r.pins['output']}" for name, r in (("hicell", high), ("locell", low))
    )
    return f"hilomap {' '.join(cells)}"


def _full_adder(kit: Kit) -> str:
    """Technology map of Yosys' full adders (X is the carry, Y the sum)."""
    role = kit.roles["full_adder"]
    pins = role.pins
    outputs = []
    wires = []
    for purpose, port in (("carry", "X"), ("sum", "Y")):
        if purpose in role.inverted:
            wires.append(f"wire n{port}; assign {port}[i] = ~n{port};")
            outputs.append(f".{pins[purpose]}(n{port})")
        else:
            outputs.append(f".{pins[purpose]}({port}[i])")
    return f"""
module \\$fa (A, B, C, X, Y);
  parameter WIDTH = 1;
  input [WIDTH-1:0] A, B, C;
  output [WIDTH-1:0] X, Y;
  genvar i;
  generate for (i = 0; i < WIDTH; i = i + 1) begin : bits
    {" ".join(wires)}
    {role.cell} adder(.{pins["a"]}(A[i]), .{pins["b"]}(B[i]), .{pins["c"]}(C[i]),
      {", ".join(outputs)});
  end endgenerate
endmodule
"""
