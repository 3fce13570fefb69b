"""Measure comparisons: ``python -m consilico.sim.comparison.measure [--minutes N]``.

Writes ``measured.json`` after each implementation, so that a run goes on where it stopped: what the
table has of the Verilog of now is not measured again. The layout of a unit takes a minute per
thousand cells, and a row buffer of latches has some thousand; mapped cells take seconds.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from consilico.sim.base.errors import CheckFailed, ToolError
from consilico.sim.base.files import write_atomic
from consilico.sim.comparison.compare import candidate, implement_alike
from consilico.sim.comparison.table import TABLE, MeasuredRow, MeasuredRows, measured_rows
from consilico.sim.estimate.operators.calibration_state import other_verilog

__all__ = ["STUDY", "ComparisonCase", "main", "measured", "todo"]

_PDK, _CLOCK_NS, _TRAFFIC = "nangate45", 4.0, "normal"


@dataclass(frozen=True, kw_only=True)
class ComparisonCase:
    """A unit in one combination."""

    unit: str  # as `consilico compare` takes it
    buffers: tuple[str, ...] = ("none", "sram")  # that one implementation answers
    lanes: int = 1
    row: int = 256
    rung: str = "layout"


_WITH_BUFFER = ("softermax", "ita", "softmax", "sole", "ibert")
_CELLS = ("latch", "flop")  # kinds of buffers of standard cells
_WITHOUT = (
    "consmax/base2", "consmax/log2", "base2_scores", "online_softmax", "consmax/split",
)  # fmt: skip


def _family(rung: str, lanes: int = 1, row: int = 256) -> list[ComparisonCase]:
    """Return every unit with its logic alone."""
    names = (*_WITHOUT[:-1], *_WITH_BUFFER, *_WITHOUT[-1:])
    return [ComparisonCase(unit=name, rung=rung, lanes=lanes, row=row) for name in names]


STUDY: tuple[ComparisonCase, ...] = (
    *_family("cells"),
    *(
        ComparisonCase(unit=name, buffers=(kind,), rung="cells")
        for kind in _CELLS
        for name in _WITH_BUFFER
    ),
    *_family("layout"),
    *(ComparisonCase(unit=name, buffers=("latch",)) for name in _WITH_BUFFER),
    *(ComparisonCase(unit=name, buffers=("flop",)) for name in _WITH_BUFFER),
    *(
        ComparisonCase(unit="softermax:stores=powers", buffers=kinds)
        for kinds in (("none", "sram"), ("latch",))
    ),
    *_family("layout", lanes=16),
    *(ComparisonCase(unit=name, buffers=("latch",), lanes=16) for name in _WITH_BUFFER),
    *(
        ComparisonCase(unit=name, row=row)
        for row in (1024, 4096)
        for name in (*_WITHOUT[:3], *_WITH_BUFFER)
    ),
)
"""What is measured, in this order: what targets are about comes first."""


def todo(table: MeasuredRows) -> list[ComparisonCase]:
    """Return the cases that a table lacks, or has of other Verilog than is generated now."""
    old = {row.key for row in other_verilog(table.rows)}
    known = {
        (row.conditions.rung, row.found.unit, row.found.lanes, row.found.row, row.found.buffer)
        for row in table.rows
        if row.key not in old
    }

    def is_known(case: ComparisonCase) -> bool:
        place = (case.rung, case.unit, case.lanes, case.row)
        return (*place, None) in known or {(*place, kind) for kind in case.buffers} <= known

    return [case for case in STUDY if not is_known(case)]


def measured(case: ComparisonCase) -> list[MeasuredRow]:
    """Implement a case, and return its rows of the table."""
    conditions, found, _ = implement_alike(
        [candidate(case.unit)], lanes=[case.lanes], rows=[case.row], buffers=case.buffers,
        pdk=_PDK, clock_ns=_CLOCK_NS, traffic=_TRAFFIC, rung=case.rung, workers=1,
    )  # fmt: skip
    today = date.today().isoformat()
    rows = [MeasuredRow(conditions=conditions, found=row, date=today) for row in found]
    # a unit that needs no buffer is there once per kind of buffer that was asked for
    return list({row.key: row for row in rows}.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is left to measure; return 1 if something could not be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no other then")
    end = time.monotonic() + 60 * parser.parse_args(argv).minutes
    cases, failed = todo(measured_rows()), False
    for number, case in enumerate(cases, 1):
        if time.monotonic() > end:
            break
        print(f"{number} of {len(cases)}: {case}", flush=True)
        try:
            table = measured_rows().added(measured(case))
        except (CheckFailed, ToolError) as error:  # the others are worth measuring
            print(f"{case}: {error}", file=sys.stderr, flush=True)
            failed = True
            continue
        write_atomic(TABLE, json.dumps(table.to_json(), indent=1) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
