"""Targets of the ConSmax units in NanGate45, and how the measurements compare with them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ENERGY_CLOCK_NS",
    "TARGETS",
    "Target",
    "beyond_together",
    "find",
    "judge",
    "representative",
]

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
    the one whose worse ratio to its limit is smallest; the slowest clock wins a tie.
    """
    limits = {
        target.key: target.limit
        for target in TARGETS
        if target.architecture == architecture and target.lanes == 1
    }

    def miss(point: dict[str, Any]) -> tuple[float, float]:
        result = point["result"]
        worst = max(result[key] / limits[key] for key in ("area_um2", "path_ns"))
        return max(1.0, worst), -point["clock_ns"]

    points = find(implementations, unit=architecture, lanes=1, source="normal")
    return min(points, key=miss, default=None)


def judge(implementations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every target with what was measured.

    Args:
        implementations: Entries ``unit``, ``lanes``, ``clock_ns`` (what the netlist was mapped
            for), ``source`` and ``result``, as :func:`reports.summary.summary` gathers them.

    Returns:
        One row a target: its fields, ``measured`` (a lane or a result; None where not measured)
        with ``clock_ns`` of its netlist, ``ratio`` to the limit, ``met``, ``paper`` (the paper's
        unit in the same flow, mapped for the same clock) and ``against_paper``; ``others``: the
        same quantity of the other netlist (the 250 MHz one, or the one that area and path are
        judged on), ``clock_ns``, ``value`` and ``met``; ``real``: the energy on the language
        model's scores.
    """
    normal = find(implementations, source="normal")
    rows = []
    for target in TARGETS:
        best = representative(implementations, target.architecture)
        clocks = [ENERGY_CLOCK_NS, *([best["clock_ns"]] if best else [])]
        if target.lanes == 1 and target.key != "energy_pj":
            clocks.reverse()
        points = [
            point
            for clock_ns in dict.fromkeys(clocks)
            for point in find(
                normal, unit=target.architecture, lanes=target.lanes, clock_ns=clock_ns
            )
        ]
        judged = next((point for point in points if point["clock_ns"] == clocks[0]), None)
        measured = None if judged is None else _value(target, judged)
        paper = [_value(target, point) for point in find(normal, unit=_PAPER, clock_ns=clocks[0])]
        real = find(
            implementations, unit=target.architecture, lanes=target.lanes, source="model",
            clock_ns=ENERGY_CLOCK_NS,
        )  # fmt: skip
        rows.append(
            {
                "quantity": target.quantity, "unit": target.unit, "limit": target.limit,
                "architecture": target.architecture, "lanes": target.lanes,
                "reference": target.reference, "paper": paper[0] if paper else None,
                "measured": measured, "clock_ns": judged and judged["clock_ns"],
                "ratio": None if measured is None else measured / target.limit,
                "met": None if measured is None else measured <= target.limit,
                "against_paper": measured / paper[0] if measured and paper else None,
                "others": [
                    {
                        "clock_ns": point["clock_ns"],
                        "value": _value(target, point),
                        "met": _value(target, point) <= target.limit,
                    }
                    for point in points
                    if point is not judged
                ],
                "real": _value(target, real[0]) if real and target.key == "energy_pj" else None,
            }
        )  # fmt: skip
    return rows


def beyond_together(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What an architecture misses if all its targets are judged on netlists of one clock.

    Args:
        rows: From :func:`judge`.

    Returns:
        By architecture, for the clock at which least is missed: ``quantity``, ``unit``,
        ``clock_ns``, ``value`` and ``limit`` of each target missed; empty if none is.
    """
    missed: dict[str, list[dict[str, Any]]] = {}
    for architecture in dict.fromkeys(row["architecture"] for row in rows):
        own = [row for row in rows if row["architecture"] == architecture]
        values = {
            (clock_ns, row["quantity"]): value
            for row in own
            for clock_ns, value in [
                (row["clock_ns"], row["measured"]),
                *((other["clock_ns"], other["value"]) for other in row["others"]),
            ]
            if value is not None
        }
        tries = [
            [
                {name: row[name] for name in ("quantity", "unit", "limit")}
                | {"clock_ns": clock_ns, "value": values[clock_ns, row["quantity"]]}
                for row in own
                if values[clock_ns, row["quantity"]] > row["limit"]
            ]
            for clock_ns in dict.fromkeys(clock_ns for clock_ns, _ in values)
            if all((clock_ns, row["quantity"]) in values for row in own)
        ]
        if tries:
            missed[architecture] = min(tries, key=len)
    return missed


def _value(target: Target, point: dict[str, Any]) -> float:
    """Area a lane, longest path, or energy a result at 250 MHz."""
    result = point["result"]
    value = float(result[target.key])
    if target.key == "area_um2":
        return value / float(point["lanes"])
    if target.key == "energy_pj" and point["clock_ns"] != ENERGY_CLOCK_NS:
        # energy a cycle does not hang on the clock, but for leakage, which is a power
        cycles = result["activity"]["cycles"] / result["activity"]["results"]
        slower_ns = ENERGY_CLOCK_NS - float(point["clock_ns"])
        leakage_w = float(result["power"]["leakage_w"])
        return value + 1e3 * leakage_w * slower_ns * float(cycles)
    return value
