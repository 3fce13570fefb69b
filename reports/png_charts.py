"""Charts as PNG files (matplotlib), the same data as on the page."""

import io
import textwrap
from dataclasses import replace
from typing import Any

from consilico.reports.chart import COLOURS, Chart, Panel, Series

__all__ = ["png"]

_CROWDED_NAMES = 6  # on the x axis, that would touch each other
_FOOT_WIDTH = 120  # letters in a line below the figure
_CROWDED = 5  # series for which a legend finds no free place in the figure

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "#888888",
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
}


def png(chart: Chart, *, note: str = "") -> bytes:
    """The chart as a PNG file, without time stamps: equal data gives an equal file.

    Below the figure stands what kind of figure it is, and its conditions: it may be sent alone.

    Args:
        chart: What to draw.
        note: Red line above the figure, such as that the scores are synthetic.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(chart.panels)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6 if count > 1 else 7.2, 4.0), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, count, sharey=chart.share_y, squeeze=False)[0]
        for index, (panel, ax) in enumerate(zip(chart.panels, axes, strict=True)):
            _draw(panel, ax)
            if index == 0 or not chart.share_y:
                ax.set_ylabel(panel.y_label)
        said = ". ".join(filter(None, (chart.kind.capitalize(), chart.conditions)))
        lines = textwrap.wrap(said, _FOOT_WIDTH * (4 if count > 1 else 3) // 3)
        figure.supxlabel("\n".join(lines), fontsize=6.5, color="#666666")
        if note:
            figure.suptitle(note, color="#b3261e", fontsize=10, fontweight="bold")
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _draw(panel: Panel, ax: Any) -> None:
    below: dict[Any, float] = {}
    for series in panel.series:
        _mark(_broken(series), ax, below)
    if panel.x_log:
        ticks = sorted({x for series in panel.series for x in series.x})
        ax.set_xscale("log", base=4)
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
    if panel.x_ticks:
        ax.set_xticks(panel.x_ticks)
    if panel.from_zero and any(series.mark == "line" for series in panel.series):
        ax.set_ylim(bottom=0)
    if any(series.x and isinstance(series.x[0], str) for series in panel.series):
        ax.grid(visible=False, axis="x")
        ax.tick_params(axis="x", labelsize=8)
        if max(len(series.x) for series in panel.series) > _CROWDED_NAMES:
            for label in ax.get_xticklabels():
                label.set(rotation=30, ha="right", rotation_mode="anchor")
    ax.set_xlabel(panel.x_label)
    ax.set_title(panel.title, fontsize=9)
    if panel.x_names:
        ax.set_xticks(list(panel.x_names), list(panel.x_names.values()))
    if len(panel.series) > _CROWDED:  # beside the axes, in the order of the stack
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8, reverse=True)
    elif len(panel.series) > 1:
        ax.legend(loc="best", fontsize=8)


def _broken(series: Series) -> Series:
    """Names on the x axis on two lines."""
    x = [x.replace(", ", ",\n") if isinstance(x, str) else x for x in series.x]
    return replace(series, x=x)


def _mark(series: Series, ax: Any, below: dict[Any, float]) -> None:
    colour = COLOURS[series.colour]
    if series.low:
        middles = [(low + high) / 2 for low, high in zip(series.low, series.high, strict=True)]
        halves = [high - middle for high, middle in zip(series.high, middles, strict=True)]
        dark = COLOURS["e"] if series.mark == "bars" else colour  # to be seen on the bar
        ax.errorbar(series.x, middles, yerr=halves, fmt="none", ecolor=dark, capsize=4, zorder=3)
    if series.mark == "bars":
        names = bool(series.x) and isinstance(series.x[0], str)
        width = 0.65 if names or len(series.x) < 2 else series.x[1] - series.x[0]
        base = [below.get(x, 0.0) for x in series.x]
        ax.bar(series.x, series.y, width=width, bottom=base, color=colour, label=series.name)
        below |= {x: low + y for x, low, y in zip(series.x, base, series.y, strict=True)}
    elif series.mark == "limit":
        ax.plot(
            series.x, series.y, "s", markersize=10, fillstyle="none", color=colour,
            markeredgewidth=1.6, label=series.name,
        )  # fmt: skip
    elif series.mark == "points":
        ax.plot(series.x, series.y, ".", markersize=3, color=colour, label=series.name)
    else:
        style = "--" if series.dashed else "o-"
        ax.plot(series.x, series.y, style, markersize=5, color=colour, label=series.name)
