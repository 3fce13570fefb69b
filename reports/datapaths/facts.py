"""What the units beside ConSmax cost: area, path and energy an operation, and their targets."""

from collections.abc import Iterable
from typing import Any

__all__ = ["CLOCK_NS", "CONFIGURATIONS", "datapath_targets", "datapaths", "projected_element"]

CLOCK_NS = 2.0  # 500 MHz

_RANKS = (128, 256, 512, 1024)  # of Q-GaLore: LLaMA 60M, 130M and 350M, 1B, 7B

# Settings to measure beside each unit's default.
CONFIGURATIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "matmul/dot": (("w=int4",), ("x=int4", "w=int4"), ("w=uint4",)),
    "matmul/group_dot": (("output=bf16",), ("scale=int8",)),
    "matmul/systolic": (("w=int4",), ("x=int4", "w=int4"), ("dataflow=output_stationary",)),
}


def datapaths(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
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


def datapath_targets(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Targets of the low-bit units.

    Returns:
        ``quantity``, ``limit``, ``at_most`` (or at least), ``measured`` (None where a part was
        not measured) and ``met``.
    """

    def row(unit: str, **settings: Any) -> dict[str, Any]:
        matching = (
            row for row in rows if row["unit"] == unit and settings.items() <= row["config"].items()
        )
        return next(matching, {})

    int8 = row("matmul/dot", x="int8", w="int8").get("energy_pj", {}).get("model")
    rates = row("matmul/fused_dot").get("operations_a_cycle", {})
    plain = row("matmul/dot", x="int8", w="int4").get("area_um2")
    return [
        _judged("energy of an INT8 MAC in a 16-lane dot, real traffic, 500 MHz, pJ", 0.35, int8),
        _judged(
            "throughput per area of fused_dot, INT4 to INT8",
            3.0,
            _ratio(rates.get("model/int4"), rates.get("model")),
            at_most=False,
        ),
        _judged(
            "area of group_dot, group 128, to the plain INT4 dot",
            1.15,
            _ratio(row("matmul/group_dot", group=128).get("area_um2"), plain),
        ),
    ]


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base is not None else None


def _judged(
    quantity: str, limit: float, measured: float | None, *, at_most: bool = True
) -> dict[str, Any]:
    met = None if measured is None else measured <= limit if at_most else measured >= limit
    return {
        "quantity": quantity,
        "limit": limit,
        "at_most": at_most,
        "measured": measured,
        "met": met,
    }
