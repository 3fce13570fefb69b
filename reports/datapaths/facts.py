"""What the low-bit units cost: area, path and energy per operation."""

from collections.abc import Iterable
from typing import Any

__all__ = ["CLOCK_NS", "datapath_rows", "projected_element"]

CLOCK_NS = 2.0  # 500 MHz

_RANKS = (128, 256, 512, 1024)  # of Q-GaLore: LLaMA 60M, 130M and 350M, 1B, 7B


def datapath_rows(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a configuration.

    Args:
        entries: ``unit``, ``source`` and ``result`` (of ``implement``), at :data:`CLOCK_NS`.

    Returns:
        ``unit``, ``config``, ``operation``, ``area_um2``, ``path_ns``, ``meets_clock``,
        ``cells``, and ``power_by_class_w`` for the first source; by source of traffic
        ``energy_pj`` (an operation) and ``operations_a_cycle``; for multiply-accumulates, 2
        operations each, also ``tops_per_w`` and ``tops_per_mm2``.
    """
    rows: dict[str, dict[str, Any]] = {}
    for entry in entries:
        result, source = entry["result"], entry["source"]
        row = rows.setdefault(
            f"{entry['unit']} {result['config']}",
            {
                "unit": entry["unit"],
                "config": result["config"],
                "operation": result["operation"],
                "energy_pj": {},
                "operations_a_cycle": {},
                "tops_per_w": {},
                "tops_per_mm2": {},
            }
            | {key: result[key] for key in ("area_um2", "path_ns", "meets_clock", "cells")}
            | {"power_by_class_w": result["power_by_class_w"]},
        )
        activity = result["activity"]
        rate = activity["operations"] / activity["cycles"]
        row["energy_pj"][source] = result["energy_per_operation_pj"]
        row["operations_a_cycle"][source] = rate
        if result["operation"] == "MAC":
            row["tops_per_w"][source] = 2 / result["energy_per_operation_pj"]
            tops = 2 * rate / (CLOCK_NS * 1e-9) * 1e-12
            row["tops_per_mm2"][source] = tops / (result["area_um2"] * 1e-6)
    return list(rows.values())


def projected_element(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Energy of a gradient element that is projected: it meets every vector of the projection.

    Returns:
        For each source of traffic ``source`` and ``energy_pj`` by rank, one way.
    """
    return [
        {"source": source, "energy_pj": {str(rank): rank * energy for rank in _RANKS}}
        for row in rows
        if row["unit"] == "training/project"
        for source, energy in row["energy_pj"].items()
    ]
