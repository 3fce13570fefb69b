"""Costs of layouts next to their mapped cells: the table that factors to the layout come from."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from consilico.sim.base.facts import Facts
from consilico.sim.estimate.operators.measurements import FOLDER

__all__ = [
    "KitLadder",
    "MeasuredLadder",
    "MeasuredRung",
    "ladder_path",
    "read_ladder",
]


@dataclass(frozen=True, kw_only=True)
class MeasuredRung(Facts):
    """Costs of a configuration on one rung of the way from mapped cells to its layout."""

    rung: str  # one of consilico.sim.silicon.implementation.RUNGS
    area_um2: float  # of the cells
    core_um2: float | None  # of the rows that the cells are placed in; None: not placed
    path_ns: float
    energy_beat_pj: float  # dynamic, per beat
    leakage_w: float


@dataclass(frozen=True, kw_only=True)
class MeasuredLadder(Facts):
    """A configuration of a unit on its first rung and its last, under one and the same traffic."""

    unit: str
    config: dict[str, Any]  # field values by name
    source: str  # of its traffic
    # as in the table of cells, where "test" judges and is not fitted to; "default": the unit's
    # default configuration, which documents quote, and which factors are fitted to, too
    purpose: Literal["fit", "test", "default"]
    cells: int  # of the mapped netlist
    beats: int
    cycles: int
    results: int
    operations: int
    operands: dict[str, dict[str, float]]  # toggle_rate and sign_correlation by operand
    rungs: tuple[MeasuredRung, ...]  # mapped cells, layout
    verilog_sha256: str
    date: str  # ISO 8601

    @property
    def at_cells(self) -> MeasuredRung:
        """Cost of the mapped cells."""
        return self.rungs[0]

    @property
    def at_layout(self) -> MeasuredRung:
        """Return the figures of the last rung: the layout's."""
        return self.rungs[-1]

    def factor(self, quantity: str) -> float:
        """Return how many times as much of a quantity the layout has as the mapped cells.

        The core is compared with the area of the mapped cells.

        Args:
            quantity: One of consilico.sim.estimate.operators.ladder_factors.FACTORED.
        """
        if quantity == "core_um2":
            assert self.at_layout.core_um2 is not None
            return self.at_layout.core_um2 / self.at_cells.area_um2
        name = "energy_beat_pj" if quantity == "energy_pj" else quantity
        return float(getattr(self.at_layout, name) / getattr(self.at_cells, name))


@dataclass(frozen=True, kw_only=True)
class KitLadder(Facts):
    """Everything that was laid out in one kit."""

    pdk: str
    corner: str
    voltage_v: float
    clock_ns: float  # that netlists were mapped, placed and closed for
    liberty_sha256: str
    layout_sha256: str  # of what the kit says of rows, wires and cells' geometry
    tools: dict[str, str]  # versions by name
    rows: tuple[MeasuredLadder, ...] = ()

    @property
    def fitted(self) -> tuple[MeasuredLadder, ...]:
        """The configurations that factors are fitted to."""
        return tuple(row for row in self.rows if row.purpose != "test")


def ladder_path(pdk: str) -> Path:
    """Return where the table of a kit lies."""
    return FOLDER / f"{pdk}.ladder.json"


def read_ladder(pdk: str) -> KitLadder | None:
    """Return what was laid out in a kit, or None where nothing was."""
    path = ladder_path(pdk)
    return KitLadder.from_json(json.loads(path.read_text())) if path.exists() else None
