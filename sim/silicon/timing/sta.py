"""OpenSTA as a program: its version, and a script that it runs.

OpenSTA's exit status says nothing about its errors: they are told from success by what it prints.
"""

import shutil
from functools import cache
from pathlib import Path

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.processes import Limits, run_tool, tool_version

__all__ = ["run_sta", "sta_version"]

# 9,158 cells of NanGate45 (consmax/log2, 16 lanes) take 10 s on a busy machine, and 34 MB.
_LIMITS = Limits(wall_s=1800, cpu_s=600)


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
        ToolError: If it printed an error or nothing, exceeded a limit, or was killed. That a file
            is not understood is an error, too, although OpenSTA only warns and goes on without it.
    """
    file = folder / "run.tcl"
    file.write_text(script)
    run = run_tool(
        "OpenSTA", [_program(), "-no_splash", "-exit", file], limits, folder=folder
    ).check()
    printed = run.stdout + run.stderr
    if errors := [
        line
        for line in printed.splitlines()
        if line.startswith("Error:") or (line.startswith("Warning:") and " syntax error" in line)
    ]:
        raise ToolError(f"OpenSTA failed: {errors[0]}")
    if not printed.strip():
        raise ToolError("OpenSTA printed nothing")
    return run.stdout
