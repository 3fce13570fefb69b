"""Every unit in three process kits, measured: ``python -m consilico.sim.estimate.nodes.measure``.

Writes ``measured.json``, which ``consilico scale`` takes its error bar from. Rows that are
there already of the same Verilog, clock, traffic, library and tools are left as they are (remove a
row to measure it again), and the file is written after each unit, so that it goes on where it
stopped; a row takes about a minute.
"""

import argparse
import datetime
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilico.sim.base.errors import CheckFailed, UserError
from consilico.sim.base.results import write_atomic

if TYPE_CHECKING:
    from consilico.sim.silicon.kits.kit import Kit
    from consilico.sim.units.unit import Unit

__all__ = ["CLOCKS_NS", "TABLE", "measured_units", "source_of", "table_text"]

TABLE = Path(__file__).with_name("measured.json")

# Slow enough that every unit meets them with the netlist mapped for area.
CLOCKS_NS = {"nangate45": 4.0, "asap7": 2.0, "sky130hd": 16.0}
_SOURCES = ("normal", "uniform")  # random traffic, the same on every machine


def measured_units() -> "list[Unit]":
    """The catalogue, and the unit of the ConSmax paper."""
    from consilico.sim.units.catalogue import own_units
    from consilico.sim.units.consmax import PAPER

    return [*own_units().values(), PAPER]


def source_of(unit: "Unit") -> str:
    """The random traffic that a unit is measured on."""
    return next(source for source in _SOURCES if source in unit.measured_with)


def table_text(rows: Sequence[dict[str, Any]]) -> str:
    """The file's content: one line a row."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    return f'{{"rows": [\n{lines}\n]}}\n'


def _measure(unit: "Unit", kit: "Kit", clock_ns: float) -> dict[str, Any]:
    from consilico.sim.silicon.implement import implement
    from consilico.sim.silicon.synthesis.synthesize import synthesize
    from consilico.sim.units.catalogue import verilog

    config = unit.config()
    found = implement(unit, config, kit.name, clock_ns, source_of(unit))
    netlist = synthesize(verilog(unit, config), unit.module_name, kit, clock_ns)  # from the cache
    kept = ("unit", "config", "pdk", "corner", "voltage_v", "clock_ns", "area_um2", "path_ns",
            "cells", "operation")  # fmt: skip
    return {
        **{key: found[key] for key in kept},
        "liberty_sha256": _liberty_sha256(kit),
        "node_nm": kit.node_nm,
        "recipe": netlist.recipe,
        "energy_pj": found["energy_per_operation_pj"],
        **{part: found["power"][part] for part in ("internal_w", "switching_w", "leakage_w")},
        "operations_a_cycle": found["activity"]["operations"] / found["activity"]["cycles"],
        "source": found["activity"]["source"],
        "tools": found["tools"],
        "verilog_sha256": found["verilog_sha256"],
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }  # fmt: skip


def _liberty_sha256(kit: "Kit") -> str:
    sha = hashlib.sha256()
    for path in kit.liberty:
        sha.update(path.read_bytes())
    return sha.hexdigest()


def _is_there(row: dict[str, Any], unit: "Unit", kit: "Kit", sha256: str, tools: Any) -> bool:
    wanted = {
        "unit": unit.name, "pdk": kit.name, "clock_ns": CLOCKS_NS[kit.name],
        "source": source_of(unit), "verilog_sha256": sha256, "liberty_sha256": _liberty_sha256(kit),
    }  # fmt: skip
    versions = {name: version for name, version in row["tools"].items() if name in tools}
    return wanted.items() <= row.items() and versions == tools


def _run() -> None:
    from consilico.sim.base.tools import tool_versions
    from consilico.sim.silicon.kits.kit import find_kit
    from consilico.sim.units.catalogue import verilog

    held = json.loads(TABLE.read_text())["rows"] if TABLE.exists() else []
    tools = tool_versions(("yosys", "sta", "iverilog"))
    kits = [find_kit(name) for name in CLOCKS_NS]
    units = measured_units()
    texts = {unit.name: verilog(unit, unit.config()).encode() for unit in units}
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for unit in units:
        sha256 = hashlib.sha256(texts[unit.name]).hexdigest()
        for kit in kits:
            for row in held:
                if _is_there(row, unit, kit, sha256, tools):
                    rows[unit.name, kit.name] = row
    for number, (unit, kit) in enumerate((unit, kit) for unit in units for kit in kits):
        if (unit.name, kit.name) not in rows:
            row = _measure(unit, kit, CLOCKS_NS[kit.name])
            rows[unit.name, kit.name] = row
            places = [(one.name, other.name) for one in units for other in kits]
            write_atomic(TABLE, table_text([rows[place] for place in places if place in rows]))
            print(
                f"{number + 1} of {len(units) * len(kits)}: {unit.name} in {kit.name}, "
                f"{row['recipe']}, {row['area_um2']:,.1f} um2, {row['path_ns']:.3f} ns, "
                f"{row['energy_pj']:.4f} pJ",
                file=sys.stderr, flush=True,
            )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is missing; exit status 1 if a netlist is wrong, 2 for what a user can mend."""
    argparse.ArgumentParser(
        prog="python -m consilico.sim.estimate.nodes.measure", description=__doc__
    ).parse_args(argv)
    try:
        _run()
    except (CheckFailed, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, CheckFailed) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
