"""The Yosys program: which one is used, its version, one run of a script."""

import os
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.processes import Limits, run_tool, tool_version, work_folder
from consilico.sim.base.reach import Reach

__all__ = ["SYNTHESIS_LIMITS", "VARIABLE", "run_yosys", "yosys_program", "yosys_version"]

VARIABLE = "YOSYS_EXE"  # as OpenROAD-flow-scripts call it
# 16 lanes of consmax/log2 take 137 MB; a truncated Liberty file once drove Yosys to 14.9 GB. The
# processor limit ends what no machine would map in time, the wall-clock limit what only waits.
SYNTHESIS_LIMITS = Limits(wall_s=3600, cpu_s=1800, memory_bytes=6 << 30)


def yosys_program() -> str:
    """Return the path of the Yosys that runs: what ``YOSYS_EXE`` names, or else ``yosys``.

    Raises:
        UserError: If it is not there.
    """
    chosen = os.environ.get(VARIABLE)
    program = shutil.which(chosen or "yosys")
    if program is None and chosen:
        raise UserError(f"{VARIABLE} names {chosen}, which is no program")
    if program is None:
        raise UserError("yosys is not installed; get it with: apt-get install yosys")
    return program


def yosys_version() -> str:
    """Return the version of the Yosys that runs, such as 0.23.

    Raises:
        UserError: If it is not there.
        ToolError: If it fails or prints no version.
    """
    return _version(yosys_program())


@cache
def _version(program: str) -> str:
    return tool_version("yosys", [program, "-V"], r"^Yosys (\d+\.\d+\S*)")


def run_yosys(files: Mapping[str, str | Path], limits: Limits = SYNTHESIS_LIMITS) -> dict[str, str]:
    """Run the script ``script.ys`` among these files, in a folder of its own.

    Args:
        files: What the folder holds before: texts, or paths of files to copy, by name. A copy,
            because Yosys compiled to WebAssembly sees nothing outside of its folder.
        limits: What Yosys may use.

    Returns:
        Texts of the files that it wrote, by name, and what it printed as ``stdout``. Asking for a
        file that it did not write raises a :class:`ToolError`.

    Raises:
        UserError: If Yosys is not there.
        ToolError: If it fails, exceeds a limit or is killed, in one line.
    """
    program = yosys_program()
    with work_folder("yosys") as folder:
        for file, content in files.items():
            if isinstance(content, Path):
                shutil.copyfile(content, folder / file)
            else:
                (folder / file).write_text(content)
        command = [program, "-q", "-s", "script.ys"]
        run = run_tool("yosys", command, limits, folder=folder, reach=Reach()).check()
        written = {
            path.name: path.read_text() for path in folder.iterdir() if path.name not in files
        }
    return _Written(written, stdout=run.stdout)


class _Written(dict[str, str]):
    """The files that Yosys wrote; one that it did not write is Yosys' failure."""

    def __missing__(self, name: str) -> str:
        raise ToolError(f"yosys succeeded, it says, but wrote no {name}")
