"""Targets of the low-bit units, and how the measurements compare with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consilico.reports.datapaths.facts import DatapathFacts, DatapathRow
from consilico.reports.page.section import Check, Judged

__all__ = ["DatapathTarget", "datapath_targets", "judge_datapaths"]


@dataclass(frozen=True, kw_only=True)
class DatapathTarget:
    """A limit, and what was measured."""

    quantity: str  # with its unit
    limit: float
    at_most: bool = True  # False: at least
    measured: float | None  # None where a part was not measured

    @property
    def met(self) -> bool | None:
        """Return whether the target is met; None where it was not measured."""
        if self.measured is None:
            return None
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit

    @property
    def side(self) -> str:
        """Return on which side of the limit the target lies, in words."""
        return "at most" if self.at_most else "at least"


def datapath_targets(rows: Sequence[DatapathRow]) -> list[DatapathTarget]:
    """Return the targets of the low-bit units."""

    def row(unit: str, **settings: Any) -> DatapathRow | None:
        matching = (
            row for row in rows if row.unit == unit and settings.items() <= row.config.items()
        )
        return next(matching, None)

    def rate(source: str) -> float | None:
        found = fused and fused.sources.get(source)
        return found.operations_per_cycle if found else None

    def energy(found: DatapathRow | None) -> float | None:
        real = found and found.sources.get("model")
        return real.energy_pj if real else None

    dot = row("matmul/dot", x="int8", w="int8")
    real = dot and dot.sources.get("model")
    stationary = row("matmul/systolic", x="int8", w="int8", dataflow="output_stationary")
    fused = row("matmul/fused_dot")
    plain, grouped = row("matmul/dot", x="int8", w="int4"), row("matmul/group_dot", group=128)
    return [
        DatapathTarget(
            quantity="energy of an INT8 MAC in a 16-lane dot, real traffic, 500 MHz, pJ",
            limit=0.60,
            measured=energy(dot),
        ),
        DatapathTarget(
            quantity="the same of cells alone, without wires, clock tree and glitches, pJ",
            limit=0.35,
            measured=real.cells_pj if real else None,
        ),
        DatapathTarget(
            quantity="energy of an INT4 MAC in a 16-lane dot, real traffic, 500 MHz, pJ",
            limit=0.24,
            measured=energy(row("matmul/dot", x="int4", w="int4")),
        ),
        DatapathTarget(
            quantity="energy of an INT8 MAC in a 4 x 4 output-stationary array, pJ",
            limit=0.85,
            measured=energy(stationary),
        ),
        DatapathTarget(
            quantity="throughput per area of fused_dot, INT4 to INT8",
            limit=3.0,
            at_most=False,
            measured=_ratio(rate("model/int4"), rate("model")),
        ),
        DatapathTarget(
            quantity="area of group_dot, group 128, to the plain INT4 dot",
            limit=1.15,
            measured=_ratio(
                grouped.area_um2 if grouped else None, plain.area_um2 if plain else None
            ),
        ),
    ]


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base is not None else None


def judge_datapaths(facts: DatapathFacts) -> Judged:
    """Judge the targets; one that is missed is counted, and is no failure.

    Returns:
        Rows: of :func:`datapath_targets`.
    """
    rows = datapath_targets(facts.rows)
    checks = [
        Check(
            what=row.quantity,
            limit=f"{row.side} {row.limit:g}",
            measured="not measured" if row.measured is None else f"{row.measured:.3f}",
            met=row.met,
        )
        for row in rows
    ]
    return Judged(checks=checks, rows=rows)
