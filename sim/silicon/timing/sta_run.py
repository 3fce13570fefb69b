"""One run of OpenSTA, errors told apart from success."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

from consilico.sim.base.errors import ToolError, UserError

__all__ = ["constraints", "run_sta", "sta_version"]

# Ideal clock, ideal wires, inputs there at the clock edge, outputs due at the next one. A design
# without a clock port is timed from inputs to outputs.
_CONSTRAINTS = """
{libraries}
read_verilog {netlist}
link_design {top}
set clock [get_ports -quiet {clock}]
set inputs {{}}
foreach port [all_inputs] {{
  if {{[get_property $port full_name] ne "{clock}"}} {{ lappend inputs $port }}
}}
proc constrain {{period}} {{
  global clock inputs
  if {{[llength $clock]}} {{
    create_clock -name clk -period $period $clock
  }} else {{
    create_clock -name clk -period $period
  }}
  if {{[llength $inputs]}} {{ set_input_delay 0 -clock clk $inputs }}
  set_output_delay 0 -clock clk [all_outputs]
}}
set unit [expr {{round(1e-9 / [sta::unit_scale time])}}]
"""


def constraints(liberty: tuple[Path, ...], netlist: Path, top: str, clock: str) -> str:
    """Tcl that loads a netlist and defines ``constrain`` and ``unit`` (time units in a ns)."""
    libraries = "\n".join(f"read_liberty {path}" for path in liberty)
    return _CONSTRAINTS.format(libraries=libraries, netlist=netlist, top=top, clock=clock)


def _program() -> str:
    program = shutil.which("sta")
    if program is None:
        raise UserError("OpenSTA (sta) is not installed; get it with: apt-get install opensta")
    return program


@cache
def sta_version() -> str:
    """Version of the user's OpenSTA.

    Raises:
        UserError: If it is not installed.
    """
    run = subprocess.run([_program(), "-version"], capture_output=True, text=True, check=False)
    return run.stdout.split()[-1] if run.stdout.split() else "unknown"


def run_sta(script: str, folder: Path, limit_s: float) -> str:
    """Run a Tcl script in a folder and return what it printed.

    Raises:
        UserError: If OpenSTA is not installed.
        ToolError: If it printed an error (its exit status says nothing), or exceeded the limit.
    """
    file = folder / "run.tcl"
    file.write_text(script)
    try:
        run = subprocess.run(
            [_program(), "-no_splash", "-exit", str(file)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"OpenSTA took more than {limit_s:g} s") from error
    printed = run.stdout + run.stderr
    if errors := [line for line in printed.splitlines() if line.startswith("Error:")]:
        raise ToolError(f"OpenSTA failed: {errors[0]}")
    if run.returncode:
        raise ToolError(f"OpenSTA ended with status {run.returncode}: {printed[-300:]}")
    return run.stdout
