"""The Yosys program: which one is used, its version, one run of a script."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from consilico.sim.base.errors import ToolError, UserError

__all__ = ["run_yosys", "yosys_program", "yosys_version"]

VARIABLE = "YOSYS_EXE"  # as OpenROAD-flow-scripts call it


def yosys_program() -> str:
    """Path of the Yosys that runs: what ``YOSYS_EXE`` names, or else ``yosys``.

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
    """Version of the Yosys that runs, such as 0.23.

    Raises:
        UserError: If it is not there.
        ToolError: If it prints no version.
    """
    return _version(yosys_program())


@cache
def _version(program: str) -> str:
    run = subprocess.run([program, "-V"], capture_output=True, text=True, check=False)
    found = re.match(r"Yosys (\d+\.\d+\S*)", run.stdout)
    if run.returncode or found is None:
        raise ToolError(f"{program} -V prints no version: {(run.stdout + run.stderr)[:100]}")
    return found[1]


def run_yosys(files: Mapping[str, str | Path], limit_s: float) -> dict[str, str]:
    """Run the script ``script.ys`` among these files, in a folder of its own.

    Args:
        files: What the folder holds before: texts, or paths of files to copy, by name. A copy,
            because Yosys compiled to WebAssembly sees nothing outside of its folder.
        limit_s: Wall-clock limit in seconds.

    Returns:
        Texts of the files that it wrote, by name, and what it printed as ``stdout``.

    Raises:
        UserError: If Yosys is not there.
        ToolError: With the end of what it said if it fails, or exceeds the limit.
    """
    program = yosys_program()
    with tempfile.TemporaryDirectory(prefix="consilico-yosys-") as name:
        folder = Path(name)
        for file, content in files.items():
            if isinstance(content, Path):
                shutil.copyfile(content, folder / file)
            else:
                (folder / file).write_text(content)
        try:
            run = subprocess.run(
                [program, "-q", "-s", "script.ys"],
                cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=limit_s,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ToolError(f"yosys took more than {limit_s:g} s") from error
        if run.returncode:
            raise ToolError((run.stderr or run.stdout).strip()[-400:])
        written = {
            path.name: path.read_text() for path in folder.iterdir() if path.name not in files
        }
    return written | {"stdout": run.stdout}
