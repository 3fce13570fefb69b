"""The report's section on low-bit units: what is measured for it, and its facts."""

from collections.abc import Sequence

from consilico.reports.datapaths.facts import (
    CLOCK_NS,
    DatapathFacts,
    datapath_rows,
    projected_element,
    published_arithmetic,
)
from consilico.reports.datapaths.judgements import judge_datapaths
from consilico.reports.page.measure import implement_job, kit_facts
from consilico.reports.page.section import Chosen, ReportJob, ReportResults, Request, Section
from consilico.reports.page.traffic import (
    attention_scores,
    scores_job,
    training_operands,
    training_traffic_job,
)
from consilico.sim.silicon.implementation import Implementation
from consilico.sim.units.catalogue import find_unit

__all__ = ["SECTION"]

_KIT = "nangate45"  # that the targets are set in
_FAMILIES = ("matmul", "training")
_HEADLINE = ("matmul/dot",)  # its default configuration is implemented for the first page
# Settings that are measured, too.
_CONFIGURATIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "matmul/dot": (("w=int4",), ("x=int4", "w=int4"), ("w=uint4",)),
    "matmul/group_dot": (("output=bf16",), ("scale=int8",)),
    "matmul/systolic": (("w=int4",), ("x=int4", "w=int4"), ("dataflow=output_stationary",)),
}


def _implementations(request: Request) -> list[ReportJob]:
    units = [find_unit(chosen.name) for chosen in request.units]
    return [
        implement_job(
            Chosen(name=unit.name, settings=settings), _KIT, CLOCK_NS, source, rung="layout",
            quick=not settings and index == 0 and unit.name in _HEADLINE,
        )
        for unit in units
        if unit.family in _FAMILIES
        for settings in ((), *_CONFIGURATIONS.get(unit.name, ()))
        for index, source in enumerate(unit.measured_with)
    ]  # fmt: skip


def _jobs(request: Request, results: ReportResults) -> Sequence[ReportJob]:
    return [scores_job(), training_traffic_job(), *_implementations(request)]


def datapath_facts(request: Request, results: ReportResults) -> DatapathFacts | None:
    """Gather what is known of the low-bit units; None where nothing was measured yet."""
    found = results.all_facts(_implementations(request), Implementation)
    scores, training = attention_scores(results), training_operands(results)
    if not found or scores is None or training is None:
        return None
    rows = datapath_rows(found)
    return DatapathFacts(
        rows=rows,
        projected_element=projected_element(rows),
        defaults={
            name: find_unit(name).config().to_json()
            for name in dict.fromkeys(row.unit for row in rows)
        },
        kit=kit_facts(_KIT),
        clock_ns=CLOCK_NS,
        scores=scores,
        training=training,
        published=published_arithmetic(),
    )


SECTION = Section(
    name="datapaths",
    title="Low-bit units",
    jobs=_jobs,
    facts=datapath_facts,
    judge=judge_datapaths,
    template="datapaths/template.html.j2",
)
