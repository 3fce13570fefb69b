"""Facts of the report on comparisons: the measured table, by the unit that others are set against.

Layouts with row buffers take an hour in all, so the page shows the table that
``python -m consilico.sim.comparison.measure`` made, and says of what it is that has changed since.
"""

from dataclasses import dataclass

from consilico.sim.base.facts import Facts
from consilico.sim.comparison.facts import Comparison
from consilico.sim.comparison.measure import STUDY
from consilico.sim.comparison.table import measured_comparison, measured_rows
from consilico.sim.estimate.operators.calibration_state import other_verilog

__all__ = ["FIRST", "IN_FRONT", "ComparisonFacts", "comparison_facts"]

IN_FRONT = ("base2_scores",)  # units that only stand in front of others
FIRST = ("consmax/log2", "consmax/base2")
"""Units that others are compared with, each by itself."""


@dataclass(frozen=True, kw_only=True)
class ComparisonFacts(Facts):
    """Measurements under one set of conditions."""

    comparisons: tuple[Comparison, ...]  # one per unit of FIRST that was measured with others
    dates: tuple[str, ...]  # of the measurements, first and last
    other_verilog: tuple[str, ...]  # units whose Verilog has changed since


def comparison_facts() -> ComparisonFacts:
    """Return what the table has, without measuring anything."""
    table = measured_rows()
    names = [*dict.fromkeys(case.unit for case in STUDY if case.unit not in IN_FRONT)]
    names += [f"softermax+{part}" for part in IN_FRONT]
    lanes = sorted({case.lanes for case in STUDY})
    rows = sorted({case.row for case in STUDY})
    found = [
        measured_comparison(
            [first, *(name for name in names if name != first)], lanes=lanes, rows=rows, table=table
        )
        for first in FIRST
    ]
    dates = sorted(row.date for row in table.rows)
    return ComparisonFacts(
        comparisons=tuple(each for each in found if each is not None),
        dates=tuple(dict.fromkeys((*dates[:1], *dates[-1:]))),
        other_verilog=tuple(sorted({row.found.unit for row in other_verilog(table.rows)})),
    )
