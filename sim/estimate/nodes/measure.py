"""Every unit measured in three process kits: ``python -m consilico.sim.estimate.nodes.measure``.

The command writes ``measured.json``, which the error bars of scaled figures come from. Rows of the
same Verilog, clock, traffic, library and tools as now are left as they are (remove a row to measure
it again), and the file is written after each unit, so that an interrupted run goes on where it
stopped. A row takes about a minute.
"""

import argparse
import datetime
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.facts import Facts
from consilico.sim.base.files import write_atomic

if TYPE_CHECKING:
    from consilico.sim.silicon.kits.kit import Kit
    from consilico.sim.units.unit import Unit

__all__ = [
    "CLOCKS_NS",
    "TABLE",
    "MeasuredUnit",
    "measured_table",
    "random_source",
    "table_text",
    "units_to_measure",
]

TABLE = Path(__file__).with_name("measured.json")

# Slow enough that every unit meets them with the netlist mapped for area.
CLOCKS_NS = {"nangate45": 4.0, "asap7": 2.0, "sky130hd": 16.0}
_RANDOM_SOURCES = ("normal", "uniform")  # the same traffic on every machine


@dataclass(frozen=True, kw_only=True)
class MeasuredUnit(Facts):
    """One row of the table: a unit's default configuration, implemented in a process kit."""

    unit: str
    config: dict[str, Any]  # field values by name
    pdk: str
    corner: str
    voltage_v: float
    clock_ns: float  # clock period that it was mapped for and that powers are given at
    area_um2: float
    path_ns: float  # shortest period that no path fails
    cells: int
    operation: str  # what energy_pj is given per, such as "MAC"
    liberty_sha256: str
    node_nm: float
    recipe: str  # of the synthesis
    energy_pj: float  # per operation
    internal_w: float
    switching_w: float
    leakage_w: float
    operations_per_cycle: float
    source: str  # source of the traffic
    tools: dict[str, str | None]  # versions by name
    verilog_sha256: str
    date: str  # ISO 8601


@cache
def measured_table() -> tuple[MeasuredUnit, ...]:
    """Return the rows of the checked-in table."""
    return tuple(MeasuredUnit.from_json(row) for row in json.loads(TABLE.read_text())["rows"])


def units_to_measure() -> "list[Unit]":
    """Return the units of this project and the unit of the ConSmax paper."""
    from consilico.sim.units.catalogue import own_units
    from consilico.sim.units.consmax import PAPER

    return [*own_units().values(), PAPER]


def random_source(unit: "Unit") -> str:
    """Return the name of the random traffic that a unit is measured on."""
    return next(source for source in _RANDOM_SOURCES if source in unit.measured_with)


def table_text(rows: Sequence[MeasuredUnit]) -> str:
    """Return the content of the table's file, one line per row."""
    lines = ",\n".join(json.dumps(row.to_json()) for row in rows)
    return f'{{"rows": [\n{lines}\n]}}\n'


def _measure(unit: "Unit", kit: "Kit", clock_ns: float) -> MeasuredUnit:
    from consilico.sim.silicon.implement import implement
    from consilico.sim.silicon.synthesis.synthesize import synthesize
    from consilico.sim.units.catalogue import verilog

    config = unit.config()
    found = implement(unit, config, kit.name, clock_ns, random_source(unit))
    netlist = synthesize(verilog(unit, config), unit.module_name, kit, clock_ns)  # from the cache
    kept = ("unit", "config", "pdk", "corner", "voltage_v", "clock_ns", "area_um2", "path_ns",
            "cells", "operation", "tools", "verilog_sha256")  # fmt: skip
    return MeasuredUnit(
        **{name: getattr(found, name) for name in kept},
        internal_w=found.power.internal_w,
        switching_w=found.power.switching_w,
        leakage_w=found.power.leakage_w,
        liberty_sha256=_liberty_sha256(kit),
        node_nm=float(kit.node_nm or 0),
        recipe=netlist.recipe,
        energy_pj=found.energy_per_operation_pj,
        operations_per_cycle=found.activity.operations / found.activity.cycles,
        source=found.activity.source,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


def _liberty_sha256(kit: "Kit") -> str:
    sha = hashlib.sha256()
    for path in kit.liberty:
        sha.update(path.read_bytes())
    return sha.hexdigest()


def _is_current(
    row: MeasuredUnit, unit: "Unit", kit: "Kit", verilog_sha256: str, tools: dict[str, str | None]
) -> bool:
    """Tell whether measuring the unit again would measure the same thing in the same way."""
    found = (row.unit, row.pdk, row.clock_ns, row.source, row.verilog_sha256, row.liberty_sha256)
    wanted = (unit.name, kit.name, CLOCKS_NS[kit.name], random_source(unit), verilog_sha256)
    versions = {name: version for name, version in row.tools.items() if name in tools}
    return found == (*wanted, _liberty_sha256(kit)) and versions == tools


def _measure_missing() -> None:
    from consilico.sim.base.tools import tool_versions
    from consilico.sim.silicon.kits.kit import find_kit
    from consilico.sim.units.catalogue import verilog

    held = json.loads(TABLE.read_text())["rows"] if TABLE.exists() else []
    tools = tool_versions(("yosys", "sta", "iverilog"))
    kits = [find_kit(name) for name in CLOCKS_NS]
    units = units_to_measure()
    rows: dict[tuple[str, str], MeasuredUnit] = {}
    for unit in units:
        sha256 = hashlib.sha256(verilog(unit, unit.config()).encode()).hexdigest()
        for kit in kits:
            for row in map(MeasuredUnit.from_json, held):
                if _is_current(row, unit, kit, sha256, tools):
                    rows[unit.name, kit.name] = row
    places = [(unit.name, kit.name) for unit in units for kit in kits]
    for number, (unit, kit) in enumerate((unit, kit) for unit in units for kit in kits):
        if (unit.name, kit.name) in rows:
            continue
        row = rows[unit.name, kit.name] = _measure(unit, kit, CLOCKS_NS[kit.name])
        write_atomic(TABLE, table_text([rows[place] for place in places if place in rows]))
        print(
            f"{number + 1} of {len(places)}: {unit.name} in {kit.name}, {row.recipe}, "
            f"{row.area_um2:,.1f} um2, {row.path_ns:.3f} ns, {row.energy_pj:.4f} pJ",
            file=sys.stderr, flush=True,
        )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is missing; return 1 if a netlist is wrong, 2 for what the user can mend."""
    argparse.ArgumentParser(
        prog="python -m consilico.sim.estimate.nodes.measure", description=__doc__
    ).parse_args(argv)
    try:
        _measure_missing()
    except (CheckFailed, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, CheckFailed) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
