"""Check for tables that were measured on other Verilog, or other code, than the tree's.

``python -m consilico.reports.calibration_check`` prints a line for each table; its exit status is
1 if any row is of another state. A table that does not say what it was measured on is named, too,
and decides nothing.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilico.sim.estimate.operators.calibration_state import other_verilog
from consilico.sim.estimate.operators.judge import fitted_digest
from consilico.sim.estimate.operators.ladder_factors import factors_digest
from consilico.sim.estimate.operators.ladder_table import ladder_path, read_ladder
from consilico.sim.estimate.operators.measurements import FOLDER, read_measurements
from consilico.sim.estimate.operators.ordinary import ORDINARY_DESIGNS
from consilico.sim.estimate.operators.primitives import PRIMITIVES
from consilico.sim.estimate.operators.tables import (
    calibrated_kits,
    costs_path,
    layout_path,
    read_calibration,
    read_layout,
)
from consilico.sim.units.consmax import PAPER

__all__ = ["TableState", "main", "table_states"]

_ROOT = Path(__file__).parents[1]
_HASH = "verilog_sha256"


@dataclass(frozen=True, kw_only=True)
class _UnitRow:
    """Row of another table than the kits', with the state that it was measured on."""

    unit: str
    config: dict[str, Any]
    verilog_sha256: str


@dataclass(frozen=True, kw_only=True)
class TableState:
    """Share of one table that is of the Verilog, or the code, of the tree."""

    table: str  # path below the package
    rows: int
    unlike: tuple[str, ...]  # what is of another state, each named once
    unlike_rows: int
    unknown_rows: int = 0  # rows without a hash
    remedy: str = ""  # command that measures anew

    @property
    def line(self) -> str:
        """The state in one line."""
        said = [f"{self.unlike_rows} of {self.rows} rows are of another state"]
        if not self.unlike_rows:
            said = [f"{self.rows} rows, all of the tree's state"]
        if self.unlike:
            said.append(", ".join(self.unlike))
        if self.unknown_rows:
            said = [f"{self.rows} rows, {self.unknown_rows} of them without a hash: not known"]
        if self.unlike_rows and self.remedy:
            said.append(f"`{self.remedy}` measures them")
        return f"{self.table}: {'; '.join(said)}"


def table_states() -> Iterator[TableState]:
    """Yield the state of each table that holds measurements."""
    for pdk in calibrated_kits():
        yield _operator_table(pdk)
        yield _fitted_costs(pdk)
        yield from _layouts(pdk)
    for name, key, remedy in (
        ("sim/estimate/nodes/measured.json", "rows", "sim.estimate.nodes.measure"),
        ("sim/silicon/synthesis/yosys_versions.json", "rows", ""),
        ("sim/silicon/glitch_study.json", "cases", "sim.silicon.glitch_study"),
    ):
        rows = json.loads((_ROOT / name).read_text())[key]
        yield _unit_rows(name, rows, f"python -m consilico.{remedy}" if remedy else "")
    name = "sim/accelerator/measured.json"
    rows = [row for kit in json.loads((_ROOT / name).read_text()).values() for row in kit["rows"]]
    yield _unit_rows(name, rows, "python -m consilico.sim.accelerator.measure KIT")
    for path in sorted((_ROOT / "sim/estimate/memories/calibration").glob("*.json")):
        points = json.loads(path.read_text())["points"]
        place = path.relative_to(_ROOT).as_posix()
        yield TableState(
            table=place, rows=len(points), unlike=(), unlike_rows=0, unknown_rows=len(points)
        )
    yield _tracked_peaks()


def _operator_table(pdk: str) -> TableState:
    """Compare the rows of units, primitives and ordinary designs of a kit's calibration."""
    table = read_measurements(pdk)
    unlike = [row.unit for row in other_verilog(table.configs)]
    for rows, known in ((table.primitives, PRIMITIVES), (table.designs, ORDINARY_DESIGNS)):
        texts = {item.name: item.verilog for item in known}
        unlike += [row.name for row in rows if _hash(texts.get(row.name, "")) != row.verilog_sha256]
    return TableState(
        table=(FOLDER / f"{pdk}.json").relative_to(_ROOT).as_posix(),
        rows=len(table.configs) + len(table.primitives) + len(table.designs),
        unlike=tuple(dict.fromkeys(unlike)),
        unlike_rows=len(unlike),
        remedy=f"make calibrate KITS={pdk}",
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _fitted_costs(pdk: str) -> TableState:
    """Compare what a kit's costs were fitted to with the table and the formulas as they are."""
    same = read_calibration(pdk).fitted_sha256 == fitted_digest(read_measurements(pdk))
    return TableState(
        table=costs_path(pdk).relative_to(_ROOT).as_posix(),
        rows=1,
        unlike=() if same else ("fitted to another table, or by other formulas",),
        unlike_rows=int(not same),
        remedy=f"python -m consilico.sim.estimate.operators.judge {pdk}",
    )


def _layouts(pdk: str) -> Iterator[TableState]:
    """Yield the state of a kit's layouts, and of the factors fitted to them, where it has any."""
    ladder, factors = read_ladder(pdk), read_layout(pdk)
    if ladder is None:
        return
    remedy = f"python -m consilico.sim.estimate.operators.ladder_measure {pdk}"
    path = ladder_path(pdk).relative_to(_ROOT).as_posix()
    yield _unit_rows(path, [row.to_json() for row in ladder.rows], remedy)
    digest = factors_digest(ladder, read_calibration(pdk).costs)
    same = factors is not None and factors.fitted_sha256 == digest
    yield TableState(
        table=layout_path(pdk).relative_to(_ROOT).as_posix(),
        rows=1,
        unlike=() if same else ("fitted to other layouts, or by other formulas",),
        unlike_rows=int(not same),
        remedy=f"python -m consilico.sim.estimate.operators.judge --layouts {pdk}",
    )


def _unit_rows(name: str, rows: Sequence[Mapping[str, Any]], remedy: str) -> TableState:
    hashed = [
        _UnitRow(unit=row["unit"], config=row["config"], verilog_sha256=row[_HASH])
        for row in rows
        if _HASH in row
    ]
    paper = [row for row in hashed if row.unit == PAPER.name]  # not in the catalogue
    unlike = other_verilog(row for row in hashed if row not in paper)
    unlike += other_verilog(paper, {PAPER.name: PAPER})
    return TableState(
        table=name,
        rows=len(rows),
        unlike=tuple(dict.fromkeys(row.unit for row in unlike)),
        unlike_rows=len(unlike),
        unknown_rows=len(rows) - len(hashed),
        remedy=remedy,
    )


def _tracked_peaks() -> TableState:
    """Compare the code behind the tracked peaks of training memory."""
    from consilico.sim.memory.execution.fake_table import TABLE, code_digest

    table = json.loads(TABLE.read_text())
    same = table["code_sha256"] == code_digest()
    runs = len(table["runs"])
    return TableState(
        table=TABLE.relative_to(_ROOT).as_posix(),
        rows=runs,
        unlike=() if same else ("other code",),
        unlike_rows=0 if same else runs,
        remedy="make memory-tracked",
    )


def main() -> int:
    """Print the state of every table; return 1 if any row is of another state."""
    unlike = 0
    for state in table_states():
        print(state.line, flush=True)
        unlike += state.unlike_rows
    return 1 if unlike else 0


if __name__ == "__main__":
    sys.exit(main())
