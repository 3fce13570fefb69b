"""Sections and pages of given facts, without measuring anything."""

import re
from collections.abc import Mapping
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

from consilico.reports.build import ReportAnswer, build_report
from consilico.reports.page.chart import Chart
from consilico.reports.page.render import section_html
from consilico.reports.page.section import Chosen, Request, Section
from consilico.reports.sections import SECTIONS

__all__ = ["REQUEST", "charts_of", "html_of", "section", "text_of", "words", "written"]

REQUEST = Request(
    units=(Chosen(name="consmax/log2"), Chosen(name="consmax/split")), kits=("nangate45",),
    everything=True,
)  # fmt: skip


def section(name: str) -> Section[Any]:
    """Return the section of that name."""
    return next(section for section in SECTIONS if section.name == name)


def charts_of(name: str, facts: Any) -> dict[str, Chart]:
    """Return the charts that a section draws of its facts, by name."""
    drawn = section(name).charts(facts)
    return {
        chart.name: chart
        for chart in drawn
        if any(len(s.x) for p in chart.panels for s in p.series)
    }


def html_of(name: str, facts: Any) -> str:
    """Return what a section's template makes of its facts; its charts have no images."""
    it, drawn = section(name), charts_of(name, facts)
    images = dict.fromkeys(drawn, b"")
    return section_html(it, REQUEST, facts, it.judge(facts), list(drawn.values()), images)


def text_of(name: str, facts: Any) -> str:
    """Return what a reader sees of a section."""
    return words(html_of(name, facts))


def words(html: str) -> str:
    """Return what a reader sees of HTML: without scripts, styles and tags."""
    visible = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", html)
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", visible).split()))


def written(facts: Mapping[str, Any], folder: Path) -> ReportAnswer:
    """Write the report of these facts, by section, and return what became of it."""

    def known(name: str) -> Section[Any]:
        return replace(
            section(name), jobs=lambda request, results: (),
            facts=lambda request, results: facts[name],
        )  # fmt: skip

    return build_report(folder, REQUEST, sections=[known(name) for name in facts])
