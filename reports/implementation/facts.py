"""Facts of implementation: each unit in each kit, curves of area against clock, choice of Yosys."""

from dataclasses import dataclass
from typing import Any

from consilico.reports.page.measure import KitFacts, plain_json
from consilico.reports.page.section import Job
from consilico.sim.base.facts import Facts

__all__ = ["PURPOSES", "ImplementationFacts", "Implemented", "implemented", "sweep_unit"]

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
class ImplementationFacts:
    """All implementations that were asked for, and what else is known of the flow."""

    rows: tuple[Implemented, ...]
    curves: tuple[dict[str, Any], ...]  # of `consilico sweep`, with the unit's settings
    kit: KitFacts  # that the curves are in
    tools: dict[str, str]
    yosys: dict[str, Any] | None  # two versions compared; None on a page about chosen units


def implemented(
    unit: str, settings: tuple[str, ...], kit: str, job: Job, entry: dict[str, Any] | None,
    failure: str,
) -> Implemented:  # fmt: skip
    """Make a row of what ``implement`` found, or of what is missing."""
    if entry is None:
        return Implemented(
            unit=unit, settings=settings, kit=kit, command=job.command, failure=failure,
            purpose_um2={},
        )  # fmt: skip
    found = entry["result"]
    proof = found["equivalence"]["proof"]
    inside = [item for item in list(found["area_by_module_um2"].items())[1:] if "/" not in item[0]]
    ranked = sorted(inside, key=lambda item: -item[1])
    words = [f"{name} {area:,.0f}" for name, area in ranked[:_LARGEST_MODULES]]
    if ranked[_LARGEST_MODULES:]:
        words.append(f"{len(ranked) - _LARGEST_MODULES} more")
    return Implemented(
        unit=unit,
        settings=settings,
        kit=found["pdk"],
        command=job.command,
        corner=found["corner"],
        voltage_v=found["voltage_v"],
        clock_ns=found["clock_ns"],
        source=entry["source"],
        area_um2=found["area_um2"],
        path_ns=found["path_ns"],
        meets_clock=found["meets_clock"],
        cells=found["cells"],
        power_mw=1e3 * found["power"]["total_w"],
        operation=found["operation"],
        energy_per_operation_pj=found["energy_per_operation_pj"],
        modules_kept_um2=found["area_of_modules_kept_um2"],
        purpose_um2={name: found["area_by_purpose_um2"].get(name, 0.0) for name in PURPOSES},
        largest_modules=", ".join(words),
        results_compared=found["equivalence"]["results_compared"],
        mismatches=found["gate_level"]["mismatches"],
        proof="" if proof is None else proof["verdict"],
        proved_points=0 if proof is None else proof["proved_points"],
        unproved_points=0 if proof is None else proof["unproved_points"],
    )


def sweep_unit(name: str, settings: tuple[str, ...], kit: str) -> dict[str, Any]:
    """Sweep one unit over clocks, and look for its fastest."""
    from consilico.sim.silicon.kits.kit import find_kit
    from consilico.sim.silicon.synthesis.sweep import sweep
    from consilico.sim.units.catalogue import configure, find_unit, verilog

    unit = find_unit(name)
    config = configure(unit, list(settings))
    found = sweep(
        verilog(unit, config), unit.module_name, find_kit(kit), _CLOCKS_NS,
        resolution=_RESOLUTION, workers=1,
    )  # fmt: skip
    return {"unit": name, "settings": list(settings), **plain_json(found)}
