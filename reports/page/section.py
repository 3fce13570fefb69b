"""Parts of a section of the report: requests, jobs, outcomes, judgements.

A section asks for jobs (measurements), makes facts of those that are done, judges them, draws
charts of them, and shows all this by a template that computes nothing. Sections know nothing of
each other, and the page knows nothing of what is in them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from consilico.reports.page.chart import Chart
from consilico.reports.page.numbers import NOT_MEASURED
from consilico.sim.base.facts import Facts

__all__ = [
    "Card",
    "Check",
    "Chosen",
    "Judged",
    "Outcome",
    "ReportJob",
    "ReportResults",
    "Request",
    "Section",
]

Shown = TypeVar("Shown")  # what a section shows: usually a subclass of Facts
Kind = TypeVar("Kind", bound=Facts)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A unit of the report, with the settings that differ from its default."""

    name: str
    settings: tuple[str, ...] = ()  # field=value


@dataclass(frozen=True, kw_only=True)
class Request:
    """Request for a report: what it is to be about."""

    units: tuple[Chosen, ...]
    kits: tuple[str, ...]  # as `--pdk` takes them: kit or kit:corner
    everything: bool  # the whole product: no unit was named
    full: bool = False  # measure all there is, however long it takes


@dataclass(frozen=True, kw_only=True)
class ReportJob:
    """One measurement: a call of a function of a module, with plain arguments.

    Two jobs are equal if they call the same function with the same arguments, so that sections
    that ask for the same measurement share it.
    """

    work: Callable[..., Any]  # returns what JSON can carry
    arguments: tuple[Any, ...] = ()
    label: str = field(compare=False)  # what it measures, for people
    command: str = field(compare=False)  # measures the same by itself
    cpu_s: float = field(compare=False)  # processor seconds that it usually takes
    quick: bool = field(default=True, compare=False)  # belongs to the first page
    early: bool = field(default=False, compare=False)  # others build on it, or it takes seconds
    unit: str = field(default="", compare=False)  # whose code the result depends on


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """End of a job: a value, or what went wrong in one line."""

    value: Any = None
    failure: str = ""
    mendable: bool = False  # a tool or file is missing: nothing was found to be wrong


class ReportResults:
    """Outcomes of the jobs that are done."""

    def __init__(self, outcomes: Mapping[ReportJob, Outcome] | None = None) -> None:
        self._outcomes = dict(outcomes or {})

    def add(self, job: ReportJob, outcome: Outcome) -> None:
        """Note how a job ended."""
        self._outcomes[job] = outcome

    def __contains__(self, job: ReportJob) -> bool:
        return job in self._outcomes

    def value(self, job: ReportJob) -> Any | None:
        """Return what the job measured; None if it is not done, or failed."""
        outcome = self._outcomes.get(job)
        return None if outcome is None else outcome.value

    def facts(self, job: ReportJob, kind: type[Kind]) -> Kind | None:
        """Return what the job measured as the facts that its function returned, or None."""
        value = self.value(job)
        return None if value is None else kind.from_json(value)

    def failure(self, job: ReportJob) -> str:
        """Return what went wrong, in one line; empty if nothing did, or the job is not done."""
        outcome = self._outcomes.get(job)
        return "" if outcome is None else outcome.failure

    def all_facts(self, jobs: Iterable[ReportJob], kind: type[Kind]) -> list[Kind]:
        """Return the facts of those of the jobs that are done and did not fail, in order."""
        found = (self.facts(job, kind) for job in jobs)
        return [facts for facts in found if facts is not None]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A limit, what was measured, and whether the limit is met: None where nothing was measured.

    A check that ``must`` hold and does not fails the report; a target that is missed is counted.
    """

    what: str
    limit: str
    measured: str
    met: bool | None
    must: bool = False


@dataclass(frozen=True, kw_only=True)
class Card:
    """A headline of the page."""

    label: str
    value: str
    note: str
    kind: str = "measured"
    good: bool | None = None  # None: neither good nor bad

    @property
    def badge(self) -> str:
        """Return what kind of figure the value is; empty where there is none."""
        return "" if self.value == NOT_MEASURED else self.kind


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Everything that a section judges: the only place where limits are compared.

    ``rows`` are what its template shows of it, made by the section for itself.
    """

    checks: Sequence[Check] = ()
    cards: Sequence[Card] = ()
    rows: Any = None
    warnings: Sequence[str] = ()  # lines at the top of the page, such as that input is synthetic


def _no_jobs(request: Request, results: ReportResults) -> Sequence[ReportJob]:
    return ()


def _nothing_judged(facts: Any) -> Judged:
    return Judged()


def _no_charts(facts: Any) -> Sequence[Chart]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Section(Generic[Shown]):
    """One section of the page.

    Args:
        name: Its folder, and the anchor on the page.
        title: Its heading.
        jobs: Lists what it wants to be measured. It is asked again when those are done, as what
            to measure may depend on what was found.
        facts: Gathers what the template shows from the jobs that are done; None as long as there
            is nothing to show.
        judge: Compares facts with their limits.
        charts: Draws facts; a chart without series is left out.
        template: Path of its template below ``reports/``. It sees ``facts``, ``judged`` (the
            rows), ``charts`` and ``figures`` by name, and ``request``.
        always: Whether it belongs to a page about chosen units, too.
    """

    name: str
    title: str
    jobs: Callable[[Request, ReportResults], Sequence[ReportJob]] = _no_jobs
    facts: Callable[[Request, ReportResults], Shown | None]
    judge: Callable[[Shown], Judged] = _nothing_judged
    charts: Callable[[Shown], Sequence[Chart]] = _no_charts
    template: str
    always: bool = False
