"""Implementations in the shape of measured ones."""

from typing import Any

from consilico.sim.silicon.implementation import (
    EquivalenceCheck,
    GateLevelCheck,
    Implementation,
    Rung,
    TrafficActivity,
)
from consilico.sim.silicon.power.report import Power

__all__ = ["small_implementation"]


def small_implementation(unit: str, source: str = "normal", **changes: Any) -> Implementation:
    """Return an implementation of a unit on some traffic, in which everything is right.

    Args:
        unit: Name of the unit.
        source: The traffic.
        changes: Fields that differ from those here.
    """
    area = changes.get("area_um2", 1000.0)
    energy_pj = changes.get("energy_pj", 1.5)
    ladder = (
        Rung(
            rung="cells", area_um2=area, core_um2=None, path_ns=1.0, energy_pj=0.75 * energy_pj,
            leakage_w=3e-5,
        ),
        Rung(
            rung="layout", area_um2=area, core_um2=1.4 * area, path_ns=1.0, energy_pj=energy_pj,
            leakage_w=3e-5,
        ),
    )  # fmt: skip
    fields: dict[str, Any] = {
        "unit": unit, "config": {}, "pdk": "nangate45", "corner": "typical", "voltage_v": 1.1,
        "clock_ns": 4.0, "area_um2": area,
        "area_by_class_um2": {
            "flip-flops": 0.3 * area, "latches": 0.1 * area, "clock gates": 0.1 * area,
            "combinational": 0.5 * area,
        },
        "area_by_module_um2": {"top": area}, "area_by_purpose_um2": {"rest": area},
        "area_of_modules_kept_um2": area, "cells": 800,
        "cells_by_type": {"NAND2_X1": 500, "DFF_X1": 300}, "path_ns": 1.0,
        "path_cells": ("DFF_X1", "NAND2_X1", "DFF_X1"),
        "meets_clock": changes.get("path_ns", 1.0) <= changes.get("clock_ns", 4.0),
        "power": Power(2e-4, 1e-4, 3e-5), "power_by_class_w": {"sequential": 1e-4},
        "annotated_pins": 2000, "unannotated_pins": 0, "energy_pj": 1.5, "operation": "result",
        "energy_per_operation_pj": 1.5,
        "activity": TrafficActivity(
            source=source, cycles=9000, results=8192, operations=8192, toggles=12345.0, masked=0
        ),
        "gate_level": GateLevelCheck(checked=8192, mismatches=0, power_up="unknown"),
        "equivalence": EquivalenceCheck(method="simulation", proof=None, results_compared=8192),
        "cross_check": "not measured: needs OpenSTA 2.5 or newer", "assumptions": {}, "notes": (),
        "tools": {"yosys": "0.23"}, "verilog_sha256": "ab" * 32,
        "rung": "layout", "ladder": ladder,
    }  # fmt: skip
    return Implementation(**(fields | changes))
