"""Findings of a comparison of units."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from consilico.sim.base.facts import Facts
from consilico.sim.base.interval import Interval, exactly
from consilico.sim.comparison.row_errors import RowErrors

__all__ = [
    "BUFFERS",
    "Compared",
    "Comparison",
    "Conditions",
    "CostRatio",
    "LeftOutCombination",
    "PartAreas",
    "rows_named",
]

BUFFERS = ("none", "sram", "latch", "flop")
"""What a row buffer is made of; ``none``: it is left out."""


@dataclass(frozen=True, kw_only=True)
class Conditions(Facts):
    """Conditions that all rows of a comparison share."""

    pdk: str
    corner: str
    voltage_v: float
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
    leakage_pj_cycle: float  # of the cells, within the energy
    cycles_row: float  # when rows of this length follow one another
    latency_cycles: int  # from the score that completes a row, or any without a buffer, to a result
    scores_per_s_mm2: float  # buffer included
    error: RowErrors | None  # on drawn rows; None: the unit does not normalize
    verilog_sha256: str  # of what was implemented

    @property
    def total_um2(self) -> Interval:
        """Return the area of logic and buffer."""
        logic = exactly(self.area_um2.logic)
        return logic if self.area_um2.buffer is None else logic + self.area_um2.buffer


def rows_named(name: str, rows: Sequence[Compared]) -> list[Compared]:
    """Return the rows of a unit, or of one with others in front, such as ``a+b``: b is in front.

    Args:
        name: As units are asked for.
        rows: Of single units. A unit in front needs no buffer.
    """
    first, *front = name.split("+")
    found = []
    for row in rows:
        if row.unit != first:
            continue
        same = [each for each in rows if (each.lanes, each.row) == (row.lanes, row.row)]
        parts = [next((each for each in same if each.unit == part), None) for part in front]
        whole: Compared | None = row
        for part in parts:
            whole = None if whole is None or part is None else _with_in_front(whole, part)
        if whole is not None:
            found.append(whole)
    return found


def _with_in_front(row: Compared, part: Compared) -> Compared:
    """Return a unit and one in front of it as one: both work on every score of a row."""
    waits = part.leakage_pj_cycle * (row.cycles_row - part.cycles_row) / row.row
    energy = row.energy_pj_score + part.energy_pj_score + exactly(waits)
    whole = replace(
        row,
        unit=f"{row.unit}+{part.unit}",
        config=row.config | {part.unit: part.config},
        area_um2=replace(row.area_um2, logic=row.area_um2.logic + part.area_um2.logic),
        path_ns=max(row.path_ns, part.path_ns),
        meets_clock=row.meets_clock and part.meets_clock,
        energy_pj_score=energy,
        energy_pj_row=energy * row.row,
        leakage_pj_cycle=row.leakage_pj_cycle + part.leakage_pj_cycle,
        latency_cycles=row.latency_cycles + part.latency_cycles,
        verilog_sha256=f"{row.verilog_sha256}+{part.verilog_sha256}",
    )
    less = row.total_um2.value / whole.total_um2.value
    return replace(whole, scores_per_s_mm2=row.scores_per_s_mm2 * less)


@dataclass(frozen=True)
class LeftOutCombination(Facts):
    """A combination that a unit is not built in."""

    unit: str
    lanes: int
    row: int
    buffer: str | None
    why: str


@dataclass(frozen=True, kw_only=True)
class CostRatio(Facts):
    """Factor by which a unit takes more than the first one, under one definition."""

    unit: str
    to: str  # the first unit
    lanes: int
    row: int
    buffer: str | None  # of those of the two that need one
    area: Interval
    area_at_equal_throughput: Interval  # so many copies as give the rows of the first per second
    energy: Interval  # per score
    power: Interval  # at the same clock, each at its own throughput


@dataclass(frozen=True, kw_only=True)
class Comparison(Facts):
    """Costs of units under the same conditions."""

    conditions: Conditions
    rows: tuple[Compared, ...]
    ratios: tuple[CostRatio, ...]
    left_out: tuple[LeftOutCombination, ...]

    @classmethod
    def of(
        cls,
        conditions: Conditions,
        rows: Sequence[Compared],
        left_out: Sequence[LeftOutCombination] = (),
    ) -> Self:
        """Return what was found of units, with the ratios to the unit of the first row."""
        return cls(
            conditions=conditions,
            rows=tuple(rows),
            ratios=tuple(_ratios(rows)),
            left_out=tuple(left_out),
        )


def _ratios(rows: Sequence[Compared]) -> Iterator[CostRatio]:
    first = rows[0].unit
    for row in rows:
        for other in rows:
            same = (row.lanes, row.row) == (other.lanes, other.row)
            buffers = {row.buffer, other.buffer} - {None}  # a unit without one fits any
            if row.unit == first or other.unit != first or not same or len(buffers) > 1:
                continue
            area = row.total_um2 / other.total_um2
            energy = row.energy_pj_score / other.energy_pj_score
            slower = row.cycles_row / other.cycles_row
            yield CostRatio(
                unit=row.unit,
                to=first,
                lanes=row.lanes,
                row=row.row,
                buffer=next(iter(buffers), None),
                area=area,
                area_at_equal_throughput=area * slower,
                energy=energy,
                power=energy * (1 / slower),
            )
