"""Costs of the low-bit units: area, path and energy per operation."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilico.reports.page.measure import KitFacts
from consilico.reports.page.traffic import AttentionScores, TrainingOperands
from consilico.sim.base.facts import Facts
from consilico.sim.silicon.implementation import Implementation, rung_words

__all__ = [
    "CLOCK_NS",
    "DatapathFacts",
    "DatapathRow",
    "ProjectedElement",
    "PublishedArithmetic",
    "PublishedOperation",
    "SourceFigures",
    "datapath_rows",
    "projected_element",
    "published_arithmetic",
]

CLOCK_NS = 2.0  # 500 MHz

_RANKS = (128, 256, 512, 1024)  # of Q-GaLore: LLaMA 60M, 130M and 350M, 1B, 7B


@dataclass(frozen=True, kw_only=True)
class SourceFigures(Facts):
    """Figures of a unit on the traffic of one source."""

    energy_pj: float  # per operation, on the last rung
    cells_pj: float  # the same on the first rung: ideal wires and clock, no glitches
    operations_per_cycle: float
    tops_per_w: float | None = None  # of multiply-accumulates alone, which are 2 operations each
    tops_per_mm2: float | None = None


@dataclass(frozen=True, kw_only=True)
class DatapathRow(Facts):
    """One configuration of a unit, mapped for :data:`CLOCK_NS`."""

    unit: str
    config: dict[str, Any]  # field values by name
    operation: str  # what energy is given per, such as "MAC"
    rung: str  # that the figures are of
    area_um2: float
    path_ns: float
    meets_clock: bool
    cells: int
    power_by_class_w: dict[str, float]  # on the first source
    sources: dict[str, SourceFigures]  # by source of traffic

    @property
    def trained(self) -> bool:
        """Return whether its traffic "model" is that of a training, not of a language model."""
        return self.unit.startswith("training/")


@dataclass(frozen=True, kw_only=True)
class ProjectedElement(Facts):
    """The energy of a gradient element that is projected: it meets every projection vector."""

    source: str
    energy_pj: dict[str, float]  # by rank, one way


@dataclass(frozen=True, kw_only=True)
class PublishedOperation(Facts):
    """Operation that others published, as printed; empty where they say nothing."""

    what: str
    operation: str
    node: str
    supply: str
    energy_pj: str
    tops_per_w: str
    tops_per_mm2: str
    conditions: str
    source: str


@dataclass(frozen=True, kw_only=True)
class PublishedArithmetic(Facts):
    """Published figures next to ours; for comparison only."""

    caveat: str
    rows: tuple[PublishedOperation, ...]


@dataclass(frozen=True, kw_only=True)
class DatapathFacts(Facts):
    """Everything that the report shows of the low-bit units."""

    rows: tuple[DatapathRow, ...]
    projected_element: tuple[ProjectedElement, ...]
    defaults: dict[str, dict[str, Any]]  # default configuration by unit
    kit: KitFacts
    clock_ns: float
    scores: AttentionScores
    training: TrainingOperands
    published: PublishedArithmetic

    @property
    def rungs(self) -> str:
        """Return what the figures hold for."""
        return rung_words(*(row.rung for row in self.rows))

    @property
    def macs(self) -> list[DatapathRow]:
        """Return the units that multiply and accumulate."""
        return [row for row in self.rows if row.operation == "MAC"]

    @property
    def others(self) -> list[DatapathRow]:
        """Return the units that do anything else."""
        return [row for row in self.rows if row.operation != "MAC"]


def published_arithmetic() -> PublishedArithmetic:
    """Return the figures in ``published.toml``."""
    text = Path(__file__).with_name("published.toml").read_text(encoding="utf-8")
    return PublishedArithmetic.from_json(tomllib.loads(text))


def datapath_rows(found: Iterable[Implementation]) -> tuple[DatapathRow, ...]:
    """Return one row per configuration.

    Args:
        found: Implementations at :data:`CLOCK_NS`, of one configuration on one or several sources
            of traffic.
    """
    rows: dict[str, list[Implementation]] = {}
    for it in found:
        rows.setdefault(f"{it.unit} {it.config}", []).append(it)
    return tuple(_row(own) for own in rows.values())


def _row(found: Sequence[Implementation]) -> DatapathRow:
    """Return the row of one configuration, implemented on one or several sources of traffic."""
    first = found[0]
    return DatapathRow(
        unit=first.unit,
        config=first.config,
        rung=first.rung,
        operation=first.operation,
        area_um2=first.area_um2,
        path_ns=first.path_ns,
        meets_clock=first.meets_clock,
        cells=first.cells,
        power_by_class_w=first.power_by_class_w,
        sources={it.activity.source: _figures(it) for it in found},
    )


def _figures(it: Implementation) -> SourceFigures:
    energy_pj = it.energy_per_operation_pj
    cells_pj = energy_pj * it.ladder[0].energy_pj / it.energy_pj
    rate = it.activity.operations / it.activity.cycles
    if it.operation != "MAC":
        return SourceFigures(energy_pj=energy_pj, cells_pj=cells_pj, operations_per_cycle=rate)
    tops = 2 * rate / (CLOCK_NS * 1e-9) * 1e-12
    return SourceFigures(
        energy_pj=energy_pj,
        cells_pj=cells_pj,
        operations_per_cycle=rate,
        tops_per_w=2 / energy_pj,
        tops_per_mm2=tops / (it.area_um2 * 1e-6),
    )


def projected_element(rows: Iterable[DatapathRow]) -> tuple[ProjectedElement, ...]:
    """Return the energy of a projected gradient element, for each source of traffic."""
    return tuple(
        ProjectedElement(
            source=source, energy_pj={str(rank): rank * item.energy_pj for rank in _RANKS}
        )
        for row in rows
        if row.unit == "training/project"
        for source, item in row.sources.items()
    )
