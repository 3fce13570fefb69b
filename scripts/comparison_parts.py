"""Parts of docs/compare.md and docs/softmax.md: what comparisons and errors of units are."""

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from consilico.golden.config import Config
from consilico.reports.comparison.facts import FIRST, ComparisonFacts, comparison_facts
from consilico.reports.comparison.judgements import TargetRow, judge_comparison
from consilico.sim.base.interval import Interval
from consilico.sim.comparison.compare import candidate
from consilico.sim.comparison.facts import BUFFERS, Compared, Comparison
from consilico.sim.comparison.row_errors import TRAPS, RowErrors, ScaledRows, row_errors
from consilico.sim.comparison.table import measured_comparison
from consilico.sim.units.catalogue import configure, find_unit
from consilico.sim.units.row_traffic import DRAWN_SCALE, traffic_rows
from consilico.sim.units.unit import Unit
from scripts.document_text import paragraph, table

__all__ = ["PARTS"]


@cache
def _facts() -> ComparisonFacts:
    return comparison_facts()


def compare_state() -> str:
    """Return the conditions of the measurements, and what of them is of other Verilog."""
    found = _facts()
    if not found.comparisons:
        return "Nothing yet."
    under = found.comparisons[0].conditions
    changed = (
        f" Since then the Verilog of {', '.join(found.other_verilog)} has changed."
        if found.other_verilog
        else ""
    )
    return paragraph(
        f"""{under.pdk}, clock {under.clock_ns:g} ns, {under.traffic} traffic, rung {under.rung},
        measured on {" to ".join(found.dates)}; SRAM estimated.{changed}
        `python -m consilico.sim.comparison.measure` measures what is missing."""
    )


def compare_targets() -> str:
    """Return each target with what was measured."""
    head = ("against", "unit", "row buffer", "area", "target", "energy per score", "target")

    def verdict(found: Interval | None, limit: float, met: bool | None) -> tuple[str, str]:
        if found is None:
            return "not measured", f">= {limit:g}"
        return f"{found.value:.2f}", f">= {limit:g}, {'met' if met else '**missed**'}"

    def cells(row: TargetRow) -> tuple[str, ...]:
        ratio, target = row.ratio, row.target
        return (
            f"`{target.against}`",
            f"`{target.unit}`",
            target.buffer or "none needed",
            *verdict(None if ratio is None else ratio.area, target.area, row.area_met),
            *verdict(None if ratio is None else ratio.energy, target.energy, row.energy_met),
        )

    return table(head, map(cells, judge_comparison(_facts()).rows))


def compare_ratios() -> str:
    """Return ratios of one lane and rows of 256 scores, under each definition."""
    return _ratio_table(_facts().comparisons)


def compare_cells() -> str:
    """Return the same of mapped cells, before they are placed."""
    units = list(dict.fromkeys(row.unit for found in _facts().comparisons for row in found.rows))
    found = [
        measured_comparison([first, *(unit for unit in units if unit != first)], rung="cells")
        for first in FIRST
    ]
    return _ratio_table([each for each in found if each is not None])


def _ratio_table(comparisons: Sequence[Comparison]) -> str:
    rows = []
    for found in comparisons:
        ratios = [each for each in found.ratios if (each.lanes, each.row) == (1, 256)]
        for unit in dict.fromkeys(each.unit for each in ratios):
            own = {each.buffer: each for each in ratios if each.unit == unit}
            cells = [
                f"{own[kind].area.value:.2f}, {own[kind].energy.value:.2f}" if kind in own else "-"
                for kind in (None, *BUFFERS)
            ]
            rows.append((f"`{unit}` against `{found.rows[0].unit}`", *cells))
    return table(("", "neither needs one", *BUFFERS), rows)


