"""The page: one HTML file that needs nothing else and no network."""

import base64
import tomllib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from consilico.reports.charts import NAMES
from consilico.reports.consmax.targets import ENERGY_CLOCK_NS, beyond_together, find, representative
from consilico.reports.datapaths.facts import CLOCK_NS
from consilico.reports.memory.judgements import error_rows, fits_table, grouped_evidence
from consilico.reports.page import numbers
from consilico.reports.page.chart import Chart
from consilico.reports.page.conditions import NO_ACTIVITY, conditions
from consilico.reports.page.plotly_charts import figure
from consilico.reports.verdict import ERROR_LIMITS

__all__ = ["environment", "page"]

_PAGE = Path(__file__).parent
_HERE = _PAGE.parent


def page(
    facts: dict[str, Any], judged: dict[str, Any], charts: list[Chart], figures: dict[str, bytes]
) -> str:
    """Render the page.

    Args:
        facts: From :func:`consilico.reports.summary.summary`.
        judged: From :func:`consilico.reports.verdict.verdict`.
        charts: Interactive figures.
        figures: The same figures as PNG, by name: for print, and where scripts are off.

    Raises:
        jinja2.UndefinedError: If the template names a fact that is not there.
    """
    from plotly.offline import get_plotlyjs

    implementations = facts["implementations"]
    memory = facts["memory"]
    published = tomllib.loads((_HERE / "published.toml").read_text())
    at_energy_clock = find(implementations, clock_ns=ENERGY_CLOCK_NS)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            **facts,
            verdict=judged,
            datapath_clock_ns=CLOCK_NS,
            together=beyond_together(facts["targets"]),
            names=NAMES,
            error_limits=ERROR_LIMITS,
            implemented=_by_unit(find(at_energy_clock, source="normal")),
            powered=_by_unit(at_energy_clock),
            sweep=_by_unit(find(implementations, source="normal", lanes=1)),
            chosen={
                name: representative(implementations, name)
                for name in ("consmax/split", "consmax/log2")
            },
            config={unit["unit"]: unit["config"] for unit in facts["units"]},
            latency={unit["unit"]: unit["latency_cycles"] for unit in facts["units"]},
            certificate={entry["architecture"]: entry for entry in facts["certificates"]},
            published=published,
            memory_errors=error_rows(memory["errors"], published["memory"]["peer"]),
            memory_evidence=grouped_evidence(memory["evidence"]),
            memory_fits=fits_table(memory["fits"], memory["methods"]),
            charts={chart.name: chart for chart in charts},
            plots={chart.name: figure(chart) for chart in charts},
            figures={name: base64.b64encode(raw).decode() for name, raw in figures.items()},
            style=Markup((_PAGE / "page.css").read_text()),
            script=Markup((_PAGE / "page.js").read_text()),
            plotly=Markup(get_plotlyjs()),
        )
    )


def environment() -> Environment:
    """Jinja with the filters for numbers and the words of :mod:`conditions`."""
    made = Environment(
        loader=FileSystemLoader(_HERE),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("count", "fixed", "percent", "rate", "ratio"):
        made.filters[name] = getattr(numbers, name)
    made.globals |= {"silicon": conditions, "no_activity": NO_ACTIVITY}
    return made


def _by_unit(implementations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    order = list(NAMES)
    return sorted(
        implementations,
        key=lambda item: (-order.index(item["unit"]), item["lanes"], -item["clock_ns"]),
    )
