"""Synthesis: Verilog in, a netlist of a kit's cells out (Yosys and ABC)."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sim.errors import UserError
from sim.results import cache_dir, digest, write_atomic
from sim.silicon.pdk import Kit

__all__ = ["SynthResult", "synthesize"]

RECIPE = """
read_verilog -sv rtl.v
hierarchy -check -top {top}
synth -flatten -top {top}
techmap -map latches.v
dfflibmap -liberty cells.lib
opt
abc -liberty cells.lib -constr abc.constr -D {target_ps}
opt_clean -purge
setundef -zero
hilomap -hicell {hi} -locell {lo}
splitnets
clean -purge
write_verilog -noattr -noexpr -nohex netlist.v
tee -q -o stat.txt stat -liberty cells.lib
"""


@dataclass(frozen=True, kw_only=True)
class SynthResult:
    """A mapped netlist."""

    netlist: Path
    area_um2: float
    cells_by_type: dict[str, int]


def synthesize(verilog: str, top: str, kit: Kit, clock_ns: float) -> SynthResult:
    """Map ``verilog`` to the cells of ``kit``, aiming at a clock period of ``clock_ns``."""
    if shutil.which("yosys") is None:
        raise UserError("yosys is not installed; get it with: apt-get install yosys")
    role = kit.roles
    hi = f"{role['tie_high'].cell} {role['tie_high'].pins['output']}"
    lo = f"{role['tie_low'].cell} {role['tie_low'].pins['output']}"
    script = RECIPE.format(top=top, target_ps=1000 * clock_ns, hi=hi, lo=lo)
    key = digest(verilog, kit.sha256, script, "quick")
    store = cache_dir("synth") / f"{key}.v"
    stat = cache_dir("synth") / f"{key}.stat"
    if not (store.exists() and stat.exists()):
        with tempfile.TemporaryDirectory() as name:
            work = Path(name)
            (work / "rtl.v").write_text(verilog)
            (work / "cells.lib").symlink_to(kit.mapping_liberty)
            (work / "abc.constr").write_text(
                f"set_driving_cell {role['driver'].cell}\nset_load {kit.load_ff}\n"
            )
            text = ""
            for level, sign in (("high", "P"), ("low", "N")):
                r = role[f"latch_{level}"]
                p = r.pins
                text += (
                    f"module \\$_DLATCH_{sign}_ (input E, input D, output Q);\n"
                    f"{r.cell} _TECHMAP_REPLACE_ (.{p['enable']}(E), .{p['data']}(D), .{p['output']}(Q));\n"
                    "endmodule\n"
                )
            (work / "latches.v").write_text(text)
            run = subprocess.run(
                ["yosys", "-q", "-p", script], cwd=work, capture_output=True, text=True
            )
            if run.returncode:
                raise RuntimeError(f"yosys failed on {top}: {run.stdout[-500:]}{run.stderr[-2000:]}")
            write_atomic(store, (work / "netlist.v").read_text())
            write_atomic(stat, (work / "stat.txt").read_text())
    report = stat.read_text()
    area = float(re.findall(r"Chip area for (?:top )?module .*: ([\d.]+)", report)[-1])
    cells = {n: int(c) for n, c in re.findall(r"^\s+(\w+)\s+(\d+)$", report, re.M)}
    return SynthResult(netlist=store, area_um2=area, cells_by_type=cells)
