"""Builds the report: runs what its sections ask for, and writes the page while it grows."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from consilico.reports.page.chart import Panel
from consilico.reports.page.measure import kit_facts, known, plain_json, run_task
from consilico.reports.page.render import Figures, Part, State, Targets, page, section_html
from consilico.reports.page.section import (
    Chosen,
    Judged,
    Outcome,
    ReportJob,
    ReportResults,
    Request,
    Section,
)
from consilico.sim.base.errors import UserError
from consilico.sim.base.files import write_atomic
from consilico.sim.base.parallel import as_done, processors
from consilico.sim.base.progress import Progress, duration

__all__ = ["KIT", "ReportAnswer", "build_report", "request_of"]

KIT = "nangate45"  # if no other is asked for
_BETWEEN_WRITES_S = 10.0
_WRITING_SHARE = 0.05  # of the time, about, that pages which are written again may take


@dataclass(frozen=True, kw_only=True)
class ReportAnswer:
    """Outcome of a report: where it lies and what became of its jobs."""

    index: str  # path of the page
    passed: bool  # nothing that must hold was found to be wrong, and nothing failed
    targets: int
    targets_met: int
    targets_missed: int
    problems: tuple[str, ...]  # what failed or is wrong, a line each
    checked: int  # limits for which something was measured
    not_measured: int  # jobs that are named on the page with their commands

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return vars(self) | {"problems": list(self.problems)}


def request_of(
    units: Sequence[str] = (),
    kits: Sequence[str] = (),
    settings: Sequence[str] = (),
    *,
    full: bool = False,
) -> Request:
    """Check what is asked for.

    Args:
        units: Names of the units to report on; the whole product if empty.
        kits: Process kits, as ``--pdk`` takes them; :data:`KIT` if empty.
        settings: ``field=value``, for all of the units named.
        full: Whether to measure all there is.

    Raises:
        UserError: If a unit or kit is unknown, or a unit has no such setting.
    """
    from consilico.sim.units.catalogue import catalogue, configure, find_unit

    if settings and not units:
        raise UserError("--set is for the units that are named; name one")
    for name in units:
        configure(find_unit(name), list(settings))
    for kit in kits:
        kit_facts(kit)
    names = list(dict.fromkeys(units)) or list(catalogue())
    return Request(
        units=tuple(Chosen(name=name, settings=tuple(settings)) for name in names),
        kits=tuple(dict.fromkeys(kits)) or (KIT,),
        everything=not units,
        full=full,
    )


def build_report(
    output: Path,
    request: Request | None = None,
    *,
    sections: Sequence[Section[Any]] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ReportAnswer:
    """Measure what the request asks for, and write ``index.html``, ``report.json`` and figures.

    The page is written as soon as there is something to show, and again while it grows. A
    measurement that fails is told on the page and in the answer, and loses none of the others.

    Args:
        output: Folder, made where it is missing.
        request: What the report is about; the whole product if not given.
        sections: The sections of the page; those of the request if not given.
        workers: Measurements at a time; as many as there are processors if not given.
        progress: Called with a label, measurements done and measurements in all.

    Raises:
        UserError: If a tool is missing or the folder cannot be written; an earlier report stays.
    """
    from consilico.reports.sections import sections_of

    request = request or request_of()
    report = _Report(
        request, sections if sections is not None else sections_of(request), output, workers
    )
    for index, jobs in enumerate(report.rounds()):
        keys = [(job, report.keys[job]) for job in jobs]
        label = "report" if index == 0 else f"report, part {index + 1}"
        for place, outcome in as_done(run_task, keys, label, workers, progress):
            report.add(jobs[place], outcome)
    return report.write(finished=True)


class _Report:
    """A report in the making."""

    def __init__(
        self,
        request: Request,
        sections: Sequence[Section[Any]],
        output: Path,
        workers: int | None,
    ) -> None:
        self.request, self.sections, self.output = request, sections, output
        self.results = ReportResults()
        self.keys: dict[ReportJob, str | None] = {}
        self._tools = _tools(request)
        self._workers = workers or processors()
        self._asked: dict[ReportJob, None] = {}  # of this run, in order
        self._figures = Figures()
        self._begun = time.monotonic()
        self._written = -_BETWEEN_WRITES_S
        self._writing_s = 0.0  # of the last page

    def rounds(self) -> Iterable[list[ReportJob]]:
        """Yield jobs to run until there are no more.

        First come those that others build on or that take seconds, so that the page has something
        to show; what to measure then may depend on what was found.
        """
        while True:
            todo = self._look()
            if not todo:
                return
            early = sorted((job for job in todo if job.early), key=lambda job: job.cpu_s)
            jobs = early or sorted(todo, key=lambda job: -job.cpu_s)  # the longest first
            self._asked |= dict.fromkeys(todo)
            self.write(finished=False)
            yield jobs

    def _look(self) -> list[ReportJob]:
        """Take what is known already into the results, and return what is left to measure."""
        todo: dict[ReportJob, None] = {}
        while True:
            new = [job for job in self._jobs() if job not in self.keys]
            for job in new:
                self.keys[job], value = known(job, self._tools)
                if value is not None:
                    self.results.add(job, Outcome(value=value))
            if not new:
                break
        for job in self._jobs():
            if job not in self.results and (job.quick or self.request.full):
                todo[job] = None
        return list(todo)

    def _jobs(self) -> list[ReportJob]:
        found: dict[ReportJob, ReportJob] = {}
        for section in self.sections:
            for job in section.jobs(self.request, self.results):
                if job not in found or job.quick:  # quick for any section: quick
                    found[job] = job
        return list(found.values())

    def add(self, job: ReportJob, outcome: Outcome) -> None:
        """Note how a job ended, and write the page again if it was not just written."""
        self.results.add(job, outcome)
        between = max(_BETWEEN_WRITES_S, self._writing_s / _WRITING_SHARE)
        if time.monotonic() - self._written >= between:
            self.write(finished=False)

    def write(self, *, finished: bool) -> ReportAnswer:
        """Write the page as it is now."""
        begun = time.monotonic()
        parts = [self._part(section) for section in self.sections]
        answer = _answer(parts, self.output)
        done = [job for job in self._asked if job in self.results]
        state = State(
            passed=answer.passed,
            finished=finished,
            done=len(done),
            total=len(self._asked),
            left=self._left(done),
            written_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        html = page(self.request, parts, state)
        for part in parts:
            for name, raw in part.images.items():
                write_atomic(self.output / f"{name}.png", raw)
        write_atomic(self.output / "report.json", _document(self.request, parts, answer, state))
        write_atomic(self.output / "index.html", html)
        self._written = time.monotonic()
        self._writing_s = self._written - begun
        return answer

    def _part(self, section: Section[Any]) -> Part:
        """Gather, judge, draw and render a section; one that cannot be shown says why."""
        jobs = section.jobs(self.request, self.results)
        failures = tuple(
            (job, self.results.failure(job)) for job in jobs if self.results.failure(job)
        )
        missing = tuple(job for job in jobs if job not in self.results)
        empty = Part(
            section=section, facts=None, judged=Judged(), charts=(), failures=failures,
            missing=missing,
        )  # fmt: skip
        try:
            facts = section.facts(self.request, self.results)
            if facts is None:
                return empty
            judged = section.judge(facts)
            charts = tuple(
                chart
                for chart in section.charts(facts)
                if any(_shows(panel) for panel in chart.panels)
            )
            note = "synthetic input" if judged.warnings else ""
            images = {chart.name: self._figures.image(chart, note) for chart in charts}
            html = section_html(section, self.request, facts, judged, charts, images)
        except Exception as error:  # a mistake in one section must not lose the others
            return replace(empty, broken=f"{type(error).__name__}: {error}")
        return replace(empty, facts=facts, judged=judged, charts=charts, images=images, html=html)

    def _left(self, done: Sequence[ReportJob]) -> str:
        """Say how long the rest takes, at the pace so far if it is known."""
        rest = sum(job.cpu_s for job in self._asked if job not in self.results)
        past = sum(job.cpu_s for job in done)
        pace = (time.monotonic() - self._begun) / past if past else 1 / self._workers
        return duration(rest * pace) if rest else ""


def _tools(request: Request) -> Any:
    """Return the versions of all tools and data that results may depend on.

    Raises:
        UserError: If one that is required is missing.
    """
    from consilico.reports.doctor import examine

    checks = examine()
    for check in checks:
        if check.required and not check.usable:
            raise UserError(f"{check.name}: {check.advice}")
    kits = {name: kit_facts(name).sha256 for name in (*request.kits, KIT)}
    return [[[check.name, check.usable, check.version] for check in checks], kits]


def _shows(panel: Panel) -> bool:
    """Tell whether there is anything to see."""
    return panel.grid is not None or any(len(series.x) for series in panel.series)


def _answer(parts: Sequence[Part], output: Path) -> ReportAnswer:
    checks = [check for part in parts for check in part.judged.checks]
    wrong = [check for check in checks if check.must and check.met is False]
    failures = dict.fromkeys(item for part in parts for item in part.failures)
    problems = [f"{check.what}: {check.measured}" for check in wrong]
    problems += [f"{job.label}: {why}" for job, why in failures]
    problems += [f"{part.section.title}: {part.broken}" for part in parts if part.broken]
    targets = Targets.of(checks)
    missing = {job for part in parts for job in part.missing}
    return ReportAnswer(
        index=str((output / "index.html").absolute()),
        passed=not problems,
        targets=len(targets.all),
        targets_met=len(targets.met),
        targets_missed=len(targets.missed),
        problems=tuple(dict.fromkeys(problems)),
        checked=sum(check.met is not None for check in checks),
        not_measured=len(missing),
    )


def _document(request: Request, parts: Sequence[Part], answer: ReportAnswer, state: State) -> str:
    """Return ``report.json``: everything that the page shows, as facts and judgements."""
    document = {
        "schema": "consilico.report/1",
        "version": version("consilico"),
        "finished": state.finished,
        "written_at": state.written_at,
        **answer.to_json(),
        "request": {
            "units": [
                {"unit": unit.name, "settings": list(unit.settings)} for unit in request.units
            ],
            "kits": list(request.kits),
            "full": request.full,
        },
        "sections": {
            part.section.name: {
                "facts": _json(part.facts),
                "checks": [vars(check) for check in part.judged.checks],
                "failed": [{"what": job.label, "why": why} for job, why in part.failures],
                "not_measured": [
                    {"what": job.label, "command": job.command, "cpu_s": job.cpu_s}
                    for job in part.missing
                ],
            }
            for part in parts
        },
    }
    return json.dumps(document, indent=1) + "\n"


def _json(facts: Any) -> Any:
    """Return facts as JSON carries them, whether they are dataclasses or plain already."""
    if hasattr(facts, "to_json"):
        return plain_json(facts)
    if hasattr(facts, "__dataclass_fields__"):
        return {name: _json(getattr(facts, name)) for name in facts.__dataclass_fields__}
    if isinstance(facts, list | tuple):
        return [_json(item) for item in facts]
    if isinstance(facts, dict):
        return {name: _json(item) for name, item in facts.items()}
    return facts
