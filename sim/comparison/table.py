"""Read the table of comparisons that were measured, which documents, claims and the report quote.

``python -m consilico.sim.comparison.measure`` makes it. A layout of a row buffer takes minutes, so
nobody who asks for a ratio waits for one.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.comparison.facts import (
    BUFFERS,
    Compared,
    Comparison,
    Conditions,
    rows_named,
)

__all__ = ["TABLE", "MeasuredRow", "MeasuredRows", "measured_comparison", "measured_rows"]

TABLE = Path(__file__).with_name("measured.json")
_SCHEMA = "consilico.comparison-table/1"


@dataclass(frozen=True, kw_only=True)
class MeasuredRow(Facts):
    """A row of a comparison with its conditions and its date."""

    conditions: Conditions
    found: Compared
    date: str  # ISO 8601

    @property
    def unit(self) -> str:
        """Name of the unit, without its settings."""
        return self.found.unit.partition(":")[0]

    @property
    def config(self) -> dict[str, Any]:
        """Values of its configuration's fields by name."""
        return self.found.config

    @property
    def verilog_sha256(self) -> str:
        """Hash of its Verilog, in hex."""
        return self.found.verilog_sha256

    @property
    def key(self) -> tuple[Any, ...]:
        """Key that no other row has."""
        under, row = self.conditions, self.found
        return (
            under.pdk, under.clock_ns, under.traffic, under.rung, row.row, row.lanes, row.unit,
            row.buffer or "",
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MeasuredRows(Facts):
    """Table of all rows that were measured for comparisons."""

    rows: tuple[MeasuredRow, ...] = ()
    schema: str = _SCHEMA

    def added(self, rows: Iterable[MeasuredRow]) -> "MeasuredRows":
        """Return the table with some rows in addition, or in place of those of the same key."""
        found = {row.key: row for row in (*self.rows, *rows)}
        return replace(self, rows=tuple(found[key] for key in sorted(found)))


def measured_rows() -> MeasuredRows:
    """Return the table; an empty one where nothing was measured."""
    if not TABLE.exists():
        return MeasuredRows()
    return MeasuredRows.from_json(json.loads(TABLE.read_text()))


def measured_comparison(
    units: Sequence[str],
    *,
    lanes: Sequence[int] = (1,),
    rows: Sequence[int] = (256,),
    buffers: Sequence[str] = BUFFERS,
    pdk: str = "nangate45",
    clock_ns: float = 4.0,
    traffic: str = "normal",
    rung: str = "layout",
    table: MeasuredRows | None = None,
) -> Comparison | None:
    """Return what :func:`consilico.sim.comparison.compare.compare` found when it was measured.

    Args:
        units: The first one is what ratios are to; those that the table lacks are left out.
        lanes: Numbers of lanes.
        rows: Lengths of rows in scores.
        buffers: Kinds of row buffers.
        pdk: Process kit.
        clock_ns: Clock period.
        traffic: Source of traffic.
        rung: How far implementations went.
        table: The measurements; None: those of this version.

    Returns:
        None if the first unit was not measured, or no other one was.
    """
    table = measured_rows() if table is None else table
    parts = {part for unit in units for part in unit.split("+")}
    found = [
        each
        for each in table.rows
        if each.found.unit in parts
        and (each.conditions.pdk, each.conditions.clock_ns) == (pdk, clock_ns)
        and (each.conditions.traffic, each.conditions.rung) == (traffic, rung)
        and each.found.lanes in lanes
        and each.found.row in rows
        and each.found.buffer in (None, *buffers)
    ]
    single = [each.found for each in found]
    named = [row for unit in units for row in rows_named(unit, single)]
    known = {row.unit for row in named}
    if units[0] not in known or len(known) < 2:
        return None
    sram = next((each.conditions.sram for each in found if each.conditions.sram), None)
    return Comparison.of(replace(found[0].conditions, sram=sram), named)
