"""Runs OpenSTA, and tells its errors from success, which its exit status does not."""

import shutil
from functools import cache
from pathlib import Path

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.processes import Limits, run_tool, tool_version

__all__ = ["constraints", "run_sta", "sta_version"]

# A netlist of 20,000 cells in the largest library here takes a minute and 300 MB.
_LIMITS = Limits(wall_s=1800, cpu_s=600)

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
    """Return Tcl that loads a netlist and defines ``constrain`` and ``unit`` (time units per ns).

    Args:
        liberty: Liberty files of the netlist's cells.
        netlist: Structural Verilog.
        top: Its module.
        clock: Name of its clock port; without such a port, inputs and outputs alone are timed.
    """
    libraries = "\n".join(f"read_liberty {path.absolute()}" for path in liberty)
    return _CONSTRAINTS.format(
        libraries=libraries, netlist=netlist.absolute(), top=top, clock=clock
    )


def _program() -> str:
    program = shutil.which("sta")
    if program is None:
        raise UserError("OpenSTA (sta) is not installed; get it with: apt-get install opensta")
    return program


def sta_version() -> str:
    """Return the version of the user's OpenSTA, such as 2.0.17.

    Raises:
        UserError: If it is not installed.
        ToolError: If it fails or prints no version.
    """
    return _version(_program())


@cache
def _version(program: str) -> str:
    return tool_version("OpenSTA", [program, "-version"], r"(\d+\.\d+\S*)")


def run_sta(script: str, folder: Path, limits: Limits = _LIMITS) -> str:
    """Run a Tcl script in a folder and return what it printed.

    Args:
        script: Tcl.
        folder: Where OpenSTA works; the script is left there.
        limits: What OpenSTA may use.

    Raises:
        UserError: If OpenSTA is not installed.
        ToolError: If it printed an error or nothing, exceeded a limit, or was killed.
    """
    file = folder / "run.tcl"
    file.write_text(script)
    run = run_tool(
        "OpenSTA", [_program(), "-no_splash", "-exit", file], limits, folder=folder
    ).check()
    printed = run.stdout + run.stderr
    if errors := [line for line in printed.splitlines() if line.startswith("Error:")]:
        raise ToolError(f"OpenSTA failed: {errors[0]}")
    if not printed.strip():
        raise ToolError("OpenSTA printed nothing")
    return run.stdout
