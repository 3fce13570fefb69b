"""What random bits cost: stochastic rounding implemented with each number of them."""

from collections.abc import Iterable
from typing import Any

__all__ = ["CLOCK_NS", "RANDOM_BITS", "UNIT", "rounding_cost"]

CLOCK_NS = 2.0  # 500 MHz
UNIT = "training/stochastic_round"
RANDOM_BITS = range(4, 17)
_MEASURED = ("area_um2", "path_ns", "meets_clock", "energy_per_operation_pj", "verilog_sha256")


def rounding_cost(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Area, longest path and energy of the unit, a row for each count of random bits.

    Args:
        entries: ``lanes`` and ``result``, of :func:`implement.implement`; all with
            the same traffic, and configurations that differ in ``random_bits`` alone.

    Returns:
        By ascending ``random_bits``, with ``lanes``: ``area_um2``, ``area_per_lane_um2``,
        ``path_ns``, ``meets_clock``, ``energy_per_operation_pj`` (one value rounded) and
        ``verilog_sha256``.

    Raises:
        ValueError: If the configurations differ in anything else.
    """
    rows, rest = [], set()
    for entry in entries:
        result = entry["result"]
        config = dict(result["config"])
        row = {"random_bits": config.pop("random_bits"), "lanes": entry["lanes"]}
        rest.add((*sorted(config.items()), entry["clock_ns"], entry["source"]))
        row |= {key: result[key] for key in _MEASURED}
        rows.append(row | {"area_per_lane_um2": result["area_um2"] / entry["lanes"]})
    if len(rest) > 1:
        raise ValueError("configurations must differ in random_bits alone")
    return sorted(rows, key=lambda row: row["random_bits"])
