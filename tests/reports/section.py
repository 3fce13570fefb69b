"""A section of the report alone, as text."""

import re
from typing import Any

from consilico.reports.page.chart import Chart
from consilico.reports.page.render import environment


def section_text(template: str, facts: dict[str, Any], charts: list[Chart]) -> str:
    """What a template's ``section`` says of its facts, without markup."""
    drawn = {chart.name: chart for chart in charts}
    html = (
        environment()
        .from_string(
            f'{{% import "{template}" as page %}}{{{{ page.section(facts, charts, figures) }}}}'
        )
        .render(facts=facts, charts=drawn, figures=dict.fromkeys(drawn, ""))
    )
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())
