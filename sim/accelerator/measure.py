"""Measures the catalogue's units that an accelerator is made of, for the checked-in table.

``python -m consilico.sim.accelerator.measure --pdk nangate45`` replaces that kit's part of
``measured.json``: synthesis, gate-level simulation of the unit's own traffic, and power. It takes
minutes per kit.
"""

import argparse
import datetime
import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.facts import Facts, plain
from consilico.sim.base.files import write_atomic

__all__ = ["TABLE", "UNITS", "MeasuredCost", "MeasuredKit", "main", "measured_table"]

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


@dataclass(frozen=True, kw_only=True)
class MeasuredCost(Facts):
    """Measured cost of a unit in one configuration."""

    unit: str
    config: dict[str, Any]
    operation: str
    area_um2: float
    path_ns: float
    energy_pj: float  # per operation, leakage included
    leakage_w: float
    power_w: float
    power_by_class_w: dict[str, float]
    operations_per_cycle: float
    source: str  # of the traffic
    verilog_sha256: str


@dataclass(frozen=True, kw_only=True)
class MeasuredKit(Facts):
    """The units in :data:`UNITS` as measured in one kit."""

    measured_at: str
    tools: dict[str, str | None]  # versions; None where a tool does not say
    corner: str
    voltage_v: float
    node_nm: float
    clock_ns: float
    rows: tuple[MeasuredCost, ...]


@cache
def measured_table() -> dict[str, MeasuredKit]:
    """Return the checked-in measurements by kit."""
    table: dict[str, Any] = json.loads(TABLE.read_text())
    return {pdk: MeasuredKit.from_json(entry) for pdk, entry in table.items()}


def measure(pdk: str, clock_ns: float) -> MeasuredKit:
    """Measure the units in a kit.

    Raises:
        UserError: If the kit or a tool is missing.
    """
    from consilico.sim.silicon.implement import implement
    from consilico.sim.silicon.kits.kit import find_kit
    from consilico.sim.units.catalogue import configure, find_unit

    kit, rows, tools = find_kit(pdk), [], {}
    if kit.node_nm is None:
        raise UserError(f"kit {pdk} must state its node, which published arithmetic is scaled to")
    for name, settings in UNITS:
        unit = find_unit(name)
        source = _SOURCE if _SOURCE in unit.measured_with else _FALLBACK
        found = implement(unit, configure(unit, list(settings)), pdk, clock_ns, source)
        rows.append(
            MeasuredCost(
                unit=name,
                config=found.config,
                operation=found.operation,
                area_um2=found.area_um2,
                path_ns=found.path_ns,
                energy_pj=found.energy_per_operation_pj,
                leakage_w=found.power.leakage_w,
                power_w=found.power.total_w,
                power_by_class_w=found.power_by_class_w,
                operations_per_cycle=found.activity.operations / found.activity.cycles,
                source=source,
                verilog_sha256=found.verilog_sha256,
            )
        )
        tools = found.tools
        print(f"{pdk}: {name} {' '.join(settings)}", file=sys.stderr)
    return MeasuredKit(
        measured_at=datetime.datetime.now(datetime.UTC).date().isoformat(),
        tools=tools,
        corner=kit.corner,
        voltage_v=kit.voltage_v,
        node_nm=kit.node_nm,
        clock_ns=clock_ns,
        rows=tuple(rows),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line of the module and return the exit status."""
    parser = argparse.ArgumentParser(description="measure the units of an accelerator")
    parser.add_argument("--pdk", required=True)
    parser.add_argument("--clock-ns", type=float, default=2.0)
    options = parser.parse_args(arguments)
    table = dict(measured_table()) if TABLE.exists() else {}
    table[options.pdk] = measure(options.pdk, options.clock_ns)
    write_atomic(TABLE, json.dumps(plain(table), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
