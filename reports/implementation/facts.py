"""Facts of implementation: each unit in each kit, curves of area against clock, choice of Yosys."""

from dataclasses import dataclass

from consilico.reports.page.measure import KitFacts
from consilico.reports.page.section import Chosen, ReportJob
from consilico.sim.base.facts import Facts
from consilico.sim.silicon.implementation import Implementation
from consilico.sim.silicon.kits.kit import find_kit
from consilico.sim.silicon.sweep import ClockSweep, sweep
from consilico.sim.silicon.synthesis.yosys_compare import YosysComparison
from consilico.sim.units.catalogue import configure, find_unit, verilog

__all__ = [
    "PURPOSES",
    "ImplementationFacts",
    "Implemented",
    "UnitSweep",
    "implemented",
    "sweep_unit",
]

PURPOSES = ("registers", "memories", "multipliers", "rest")
_CLOCKS_NS = (4.0, 1.4, 1.1, 0.9, 0.8, 0.7)
_RESOLUTION = 0.01  # of the fastest clock
_LARGEST_MODULES = 3  # that are named


@dataclass(frozen=True, kw_only=True)
class Implemented(Facts):
    """One unit in one kit; without ``area_um2`` it was not measured, or failed."""

    unit: str
    settings: tuple[str, ...]  # that differ from the default
    kit: str
    command: str
    failure: str = ""  # why it could not be measured
    corner: str = ""
    voltage_v: float = 0.0
    clock_ns: float = 0.0  # mapped for, and that power holds at
    source: str = ""  # of traffic
    rung: str = "cells"  # that its figures are of
    area_um2: float | None = None
    path_ns: float = 0.0
    meets_clock: bool = False
    cells: int = 0
    power_mw: float = 0.0
    operation: str = ""
    energy_per_operation_pj: float = 0.0
    modules_kept_um2: float = 0.0  # area of a mapping that keeps module boundaries
    purpose_um2: dict[str, float]  # of that mapping, by each of PURPOSES
    largest_modules: str = ""  # inside, with their areas
    results_compared: int = 0  # of the netlist with the golden model
    mismatches: int = 0
    proof: str = ""  # verdict of the proof that netlist and RTL are equal; empty if not tried
    proved_points: int = 0
    unproved_points: int = 0


@dataclass(frozen=True, kw_only=True)
class UnitSweep(Facts):
    """A unit mapped for several clocks, and its fastest."""

    unit: str
    settings: tuple[str, ...]  # that differ from the default
    found: ClockSweep


@dataclass(frozen=True, kw_only=True)
class ImplementationFacts:
    """All implementations that were asked for, and what else is known of the flow."""

    rows: tuple[Implemented, ...]
    curves: tuple[UnitSweep, ...]
    kit: KitFacts  # that the curves are in
    tools: dict[str, str]
    chosen: bool  # the units were named: their figures lead the page
    yosys: YosysComparison | None  # two versions compared; None on a page about chosen units


def implemented(
    unit: Chosen, kit: str, job: ReportJob, found: Implementation | None, failure: str
) -> Implemented:
    """Make a row of what ``implement`` found, or of what is missing.

    Args:
        unit: What was asked for.
        kit: The process kit, as it was asked for.
        job: Measures it.
        found: What it measured; None if it is not done, or failed.
        failure: Why it failed; empty if it did not.
    """
    if found is None:
        return Implemented(
            unit=unit.name, settings=unit.settings, kit=kit, command=job.command, failure=failure,
            purpose_um2={},
        )  # fmt: skip
    proof = found.equivalence.proof
    inside = [item for item in list(found.area_by_module_um2.items())[1:] if "/" not in item[0]]
    ranked = sorted(inside, key=lambda item: -item[1])
    words = [f"{name} {area:,.0f}" for name, area in ranked[:_LARGEST_MODULES]]
    if ranked[_LARGEST_MODULES:]:
        words.append(f"{len(ranked) - _LARGEST_MODULES} more")
    return Implemented(
        unit=unit.name,
        settings=unit.settings,
        kit=found.pdk,
        command=job.command,
        corner=found.corner,
        voltage_v=found.voltage_v,
        clock_ns=found.clock_ns,
        source=found.activity.source,
        rung=found.rung,
        area_um2=found.area_um2,
        path_ns=found.path_ns,
        meets_clock=found.meets_clock,
        cells=found.cells,
        power_mw=1e3 * found.power.total_w,
        operation=found.operation,
        energy_per_operation_pj=found.energy_per_operation_pj,
        modules_kept_um2=found.area_of_modules_kept_um2,
        purpose_um2={name: found.area_by_purpose_um2.get(name, 0.0) for name in PURPOSES},
        largest_modules=", ".join(words),
        results_compared=found.equivalence.results_compared,
        mismatches=found.gate_level.mismatches,
        proof="" if proof is None else proof.verdict,
        proved_points=0 if proof is None else proof.proved_points,
        unproved_points=0 if proof is None else proof.unproved_points,
    )


def sweep_unit(name: str, settings: tuple[str, ...], kit: str) -> UnitSweep:
    """Sweep one unit over clocks, and look for its fastest."""
    unit = find_unit(name)
    found = sweep(
        verilog(unit, configure(unit, list(settings))), unit.module_name, find_kit(kit),
        _CLOCKS_NS, resolution=_RESOLUTION, workers=1,
    )  # fmt: skip
    return UnitSweep(unit=name, settings=settings, found=found)
