"""Charts of single answers, and their files: what ``--plot PATH`` of the commands draws.

A builder takes the answer of one command, as its ``--json`` writes it, and returns a
:class:`~consilico.reports.page.chart.Chart`; :func:`save_plot` writes that to a file, in the format
that the file's ending names. None of this needs the report.
"""

import html
from pathlib import Path

from consilico.reports.accelerator.charts import training_hw_plot
from consilico.reports.accuracy.charts import accuracy_plot
from consilico.reports.comparison.charts import compare_plot
from consilico.reports.estimates.charts import estimate_plot
from consilico.reports.explore.charts import explore_plot
from consilico.reports.implementation.charts import implement_plot, sweep_plot
from consilico.reports.memories.charts import buffer_plot
from consilico.reports.memory.charts import memory_plot, memory_sweep_plot
from consilico.reports.page.chart import Chart
from consilico.reports.power.charts import power_plot
from consilico.reports.scaling.charts import scale_plot
from consilico.reports.system.charts import system_plot
from consilico.sim.base.errors import UserError
from consilico.sim.base.files import write_atomic

__all__ = [
    "PLOT_ENDINGS",
    "accuracy_plot",
    "buffer_plot",
    "check_plot_path",
    "compare_plot",
    "estimate_plot",
    "explore_plot",
    "implement_plot",
    "memory_plot",
    "memory_sweep_plot",
    "power_plot",
    "save_plot",
    "scale_plot",
    "sweep_plot",
    "system_plot",
    "training_hw_plot",
]

PLOT_ENDINGS = (".png", ".svg", ".pdf", ".html")


def check_plot_path(path: Path) -> None:
    """Refuse a path whose ending names no format, before any long work is done for it.

    Raises:
        UserError: If the ending is none of :data:`PLOT_ENDINGS`; the message lists them.
    """
    if path.suffix.lower() not in PLOT_ENDINGS:
        raise UserError(
            f"--plot {path}: the ending must be one of {', '.join(PLOT_ENDINGS)},"
            f" not {path.suffix or 'missing'}"
        )


def save_plot(chart: Chart, path: Path) -> None:
    """Draw a chart and write it to a file.

    The file appears whole or not at all, and holds no time stamp: equal charts give equal files.

    Args:
        chart: What to draw.
        path: Where it goes. Its ending chooses the format: ``.png``, ``.svg`` and ``.pdf`` are
            images; ``.html`` is an interactive page that needs no network.

    Raises:
        UserError: If the ending is another, or the file cannot be written.
    """
    check_plot_path(path)
    f"{chart.title} {chart.conditions}".encode()  # else a name that is not UTF-8 is drawn
    ending = path.suffix.lower()
    if ending == ".html":
        write_atomic(path, _page(chart))
        return
    from consilico.reports.page.static_charts import image

    write_atomic(path, image(chart, kind=ending[1:]))


def _page(chart: Chart) -> str:
    """Return an HTML page with the interactive chart and its caption."""
    import json

    from plotly.offline import get_plotlyjs

    from consilico.reports.page.plotly_charts import figure

    data = json.dumps(figure(chart)).replace("</", "<\\/")
    title, caption = html.escape(chart.title), html.escape(chart.caption)
    said = html.escape(". ".join(filter(None, (chart.kind.capitalize(), chart.conditions))))
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ margin: 2rem auto; max-width: 70rem; padding: 0 1rem; font-family: sans-serif }}
p {{ color: #5c6672; font-size: 0.9rem }}</style></head>
<body><h1 style="font-size: 1.3rem">{title}</h1><div id="plot"></div>
<p>{caption} {said}.</p>
<script>{get_plotlyjs()}</script>
<script>const it = {data}; Plotly.newPlot("plot", it.data, it.layout,
{{displayModeBar: false, responsive: true}});</script></body></html>
"""
