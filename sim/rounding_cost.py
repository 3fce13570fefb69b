"""What random bits cost: stochastic rounding implemented with each number of them."""

from collections.abc import Callable, Iterable
from typing import Any

from golden.training.config import StochasticRoundConfig
from sim.catalog import find_unit
from sim.silicon.implement import implement

__all__ = ["RANDOM_BITS", "rounding_cost"]

RANDOM_BITS = range(4, 17)
_MEASURED = (
    "area_um2", "path_ns", "energy_pj", "energy_per_operation_pj", "meets_clock",
    "pdk", "corner", "voltage_v", "clock_ns", "activity", "tools", "verilog_sha256",
)  # fmt: skip


def rounding_cost(
    pdk: str,
    clock_ns: float,
    random_bits: Iterable[int] = RANDOM_BITS,
    lanes: int = 8,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Area, longest path and energy of ``training/stochastic_round``, a row for each count.

    Each row is one cached implementation on traffic ``normal``; the rest of the configuration
    keeps its default.

    Args:
        pdk: Name of the process kit.
        clock_ns: Clock period.
        random_bits: Counts, each from 4 to 16.
        lanes: That share one generator.
        progress: As of :func:`sim.silicon.implement.implement`.

    Returns:
        ``random_bits``, ``area_per_lane_um2`` and, as :func:`sim.silicon.implement.implement`
        names them, area, path, energy and where they come from.

    Raises:
        ValueError: If a count or the lanes are out of range.
        UserError: If the kit or a tool is missing.
    """
    unit = find_unit("training/stochastic_round")
    configs = [StochasticRoundConfig(random_bits=bits, lanes=lanes) for bits in random_bits]
    rows = []
    for config in configs:
        result = implement(unit, config, pdk, clock_ns, source="normal", progress=progress)
        rows.append(
            {
                "random_bits": config.random_bits,
                "area_per_lane_um2": result["area_um2"] / lanes,
                **{name: result[name] for name in _MEASURED},
            }
        )
    return rows
