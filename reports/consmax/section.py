"""The report's section on ConSmax: what is measured for it, and its facts."""

from collections.abc import Sequence
from dataclasses import replace

from consilico.reports.consmax.certificates import (
    Certificates,
    certify_defaults,
    certify_variants,
)
from consilico.reports.consmax.charts import consmax_charts
from consilico.reports.consmax.error_curve import ErrorCurve, error_curve
from consilico.reports.consmax.facts import ConsmaxFacts, ConsmaxUnit, find, published_paper
from consilico.reports.consmax.judgements import judge_consmax
from consilico.reports.consmax.limits import ENERGY_CLOCK_NS, PAPER
from consilico.reports.consmax.targets import representative
from consilico.reports.consmax.width_search import WidthSearch, width_search
from consilico.reports.page.measure import implement_job, kit_facts, verify_job
from consilico.reports.page.section import Chosen, ReportJob, ReportResults, Request, Section
from consilico.reports.page.traffic import attention_scores, scores_job
from consilico.sim.silicon.implementation import Implementation
from consilico.sim.units.catalogue import find_unit

__all__ = ["SECTION", "consmax_facts"]

_KIT = "nangate45"  # that the targets are set in
_ARCHITECTURES = ("consmax/log2", "consmax/split")
_LANES = (1, 4, 16, 64)
_LAID_OUT_LANES = 4  # up to these: a layout of 64 lanes takes an hour
_SWEEP_NS = (1.4, 1.1, 0.9)  # clocks to map for, next to the energy targets' own
_SETTINGS = {  # verified next to the default configuration
    "consmax/log2": (("output=fixed", "lanes=4"),),
    "consmax/split": (("output=fixed", "lanes=4"), ("storage=flop",), ("scores=int16", "lanes=4")),
}
_FULL = "consilico report --full"
_CERTIFY = ReportJob(
    work=certify_defaults, label="error of every code of 520 heads, in exact arithmetic",
    command="consilico report", cpu_s=12,
)  # fmt: skip
_CERTIFY_VARIANTS = ReportJob(
    work=certify_variants, label="error of the paper's unit, on a model's heads and INT16 scores",
    command=_FULL, cpu_s=12, quick=False,
)  # fmt: skip
_WIDTHS = ReportJob(
    work=width_search, label="area of all minimal widths of log2", command=_FULL, cpu_s=200,
    quick=False,
)  # fmt: skip


def _implementations() -> list[ReportJob]:
    """List the netlists: the default ones first, as the first page shows them."""
    jobs = [
        implement_job(
            Chosen(name=name), _KIT, ENERGY_CLOCK_NS, "normal", rung="layout", cpu_s=cpu_s
        )
        for name, cpu_s in (("consmax/log2", 35), ("consmax/split", 60))
    ]
    jobs += [
        implement_job(
            Chosen(name=name, settings=() if lanes == 1 else (f"lanes={lanes}",)), _KIT,
            ENERGY_CLOCK_NS, source, rung=_rung(lanes), quick=False, cpu_s=15 + 12 * lanes,
        )
        for lanes in _LANES
        for name in _ARCHITECTURES
        for source in ("normal", "model")
        if (lanes, source) != (1, "normal")
    ]  # fmt: skip
    jobs += [
        implement_job(
            Chosen(name=name),
            _KIT,
            clock_ns,
            "normal",
            rung="layout",
            quick=False,
            cpu_s=60,
        )
        for name in (*_ARCHITECTURES, PAPER)
        for clock_ns in _SWEEP_NS
    ]
    jobs.append(
        implement_job(
            Chosen(name=PAPER), _KIT, ENERGY_CLOCK_NS, "normal", rung="layout", quick=False
        )
    )
    return jobs


def _rung(lanes: int) -> str:
    """Return how far a netlist of some lanes is taken: what lanes share does not ask for more."""
    return "layout" if lanes <= _LAID_OUT_LANES else "cells"


def _judged_jobs(results: ReportResults) -> list[ReportJob]:
    """Map 16 lanes for the clock of the netlist that area and path are judged on."""
    swept = _implementations()
    if not all(job in results for job in swept):
        return []
    found = results.all_facts(swept, Implementation)
    best = [representative(found, name) for name in _ARCHITECTURES]
    return [
        implement_job(
            Chosen(name=point.unit, settings=("lanes=16",)), _KIT, point.clock_ns, "normal",
            quick=False, cpu_s=200,
        )
        for point in best
        if point is not None and point.clock_ns != ENERGY_CLOCK_NS
    ]  # fmt: skip


def _error_curve_job(results: ReportResults) -> list[ReportJob]:
    """List the error curve of the language model's middle head, once its scores are there."""
    scores = attention_scores(results)
    if scores is None:
        return []
    head = scores.middle_head
    return [
        ReportJob(
            work=error_curve, arguments=(head.scale, head.log_c),
            label="error of the ConSmax models over all scores of one head", command=_FULL, cpu_s=5,
        )
    ]  # fmt: skip


def _jobs(request: Request, results: ReportResults) -> Sequence[ReportJob]:
    settings = [
        verify_job(Chosen(name=name, settings=found), quick=False)
        for name, every in _SETTINGS.items()
        for found in every
    ]
    return [
        scores_job(),
        *_error_curve_job(results),
        *_implementations(),
        *settings,
        _CERTIFY,
        _CERTIFY_VARIANTS,
        _WIDTHS,
        *_judged_jobs(results),
    ]


def consmax_facts(request: Request, results: ReportResults) -> ConsmaxFacts:
    """Gather what is known of the ConSmax units."""
    netlists = results.all_facts([*_implementations(), *_judged_jobs(results)], Implementation)
    scores = attention_scores(results)
    curve = next((results.facts(job, ErrorCurve) for job in _error_curve_job(results)), None)
    certificates = results.all_facts([_CERTIFY, _CERTIFY_VARIANTS], Certificates)
    widths = results.facts(_WIDTHS, WidthSearch)
    units = [find_unit(name) for name in _ARCHITECTURES]
    return ConsmaxFacts(
        kit=kit_facts(_KIT),
        units={
            unit.name: ConsmaxUnit(
                config=unit.config().to_json(), latency_cycles=unit.latency(unit.config())
            )
            for unit in units
        },
        netlists=tuple(netlists),
        swept=tuple(name for name in _ARCHITECTURES if _is_swept(netlists, name)),
        certificates=tuple(row for found in certificates for row in found.rows),
        error_curve=replace(curve, head=scores.middle_head.name) if curve and scores else None,
        widths=widths.rows if widths else (),
        scores=scores,
        published=published_paper(),
    )


def _is_swept(netlists: Sequence[Implementation], name: str) -> bool:
    clocks = {it.clock_ns for it in find(netlists, unit=name, lanes=1, source="normal")}
    return clocks >= {ENERGY_CLOCK_NS, *_SWEEP_NS}


SECTION = Section(
    name="consmax",
    title="ConSmax",
    jobs=_jobs,
    facts=consmax_facts,
    judge=judge_consmax,
    charts=consmax_charts,
    template="consmax/template.html.j2",
)
