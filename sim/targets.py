"""Targets of the ConSmax units in NanGate45, and how the measurements compare with them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["ENERGY_CLOCK_NS", "TARGETS", "Target", "find", "judge", "representative"]

ENERGY_CLOCK_NS = 4.0  # energy targets hold at 250 MHz
_PAPER = "consmax/paper"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One limit: INT8 in, bf16 out, configuration registers included."""

    quantity: str
    unit: str  # of the limit
    architecture: str
    key: str  # of an implementation's result
    lanes: int
    limit: float  # at most
    reference: float  # the paper's unit built straight, as stated with the targets


TARGETS = tuple(
    Target(
        quantity=quantity, unit=unit, architecture=f"consmax/{name}", key=key, lanes=lanes,
        limit=limit, reference=reference,
    )
    for quantity, unit, key, lanes, reference, limits in (
        ("area, one lane", "um2", "area_um2", 1, 4870.0, (4900.0, 1700.0)),
        ("area per lane, 16 lanes", "um2", "area_um2", 16, 4870.0, (2000.0, 1350.0)),
        ("longest path", "ns", "path_ns", 1, 2.0, (1.4, 1.1)),
        ("energy a result at 250 MHz", "pJ", "energy_pj", 1, 6.0, (4.0, 1.7)),
    )
    for name, limit in zip(("split", "log2"), limits, strict=True)
)  # fmt: skip


def find(implementations: Iterable[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    """Implementations whose entries equal all of ``wanted``, in order."""
    return [item for item in implementations if all(item[key] == wanted[key] for key in wanted)]


def representative(
    implementations: Iterable[dict[str, Any]], architecture: str
) -> dict[str, Any] | None:
    """The one netlist, at one lane, that area and longest path are both judged on.

    Of the netlists mapped for different clocks: one that keeps both limits, if any does, or else
    the one whose worse ratio to its limit is smallest; the 250 MHz one wins a tie.
    """
    limits = {
        target.key: target.limit
        for target in TARGETS
        if target.architecture == architecture and target.lanes == 1
    }

    def miss(point: dict[str, Any]) -> tuple[float, bool, float]:
        result = point["result"]
        worst = max(result[key] / limits[key] for key in ("area_um2", "path_ns"))
        clock_ns: float = point["clock_ns"]
        return max(1.0, worst), clock_ns != ENERGY_CLOCK_NS, clock_ns

    points = find(implementations, unit=architecture, lanes=1, source="normal")
    return min(points, key=miss, default=None)


def judge(implementations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every target with what was measured.

    Args:
        implementations: Entries ``unit``, ``lanes``, ``clock_ns``, ``source`` and ``result``, as
            :func:`sim.summary.summary` gathers them.

    Returns:
        One row a target: its fields, ``measured`` (a lane or a result; None where not measured),
        ``ratio`` to the limit, ``met``, ``paper`` (the paper's unit in the same flow) and
        ``against_paper``, ``clock_ns`` the netlist was mapped for, and ``real``: an energy on
        real scores.
    """
    at_energy_clock = find(implementations, clock_ns=ENERGY_CLOCK_NS)
    rows = []
    for target in TARGETS:
        same = find(at_energy_clock, unit=target.architecture, lanes=target.lanes)
        normal = find(same, source="normal")
        point = normal[0] if normal else None
        if target.lanes == 1 and target.key != "energy_pj":
            point = representative(implementations, target.architecture)
        measured = point and point["result"][target.key] / _share(target, point)
        paper = find(at_energy_clock, unit=_PAPER, source="normal")
        reference = paper[0]["result"][target.key] if paper else None
        real = find(same, source="model") if target.key == "energy_pj" else []
        rows.append(
            {
                "quantity": target.quantity, "unit": target.unit, "limit": target.limit,
                "architecture": target.architecture, "lanes": target.lanes,
                "reference": target.reference, "paper": reference, "measured": measured,
                "ratio": measured and measured / target.limit,
                "met": measured and measured <= target.limit,
                "against_paper": measured / reference if measured and reference else None,
                "clock_ns": point and point["clock_ns"],
                "real": real[0]["result"]["energy_pj"] if real else None,
            }
        )  # fmt: skip
    return rows


def _share(target: Target, point: dict[str, Any]) -> int:
    """What an area is divided by; a path or an energy a result is not."""
    lanes: int = point["lanes"]
    return lanes if target.key == "area_um2" else 1
