"""What a comparison of units found."""

from dataclasses import dataclass
from typing import Any

from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.comparison.row_errors import RowErrors

__all__ = ["Compared", "Comparison", "Conditions", "LeftOut", "PartAreas", "Ratio"]


@dataclass(frozen=True, kw_only=True)
class Conditions(Facts):
    """What all rows of a comparison share."""

    pdk: str
    clock_ns: float
    traffic: str
    rung: str
    sram: str | None  # where figures of memories come from; None: none was asked for


@dataclass(frozen=True, kw_only=True)
class PartAreas(Facts):
    """Area of a unit by part."""

    logic: float
    buffer: Interval | None  # None: the unit has none, or it is left out


@dataclass(frozen=True, kw_only=True)
class Compared(Facts):
    """One unit at one length of row, number of lanes and kind of buffer."""

    unit: str
    lanes: int
    row: int  # scores
    buffer: str | None  # one of BUFFERS; None: the unit needs none
    config: dict[str, Any]
    area_um2: PartAreas
    path_ns: float  # of the logic, and of a buffer of standard cells
    meets_clock: bool
    energy_pj_score: Interval  # leakage included
    energy_pj_row: Interval
    cycles_row: float  # when rows of this length follow one another
    latency_cycles: int  # from the score that completes a row, or any without a buffer, to a result
    scores_per_s_mm2: float  # buffer included
    error: RowErrors | None  # on drawn rows; None: the unit does not normalize

    @property
    def total_um2(self) -> Interval:
        """Return the area of logic and buffer."""
        logic = exactly(self.area_um2.logic)
        return logic if self.area_um2.buffer is None else logic + self.area_um2.buffer


@dataclass(frozen=True)
class LeftOut(Facts):
    """A combination that a unit is not built in."""

    unit: str
    lanes: int
    row: int
    buffer: str | None
    why: str


@dataclass(frozen=True, kw_only=True)
class Ratio(Facts):
    """By how much a unit takes more than the first one, under one definition."""

    unit: str
    to: str  # the first unit
    lanes: int
    row: int
    buffer: str | None  # of those of the two that need one
    area: Interval
    area_at_equal_throughput: Interval  # so many copies as give the rows of the first per second
    energy: Interval


@dataclass(frozen=True, kw_only=True)
class Comparison(Facts):
    """What units cost under the same conditions."""

    conditions: Conditions
    rows: tuple[Compared, ...]
    ratios: tuple[Ratio, ...]
    left_out: tuple[LeftOut, ...]
