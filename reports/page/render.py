"""The page: one HTML file that needs nothing else and no network."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from consilico.reports.page import numbers
from consilico.reports.page.chart import Chart
from consilico.reports.page.conditions import NO_ACTIVITY, conditions
from consilico.reports.page.plotly_charts import figure
from consilico.reports.page.section import Check, Judged, ReportJob, Request, Section

__all__ = ["Figures", "Part", "State", "Targets", "environment", "page", "section_html"]

_PAGE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Part:
    """A section with what it has to show now."""

    section: Section[Any]
    facts: Any | None  # None: nothing to show yet
    judged: Judged
    charts: tuple[Chart, ...]
    failures: tuple[tuple[ReportJob, str], ...]  # jobs that failed, and why
    missing: tuple[ReportJob, ...]  # jobs that are not done
    html: Markup = field(default_factory=Markup)  # empty where there is nothing to show
    images: dict[str, bytes] = field(default_factory=dict)  # every chart as PNG, by name
    broken: str = ""  # why the section cannot be shown

    @property
    def missing_cpu_s(self) -> float:
        """Return the processor seconds that the jobs that are not done usually take."""
        return sum(job.cpu_s for job in self.missing)


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The targets of all sections, by what became of them."""

    all: tuple[Check, ...]
    met: tuple[Check, ...]
    missed: tuple[Check, ...]
    open: tuple[Check, ...]  # not measured yet

    @classmethod
    def of(cls, checks: Iterable[Check]) -> "Targets":
        """Return the checks that need not hold."""
        targets = tuple(check for check in checks if not check.must)
        return cls(
            all=targets,
            met=tuple(check for check in targets if check.met),
            missed=tuple(check for check in targets if check.met is False),
            open=tuple(check for check in targets if check.met is None),
        )


@dataclass(frozen=True, kw_only=True)
class State:
    """State of the report: how far it is."""

    passed: bool
    finished: bool
    done: int  # jobs of this run
    total: int
    left: str  # time that the rest takes, in words; empty if not known
    written_at: str  # ISO 8601


class Figures:
    """Images of charts; one that was drawn before is not drawn again."""

    def __init__(self) -> None:
        self._drawn: dict[str, tuple[str, bytes]] = {}  # by name: the chart, its image

    def image(self, chart: Chart, note: str) -> bytes:
        """Return the chart as PNG."""
        from consilico.reports.page.static_charts import image

        told = repr((chart, note))
        known = self._drawn.get(chart.name)
        if known is None or known[0] != told:
            self._drawn[chart.name] = known = (told, image(chart, note=note))
        return known[1]


def page(request: Request, parts: Sequence[Part], state: State) -> str:
    """Render the page.

    Args:
        request: What the report is about.
        parts: The sections in order.
        state: How far the report is.

    Raises:
        jinja2.UndefinedError: If the frame's template names what is not there.
    """
    from plotly.offline import get_plotlyjs

    made = environment()
    checks = [check for part in parts for check in part.judged.checks]
    return made.get_template("page/page.html.j2").render(
        request=request,
        state=state,
        parts=parts,
        cards=[card for part in parts for card in part.judged.cards],
        warnings=[line for part in parts for line in part.judged.warnings],
        wrong=[check for check in checks if check.must and check.met is False],
        targets=Targets.of(checks),
        incomplete=[part for part in parts if part.missing],
        failures=list(dict.fromkeys(item for part in parts for item in part.failures)),
        broken=[part for part in parts if part.broken],
        plots={chart.name: figure(chart) for part in parts for chart in part.charts},
        style=Markup((_PAGE / "page.css").read_text()),
        script=Markup((_PAGE / "page.js").read_text()),
        plotly=Markup(get_plotlyjs()),
    )


def section_html(
    section: Section[Any],
    request: Request,
    facts: Any,
    judged: Judged,
    charts: Sequence[Chart],
    images: dict[str, bytes],
) -> Markup:
    """Render one section by its template.

    Args:
        section: The section.
        request: What the report is about.
        facts: What the section gathered.
        judged: What it judged of that.
        charts: What it drew.
        images: The charts as PNG, by name: for print, and where scripts are off.

    Raises:
        jinja2.UndefinedError: If the template names a fact that is not there.
    """
    template = environment().get_template(section.template)
    return Markup(  # what comes from outside is escaped in there
        template.render(
            section=section,
            request=request,
            facts=facts,
            judged=judged.rows,
            charts={chart.name: chart for chart in charts},
            figures={name: base64.b64encode(raw).decode() for name, raw in images.items()},
        )
    )


def environment() -> Environment:
    """Return Jinja with the filters for numbers and the words of :mod:`conditions`."""
    made = Environment(
        loader=FileSystemLoader(_PAGE.parent),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in (
        "count", "duration", "fixed", "gibi", "giga", "mm2", "per_cent", "percent", "rate",
        "ratio", "signed_percent",
    ):  # fmt: skip
        made.filters[name] = getattr(numbers, name)
    made.tests["wide"] = numbers.wide
    made.globals |= {"silicon": conditions, "no_activity": NO_ACTIVITY}
    return made