def compare_rows() -> str:
    """Return areas, path, energy and cycles of each unit."""
    found: dict[tuple[object, ...], Compared] = {}
    for comparison in _facts().comparisons:
        found |= {(r.unit, r.lanes, r.row, r.buffer): r for r in comparison.rows}
    head = (
        "unit", "lanes", "row", "buffer", "logic", "buffer", "path", "energy per score",
        "cycles per row", "largest error", "row sums",
    )  # fmt: skip

    def cells(row: Compared) -> tuple[str, ...]:
        buffer, error = row.area_um2.buffer, row.error
        sums = f"{error.least_row_sum:.3f} to {error.greatest_row_sum:.3f}" if error else "-"
        return (
            f"`{row.unit}`",
            f"{row.lanes}",
            f"{row.row:,}",
            row.buffer or "none needed",
            f"{row.area_um2.logic:,.0f} um²",
            "-" if buffer is None else f"{buffer.value:,.0f} um²",
            f"{row.path_ns:.2f} ns",
            f"{row.energy_pj_score.value:.2f} pJ",
            f"{row.cycles_row:,.0f}",
            f"{error.max_error:.4f}" if error else "-",
            sums,
        )

    return table(head, [cells(found[key]) for key in found])


_BIT = math.log(2)  # in natural units
_UNITS = (
    "softmax", "online_softmax", "softermax", "ita", "sole", "ibert", "ibert:scores=int8",
)  # fmt: skip
_SCALES = (("8/127", DRAWN_SCALE), ("ln 2 / 4", _BIT / 4), ("ln 2 / 32", _BIT / 32))
_DRAWN_ROWS = 24


def _unit(name: str) -> tuple[Unit, Config]:
    """Return a unit, configured to take rows of any length here."""
    own = candidate(name)
    unit = find_unit(own.unit)
    settings = ["row=4096"] if own.unit == "online_softmax" else ["row=4096", "buffer=sram"]
    return unit, configure(unit, [*settings, *own.settings])


def _scale(name: str) -> float:
    """Return the natural units per code of what a unit takes; of any scale the drawn one."""
    unit, config = _unit(name)
    return DRAWN_SCALE if unit.score_scale is None else unit.score_scale(config)


def _errors(name: str, rows: ScaledRows) -> RowErrors:
    unit, config = _unit(name)
    assert unit.normalize is not None
    return row_errors(partial(unit.normalize, config), rows)


def row_errors_drawn() -> str:
    """Return how far units are from exact softmax on drawn rows."""
    ((_, drawn),) = traffic_rows("normal", 256, _DRAWN_ROWS * 256)
    head = (
        "unit", "scale per code", "largest error", "mean error", "row sums", "zeros",
        "other greatest",
    )  # fmt: skip
    rows = []
    for name in _UNITS:
        for words, scale in _SCALES:
            found = _errors(name, [(scale, drawn)])
            rows.append(
                (
                    f"`{name}`",
                    words,
                    f"{found.max_error:.4f}",
                    f"{found.mean_error:.6f}",
                    f"{found.least_row_sum:.3f} to {found.greatest_row_sum:.3f}",
                    f"{100 * found.zeros:.0f} %",
                    f"{100 * found.argmax_flips:.0f} %",
                )
            )
    return table(head, rows)


def row_errors_traps() -> str:
    """Return row sums of rows that methods break at, in codes of each unit."""
    rows = []
    for trap, codes in TRAPS.items():
        shown = np.zeros(len(codes), dtype=bool)
        found = [_errors(name, [(_scale(name), [(codes, shown)])]) for name in _UNITS]
        rows.append((trap, *(f"{each.least_row_sum:.3f}" for each in found)))
    return table(("row", *(f"`{name}`" for name in _UNITS)), rows, "---:")


PARTS: dict[str, Callable[[], str]] = {
    "compare_state": compare_state,
    "compare_targets": compare_targets,
    "compare_ratios": compare_ratios,
    "compare_cells": compare_cells,
    "compare_rows": compare_rows,
    "row_errors_drawn": row_errors_drawn,
    "row_errors_traps": row_errors_traps,
}
