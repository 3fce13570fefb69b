"""A section of the report alone, as text."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports import numbers
from reports.chart import Chart

REPORTS = Path(__file__).parents[2] / "reports"


def section_text(template: str, facts: dict[str, Any], charts: list[Chart]) -> str:
    """What a template's ``section`` says of its facts, without markup."""
    environment = Environment(
        loader=FileSystemLoader(REPORTS), undefined=StrictUndefined, autoescape=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    for name in ("count", "fixed"):
        environment.filters[name] = getattr(numbers, name)
    drawn = {chart.name: chart for chart in charts}
    html = environment.from_string(
        f'{{% import "{template}" as page %}}{{{{ page.section(facts, charts, figures) }}}}'
    ).render(facts=facts, charts=drawn, figures=dict.fromkeys(drawn, ""))
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())
