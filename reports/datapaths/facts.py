"""What the low-bit units cost: area, path and energy per operation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from consilico.reports.page.measure import KitFacts
from consilico.sim.base.facts import Facts

__all__ = [
    "CLOCK_NS",
    "DatapathFacts",
    "DatapathRow",
    "ProjectedElement",
    "SourceFigures",
    "datapath_rows",
    "projected_element",
]

CLOCK_NS = 2.0  # 500 MHz

_RANKS = (128, 256, 512, 1024)  # of Q-GaLore: LLaMA 60M, 130M and 350M, 1B, 7B


@dataclass(frozen=True, kw_only=True)
class SourceFigures(Facts):
    """What a unit does and takes on the traffic of one source."""

    energy_pj: float  # per operation
    operations_per_cycle: float
    tops_per_w: float | None = None  # of multiply-accumulates alone, which are 2 operations each
    tops_per_mm2: float | None = None


@dataclass(frozen=True, kw_only=True)
class DatapathRow(Facts):
    """One configuration of a unit, mapped for :data:`CLOCK_NS`."""

    unit: str
    config: dict[str, Any]  # field values by name
    operation: str  # what energy is given per, such as "MAC"
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
class DatapathFacts(Facts):
    """Everything that the report shows of the low-bit units."""

    rows: tuple[DatapathRow, ...]
    projected_element: tuple[ProjectedElement, ...]
    defaults: dict[str, dict[str, Any]]  # default configuration by unit
    kit: KitFacts
    clock_ns: float
    traffic: dict[str, Any]  # what the job that collects scores tells
    training_traffic: dict[str, Any]  # what the job that collects a training's operands tells
    published: dict[str, Any]  # content of published.toml

    @property
    def macs(self) -> list[DatapathRow]:
        """Return the units that multiply and accumulate."""
        return [row for row in self.rows if row.operation == "MAC"]

    @property
    def others(self) -> list[DatapathRow]:
        """Return the units that do anything else."""
        return [row for row in self.rows if row.operation != "MAC"]


def datapath_rows(entries: Iterable[Mapping[str, Any]]) -> tuple[DatapathRow, ...]:
    """Return one row per configuration.

    Args:
        entries: Results of :func:`consilico.reports.page.measure.implement_job` as JSON, at
            :data:`CLOCK_NS`.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        found.setdefault(f"{entry['unit']} {entry['result']['config']}", []).append(entry)
    return tuple(_row(own) for own in found.values())


def _row(entries: list[Mapping[str, Any]]) -> DatapathRow:
    """Return the row of one configuration, implemented on one or several sources of traffic."""
    last = entries[-1]["result"]
    return DatapathRow(
        unit=entries[0]["unit"],
        config=last["config"],
        operation=last["operation"],
        area_um2=last["area_um2"],
        path_ns=last["path_ns"],
        meets_clock=last["meets_clock"],
        cells=last["cells"],
        power_by_class_w=entries[0]["result"]["power_by_class_w"],
        sources={entry["source"]: _figures(entry["result"]) for entry in entries},
    )


def _figures(result: Mapping[str, Any]) -> SourceFigures:
    activity, energy_pj = result["activity"], result["energy_per_operation_pj"]
    rate = activity["operations"] / activity["cycles"]
    if result["operation"] != "MAC":
        return SourceFigures(energy_pj=energy_pj, operations_per_cycle=rate)
    tops = 2 * rate / (CLOCK_NS * 1e-9) * 1e-12
    return SourceFigures(
        energy_pj=energy_pj,
        operations_per_cycle=rate,
        tops_per_w=2 / energy_pj,
        tops_per_mm2=tops / (result["area_um2"] * 1e-6),
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
