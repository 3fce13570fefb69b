"""The report's section on implementation: every unit in every kit that was asked for."""

from collections.abc import Sequence

from consilico.reports.implementation.charts import implementation_charts
from consilico.reports.implementation.facts import (
    ImplementationFacts,
    UnitSweep,
    implemented,
    sweep_unit,
)
from consilico.reports.implementation.judgements import judge_implementation
from consilico.reports.page.measure import implement_job, kit_facts
from consilico.reports.page.section import Chosen, ReportJob, ReportResults, Request, Section
from consilico.reports.page.traffic import traffic_jobs
from consilico.sim.silicon.implementation import Implementation
from consilico.sim.silicon.synthesis.yosys import yosys_version
from consilico.sim.silicon.synthesis.yosys_compare import comparison
from consilico.sim.silicon.timing.sta import sta_version
from consilico.sim.units.catalogue import find_unit

__all__ = ["SECTION"]

_CLOCK_NS = 2.0  # that units are mapped for
_SMALL_CELLS = 1500  # netlists up to this are swept over clocks: a netlist takes seconds


def _implementations(request: Request) -> list[tuple[Chosen, str, ReportJob]]:
    """List each unit in each kit: measured at once where units were chosen, else in full."""
    return [
        (
            unit,
            kit,
            implement_job(
                unit, kit, _CLOCK_NS, find_unit(unit.name).default_source,
                rung="cells" if request.everything else None, quick=not request.everything,
            ),
        )
        for unit in request.units
        for kit in request.kits
    ]  # fmt: skip


def _sweeps(request: Request, results: ReportResults) -> list[ReportJob]:
    """List the sweeps of units whose netlist is small, once that is known."""
    found = []
    for unit, kit, job in _implementations(request):
        it = results.facts(job, Implementation)
        if kit == request.kits[0] and it and it.cells <= _SMALL_CELLS:
            found.append(
                ReportJob(
                    work=sweep_unit, arguments=(unit.name, unit.settings, kit),
                    label=f"area of {unit.name} against clock in {kit}",
                    command=f"consilico sweep {unit.name} --pdk {kit}", cpu_s=200, quick=False,
                    unit=unit.name,
                )
            )  # fmt: skip
    return found


def _jobs(request: Request, results: ReportResults) -> Sequence[ReportJob]:
    return [
        *traffic_jobs(request),
        *(job for _, _, job in _implementations(request)),
        *_sweeps(request, results),
    ]


def section_facts(request: Request, results: ReportResults) -> ImplementationFacts:
    """Gather the implementations that are there, and what is missing."""
    rows = [
        implemented(unit, kit, job, results.facts(job, Implementation), results.failure(job))
        for unit, kit, job in _implementations(request)
    ]
    return ImplementationFacts(
        rows=tuple(rows),
        curves=tuple(results.all_facts(_sweeps(request, results), UnitSweep)),
        kit=kit_facts(request.kits[0]),
        tools={"yosys": yosys_version(), "sta": sta_version()},
        chosen=not request.everything,
        yosys=comparison() if request.everything else None,
    )


SECTION = Section(
    name="implementation",
    title="Implementation",
    jobs=_jobs,
    facts=section_facts,
    judge=judge_implementation,
    charts=implementation_charts,
    template="implementation/template.html.j2",
    always=True,
)
