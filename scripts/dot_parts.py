"""Parts of ``docs/dot.md`` and ``docs/systolic.md`` on what was tried to take less energy."""

from collections.abc import Callable
from typing import Any

from scripts.document_text import DOCS, paragraph, read_table, table

_RUNGS = {"layout": "layout", "placed": "placed, without a clock tree"}


def _trials() -> Any:
    return read_table(DOCS / "dot_trials.json")


def dot_built_part() -> str:
    """Return what registering digits changed, by operands."""
    trials = _trials()
    rows = [
        [
            f"{row['x'].upper()} x {row['w'].upper()}",
            *(f"{row[when]['energy_pj']:.3f} pJ" for when in ("before", "after")),
            "" if row["target_pj"] is None else f"{row['target_pj']:.2f} pJ",
            *(f"{row[when]['area_um2']:,} um²" for when in ("before", "after")),
        ]
        for row in trials["built"]
    ]
    conditions = paragraph(
        f"""NanGate 45 nm, {1000 / trials["clock_ns"]:g} MHz, 16 lanes, {trials["beats"]} beats of a
        language model's layers, on {trials["date"]}: energy per multiply-accumulate with wires,
        clock tree and glitches, and area of the mapped cells."""
    )
    head = ("operands", "before", "after", "target", "area before", "area after")
    return f"{conditions}\n\n{table(head, rows)}"


def dot_trials_part() -> str:
    """Return what was tried and not built."""
    rows = [
        [
            row["what"],
            row["operands"],
            str(row["lanes"]),
            _RUNGS[row["rung"]],
            f"{row['energy_pj']:.3f} pJ",
            f"{row['against_pj']:.3f} pJ: {row['against']}",
        ]
        for row in _trials()["trials"]
    ]
    return table(("tried", "operands", "lanes", "rung", "energy", "against"), rows)


def systolic_built_part() -> str:
    """Return what the output-stationary array takes, design by design."""
    trials = read_table(DOCS / "systolic_trials.json")
    conditions = paragraph(
        f"""NanGate 45 nm, {1000 / trials["clock_ns"]:g} MHz, 4 x 4 INT8, output stationary, a
        language model's layer, on {trials["date"]}: with wires, clock tree and glitches. The target
        is {trials["target_pj"]:.2f} pJ."""
    )
    rows = [
        [
            row["design"],
            f"{row['energy_pj']:.3f} pJ",
            f"{row['area_um2']:,} um²",
            f"{row['path_ns']:.2f} ns",
        ]
        for row in trials["rows"]
    ]
    head = ("design", "energy per multiply-accumulate", "area", "longest path")
    return f"{conditions}\n\n{table(head, rows)}"


PARTS: dict[str, Callable[[], str]] = {
    "dot_built": dot_built_part,
    "dot_trials": dot_trials_part,
    "systolic_built": systolic_built_part,
}
