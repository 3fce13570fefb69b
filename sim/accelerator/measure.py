"""Measures the catalogue's units that an accelerator is made of, for the checked-in table.

``python -m consilico.sim.accelerator.measure --pdk nangate45`` replaces that kit's part of
``measured.json``: synthesis, gate-level simulation of the unit's own traffic, and power. It takes
minutes per kit.
"""

import argparse
import datetime
import json
import sys
from pathlib import Path
from typing import Any

from consilico.sim.base.files import write_atomic

__all__ = ["TABLE", "UNITS", "main", "measured_table"]

TABLE = Path(__file__).with_name("measured.json")

# One accumulator behind each cell, as an array has whose tiles are as high as it is.
_ARRAY = ("rows={0}", "columns={0}", "block={0}")
UNITS: tuple[tuple[str, tuple[str, ...]], ...] = (
    *(("matmul/systolic", tuple(text.format(size) for text in _ARRAY)) for size in (4, 8)),
    *(("matmul/systolic", (*(t.format(size) for t in _ARRAY), "w=int4")) for size in (4, 8)),
    *(("training/project", (f"rows={size}", f"columns={size}")) for size in (4, 8)),
    ("training/weight_update", ()),
    ("training/blockwise_quantize", ("code=signed",)),
    ("training/blockwise_dequantize", ("code=signed",)),
    ("training/stochastic_round", ()),
    ("matmul/quantize", ()),
    ("matmul/requant", ()),
)
"""Units and settings; arrays in two sizes, for what a further cell costs."""

_SOURCE = "model"
_FALLBACK = "normal"  # of units that the model gives no traffic for


def measured_table() -> dict[str, Any]:
    """Return the table by kit.

    Each kit has ``measured_at``, ``tools``, ``corner``, ``voltage_v``, ``node_nm``, ``clock_ns``
    and ``rows``, one for each of :data:`UNITS`.
    """
    table: dict[str, Any] = json.loads(TABLE.read_text())
    return table


def measure(pdk: str, clock_ns: float) -> dict[str, Any]:
    """Measure the units in a kit, and return its part of the table.

    Raises:
        UserError: If the kit or a tool is missing.
    """
    from consilico.sim.silicon.implement import implement
    from consilico.sim.silicon.kits.kit import find_kit
    from consilico.sim.units.catalogue import configure, find_unit

    kit, rows, tools = find_kit(pdk), [], {}
    for name, settings in UNITS:
        unit = find_unit(name)
        source = _SOURCE if _SOURCE in unit.measured_with else _FALLBACK
        found = implement(unit, configure(unit, list(settings)), pdk, clock_ns, source)
        rows.append(
            {
                "unit": name,
                "config": found.config,
                "operation": found.operation,
                "area_um2": found.area_um2,
                "path_ns": found.path_ns,
                "energy_pj": found.energy_per_operation_pj,
                "leakage_w": found.power.leakage_w,
                "power_w": found.power.total_w,
                "power_by_class_w": found.power_by_class_w,
                "operations_per_cycle": found.activity.operations / found.activity.cycles,
                "source": source,
                "verilog_sha256": found.verilog_sha256,
            }
        )
        tools = found.tools
        print(f"{pdk}: {name} {' '.join(settings)}", file=sys.stderr)
    return {
        "measured_at": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "tools": tools,
        "corner": kit.corner,
        "voltage_v": kit.voltage_v,
        "node_nm": kit.node_nm,
        "clock_ns": clock_ns,
        "rows": rows,
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command line of the module and return the exit status."""
    parser = argparse.ArgumentParser(description="measure the units of an accelerator")
    parser.add_argument("--pdk", required=True)
    parser.add_argument("--clock-ns", type=float, default=2.0)
    options = parser.parse_args(arguments)
    table = measured_table() if TABLE.exists() else {}
    table[options.pdk] = measure(options.pdk, options.clock_ns)
    write_atomic(TABLE, json.dumps(table, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
