"""The report's section on ConSmax: what is measured for it, and its facts."""

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from consilico.reports.consmax.certificates import certify_all
from consilico.reports.consmax.charts import consmax_charts
from consilico.reports.consmax.error_curve import ErrorCurve, error_curve
from consilico.reports.consmax.judgements import (
    ENERGY_CLOCK_NS,
    NAMES,
    find,
    judge_consmax,
    judge_targets,
    representative,
)
from consilico.reports.consmax.width_search import width_search
from consilico.reports.page.conditions import NO_ACTIVITY, conditions
from consilico.reports.page.measure import implement_job, kit_facts, scores_job, verify_job
from consilico.reports.page.section import Chosen, Job, Request, Results, Section

__all__ = ["SECTION", "consmax_facts"]

_KIT = "nangate45"  # that the targets are set in
_ARCHITECTURES = ("consmax/log2", "consmax/split")
_PAPER = "consmax/paper"
_LANES = (1, 4, 16, 64)
_SWEEP_NS = (1.4, 1.1, 0.9)  # clocks to map for, next to the energy targets' own
_SETTINGS = {  # verified next to the default configuration
    "consmax/log2": (("output=fixed", "lanes=4"),),
    "consmax/split": (("output=fixed", "lanes=4"), ("storage=flop",), ("scores=int16", "lanes=4")),
}
_FULL = "consilico report --full"
_CERTIFY = Job(
    work=certify_all, label="error of every code of 520 heads, in exact arithmetic",
    command=_FULL, cpu_s=120, quick=False,
)  # fmt: skip
_WIDTHS = Job(
    work=width_search, label="area of all minimal widths of log2", command=_FULL, cpu_s=200,
    quick=False,
)  # fmt: skip


def _implementations() -> list[Job]:
    """List the netlists: the default ones first, as the first page shows them."""
    jobs = [
        implement_job(Chosen(name=name), _KIT, ENERGY_CLOCK_NS, "normal", cpu_s=cpu_s)
        for name, cpu_s in (("consmax/log2", 17), ("consmax/split", 14))
    ]
    jobs += [
        implement_job(
            Chosen(name=name, settings=() if lanes == 1 else (f"lanes={lanes}",)), _KIT,
            ENERGY_CLOCK_NS, source, quick=False, cpu_s=15 + 12 * lanes,
        )
        for lanes in _LANES
        for name in _ARCHITECTURES
        for source in ("normal", "model")
        if (lanes, source) != (1, "normal")
    ]  # fmt: skip
    jobs += [
        implement_job(Chosen(name=name), _KIT, clock_ns, "normal", quick=name != _PAPER, cpu_s=15)
        for name in (*_ARCHITECTURES, _PAPER)
        for clock_ns in _SWEEP_NS
    ]
    jobs.append(implement_job(Chosen(name=_PAPER), _KIT, ENERGY_CLOCK_NS, "normal", quick=False))
    return jobs


def _judged_jobs(results: Results) -> list[Job]:
    """Map 16 lanes for the clock of the netlist that area and path are judged on."""
    swept = _implementations()
    if not all(job in results for job in swept):
        return []
    found = results.values(swept)
    best = [representative(found, name) for name in _ARCHITECTURES]
    return [
        implement_job(
            Chosen(name=point["unit"], settings=("lanes=16",)), _KIT, point["clock_ns"], "normal",
            quick=False, cpu_s=200,
        )
        for point in best
        if point is not None and point["clock_ns"] != ENERGY_CLOCK_NS
    ]  # fmt: skip


def _error_curve_job(results: Results) -> list[Job]:
    """List the error curve of the language model's middle head, once its scores are there."""
    traffic = results.value(scores_job())
    if traffic is None:
        return []
    head = traffic["middle_head"]
    return [
        Job(
            work=error_curve, arguments=(head["scale"], head["log_c"]),
            label="error of the ConSmax models over all scores of one head", command=_FULL, cpu_s=5,
        )
    ]  # fmt: skip


def _jobs(request: Request, results: Results) -> Sequence[Job]:
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
        _WIDTHS,
        *_judged_jobs(results),
    ]


def consmax_facts(request: Request, results: Results) -> dict[str, Any]:
    """Gather what is known of the ConSmax units.

    Returns:
        ``swept`` (units whose netlists for all clocks are there), ``implementations`` (entries
        ``unit``, ``lanes``, ``clock_ns``, ``source``, ``result``)
        and what the template shows of them: ``implemented`` for the energy targets' clock,
        ``powered`` on each traffic, ``sweep`` of one lane; ``certificates``, ``error_curve``,
        ``widths`` and ``traffic``, each None where not measured yet; ``kit``, ``config``,
        ``latency``, ``published``.
    """
    from consilico.sim.units.catalogue import find_unit

    found = results.values([*_implementations(), *_judged_jobs(results)])
    slow = find(found, clock_ns=ENERGY_CLOCK_NS)
    traffic = results.value(scores_job())
    curve = next((results.facts(job, ErrorCurve) for job in _error_curve_job(results)), None)
    units = [find_unit(name) for name in _ARCHITECTURES]
    kit = kit_facts(_KIT)
    synthetic = traffic is not None and traffic["synthetic"]
    return {
        "kit": kit,
        "names": NAMES,
        "energy_clock_ns": ENERGY_CLOCK_NS,
        "conditions": conditions(kit, ENERGY_CLOCK_NS, "normal draw of scores, without delays"),
        "no_activity": NO_ACTIVITY,
        "implementations": found,
        "swept": [name for name in _ARCHITECTURES if _is_swept(found, name)],
        "implemented": _by_unit(find(slow, source="normal")),
        "powered": _by_unit(slow),
        "sweep": _by_unit(find(found, source="normal", lanes=1)),
        "certificates": results.value(_CERTIFY),
        "error_curve": replace(curve, head=traffic["middle_head"]["name"])
        if curve and traffic
        else None,
        "widths": results.value(_WIDTHS),
        "traffic": traffic,
        "synthetic": synthetic,
        "real_words": "synthetic scores" if synthetic else "real scores",
        "config": {unit.name: unit.config().to_json() for unit in units},
        "latency": {unit.name: unit.latency(unit.config()) for unit in units},
        "published": tomllib.loads(Path(__file__).with_name("published.toml").read_text())["paper"],
    }


def _is_swept(found: list[dict[str, Any]], name: str) -> bool:
    clocks = {item["clock_ns"] for item in find(found, unit=name, lanes=1, source="normal")}
    return clocks >= {ENERGY_CLOCK_NS, *_SWEEP_NS}


def _by_unit(implementations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    order = list(NAMES)
    return sorted(
        implementations,
        key=lambda item: (-order.index(item["unit"]), item["lanes"], -item["clock_ns"]),
    )


SECTION = Section(
    name="consmax",
    title="ConSmax",
    jobs=_jobs,
    facts=consmax_facts,
    judge=judge_consmax,
    charts=lambda facts: consmax_charts(facts, judge_targets(facts["implementations"])),
    template="consmax/template.html.j2",
)
