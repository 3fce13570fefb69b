"""The catalogue finds units. Everything in ``sim`` takes a unit from here and works for all.

A unit is what a module in ``sim/units`` lists in its ``UNITS``, and what an installed package
names under the entry point group ``consilico.units``: a :class:`~consilico.sim.units.unit.Unit`, a
sequence of them, or a module with ``UNITS``.
"""

import pkgutil
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType, ModuleType
from typing import Any

from consilico.golden.config import Config
from consilico.sim.base.errors import UserError
from consilico.sim.units.unit import Unit

__all__ = [
    "GROUP",
    "catalogue",
    "configure",
    "find_unit",
    "own_units",
    "split_settings",
    "unit_modules",
    "verilog",
    "verilog_file",
]

GROUP = "consilico.units"


@cache
def catalogue() -> Mapping[str, Unit]:
    """Return all units by name, ordered by family and name.

    A package whose units cannot be loaded is left out, with one line on standard error.

    Raises:
        UserError: If two units have the same name; the message names both origins.
    """
    found: dict[str, tuple[str, Unit]] = {}
    for origin, unit in (*_own(), *_installed()):
        if unit.name in found:
            raise UserError(
                f"two units are called {unit.name}: in {found[unit.name][0]} and in {origin}"
            )
        found[unit.name] = origin, unit
    units = sorted((unit for _, unit in found.values()), key=lambda unit: (unit.family, unit.name))
    return MappingProxyType({unit.name: unit for unit in units})


def own_units() -> dict[str, Unit]:
    """Return the units that come with Consilico, those of other packages left out."""
    own = {unit.name for _, unit in _own()}
    return {name: unit for name, unit in catalogue().items() if name in own}


def unit_modules() -> list[str]:
    """Return the full names of the modules that hold units.

    Units are found and not imported by name, so a key of results that depend on all of them must
    name these modules.
    """
    catalogue()  # loads those of packages that can be loaded
    named = {point.module for point in entry_points(group=GROUP)}
    return sorted({origin for origin, _ in _own()} | (named & sys.modules.keys()))


def _own() -> Iterator[tuple[str, Unit]]:
    """Yield the units of the modules next to this one, each with its origin for messages."""
    package = __name__.rpartition(".")[0]
    for module in sorted(pkgutil.iter_modules(import_module(package).__path__)):
        name = f"{package}.{module.name}"
        for unit in getattr(import_module(name), "UNITS", ()):
            yield name, unit


def _installed() -> Iterator[tuple[str, Unit]]:
    """Yield the units of installed packages; warn of those that cannot be loaded."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        version = f" {point.dist.version}" if point.dist else ""
        package = f"{point.dist.name if point.dist else point.module}{version}"
        try:
            units = _units_of(point)
        # whatever a stranger's module raises, or calls, must not stop the rest
        except (Exception, SystemExit) as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())
            print(
                f"consilico: units {point.value!r} of {package} are left out: {said}",
                file=sys.stderr,
            )
            continue
        for unit in units:
            yield f"{point.value} of {package}", unit


def _units_of(point: EntryPoint) -> list[Unit]:
    """Return the units that an installed package names under an entry point.

    Raises:
        TypeError: If it names something that holds no units.
    """
    loaded: Any = point.load()
    if isinstance(loaded, ModuleType):
        loaded = getattr(loaded, "UNITS", None)
    units = [loaded] if isinstance(loaded, Unit) else loaded
    if (
        not isinstance(units, list | tuple)
        or not units
        or not all(isinstance(unit, Unit) for unit in units)
    ):
        raise TypeError("it must be a Unit, a list of Units, or a module with UNITS")
    return [*units]


def find_unit(name: str) -> Unit:
    """Return the unit of that name.

    Raises:
        UserError: If there is none; the message lists those there are.
    """
    units = catalogue()
    if name not in units:
        raise UserError(f"unknown unit {name!r}; there are: {', '.join(units)}")
    return units[name]


def split_settings(text: str) -> tuple[str, list[str]]:
    """Take ``UNIT:FIELD=VALUE,...`` apart into a name and settings, which :func:`configure` takes.

    A text without a colon is a name without settings. Nothing is checked here.
    """
    name, _, settings = text.partition(":")
    return name, [setting for setting in settings.split(",") if setting]


def configure(unit: Unit, settings: list[str]) -> Config:
    """Make a unit's configuration from ``field=value`` texts; the rest keeps its default.

    Raises:
        UserError: If a text has no ``=``, or names an unknown field or a value out of range.
    """
    pairs: list[tuple[str, str]] = []
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"--set takes field=value, not {setting!r}")
        pairs.append((name.strip(), text.strip()))
    try:
        return unit.config.from_text(pairs)
    except ValueError as error:
        raise UserError(f"{unit.name}: {error}") from error


def verilog(unit: Unit, config: Config) -> str:
    """Return the synthesizable Verilog of a unit, the same text each time."""
    from consilico.hw.verilog import convert

    return convert(unit.component(config), name=unit.module_name)


def verilog_file(unit: Unit, config: Config) -> str:
    """Return the text of a unit's Verilog file, as people get it.

    It is :func:`verilog` with comments that keep Verilator's linter silent. What is measured is the
    text without them, so that no comment makes a table of measurements stale.
    """
    from consilico.hw.verilog import with_lint_pragmas

    return with_lint_pragmas(verilog(unit, config))
