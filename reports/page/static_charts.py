"""Charts as image files (matplotlib): the same data as on the page."""

import io
import textwrap
from typing import Any

from consilico.reports.page.chart import (
    COLOURS,
    Chart,
    Grid,
    LimitLine,
    Panel,
    Series,
    named_parts,
    rows_of,
    top_of,
)

__all__ = ["image"]

_CROWDED_NAMES = 6  # on the x axis, that would touch each other
_CROWDED_LEGEND = 4  # series for which a legend finds no free place inside the axes
_LONG_NAME = 8  # letters of a table's column
_PANEL_INCHES = {1: 7.2, 2: 5.2, 3: 3.9, 4: 3.4}  # width of a panel by how many there are
_LETTERS_PER_INCH = 16.5  # of the small print below the figure
_TITLE_LETTERS_PER_INCH = 9.5

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
    "svg.hashsalt": "consilico",  # equal data gives an equal file
}
_METADATA: dict[str, dict[str, None]] = {  # what would differ from run to run
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def image(chart: Chart, *, note: str = "", kind: str = "png") -> bytes:
    """Return the chart as an image file without time stamps: equal data gives an equal file.

    Below the figure is said what kind of figure it is, and its conditions: it may be sent alone.

    Args:
        chart: What to draw.
        note: Red line above the figure, such as that the scores are synthetic.
        kind: ``"png"``, ``"svg"`` or ``"pdf"``.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = rows_of(chart)
    with mpl.rc_context(_STYLE):
        width, height = _size(chart)
        figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        shared = chart.share_y or any(panel.grid for panel in chart.panels)
        grid = figure.subplots(len(rows), len(rows[0]), sharey=shared, squeeze=False)
        for unused in grid.flat[len(chart.panels) :]:
            unused.set_axis_off()
        axes = grid.flat[: len(chart.panels)]
        legends: list[dict[str, Any]] = []  # handle by name, of each panel
        for index, (panel, ax) in enumerate(zip(chart.panels, axes, strict=True)):
            if panel.grid is not None:
                _draw_grid(panel.grid, panel.title, ax)
                legends.append({})
                continue
            _draw(panel, ax)
            if not panel.horizontal and (index == 0 or not chart.share_y):
                ax.set_ylabel(panel.y_label)
            handles, names = ax.get_legend_handles_labels()
            legends.append(dict(zip(names, handles, strict=True)))
        if chart.share_y and (top := _shared_top(chart)) is not None:
            axes[0].set_ylim(0, top)
        _put_legends(figure, axes, legends)
        words = [chart.kind.capitalize(), chart.conditions]
        lines = textwrap.wrap(". ".join(filter(None, words)), int(_LETTERS_PER_INCH * width))
        figure.supxlabel("\n".join(lines), fontsize=6.5, color="#666666")
        title = textwrap.fill(chart.title, int(_TITLE_LETTERS_PER_INCH * width))
        title = title if not note else f"{title}\n{note}"
        figure.suptitle(
            title, fontsize=10.5, fontweight="bold", color="#b3261e" if note else "#1c2128"
        )
        file = io.BytesIO()
        figure.savefig(file, format=kind, metadata=_METADATA[kind])
    return file.getvalue()


def _size(chart: Chart) -> tuple[float, float]:
    """Width and height in inches."""
    count = len(chart.panels)
    grids = [panel.grid for panel in chart.panels if panel.grid is not None]
    if grids:
        rows = rows_of(chart)
        columns = sum(len(panel.grid.column_names) for panel in rows[0] if panel.grid)
        return 2.0 + 0.56 * columns, 0.6 + len(rows) * (0.9 + 0.24 * len(grids[0].row_names))
    bars = max(
        (len(series.x) for panel in chart.panels if panel.horizontal for series in panel.series),
        default=0,
    )
    return count * _PANEL_INCHES.get(count, 3.0), max(4.1, 1.6 + 0.28 * bars)


def _shared_top(chart: Chart) -> float | None:
    tops = [top_of(panel) for panel in chart.panels]
    return max((top for top in tops if top is not None), default=None) if None not in tops else None


def _put_legends(figure: Any, axes: Any, legends: list[dict[str, Any]]) -> None:
    """Put one legend right of all panels if they share names or it is long, else one in each."""
    names = [name for legend in legends for name in legend]
    together = {name: handle for legend in reversed(legends) for name, handle in legend.items()}
    ordered = {name: together[name] for name in dict.fromkeys(names)}
    if len(ordered) > _CROWDED_LEGEND or len(names) > len(ordered) > 1:
        figure.legend(  # in the order in which bars are stacked
            list(ordered.values())[::-1], list(ordered)[::-1], loc="outside right center",
            fontsize=8,
        )  # fmt: skip
        return
    for ax, legend in zip(axes, legends, strict=True):
        if len(legend) > 1:
            ax.legend(loc="best", fontsize=8)


def _draw_grid(grid: Grid, title: str, ax: Any) -> None:
    from matplotlib.colors import LogNorm

    largest = max((size for row in grid.cells for size in row), default=0)
    shades = [[float(size) or float("nan") for size in row] for row in grid.cells]
    ax.imshow(shades, cmap="Blues", norm=LogNorm(0.4, max(2, 2 * largest)), aspect="auto")
    for y, row in enumerate(grid.cells):
        for x, size in enumerate(row):
            dark = size > largest / 4
            colour = "white" if dark else "#222222" if size else "#b0b0b0"
            ax.text(x, y, size or "-", ha="center", va="center", fontsize=7, color=colour)
    ax.set_xticks(range(len(grid.column_names)), grid.column_names, fontsize=7)
    if max(map(len, grid.column_names)) > _LONG_NAME:  # would touch the next one
        for label in ax.get_xticklabels():
            label.set(rotation=30, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(grid.row_names)), grid.row_names, fontsize=7)
    ax.set_title(title, fontsize=9)
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for side in ax.spines.values():
        side.set_visible(False)


def _draw(panel: Panel, ax: Any) -> None:
    from matplotlib.patheffects import withStroke

    below: dict[Any, float] = {}
    for series in panel.series:
        _mark(series, ax, below, panel.horizontal)
    names = any(series.x and isinstance(series.x[0], str) for series in panel.series)
    top = top_of(panel)
    if panel.horizontal:
        ax.invert_yaxis()
        ax.grid(visible=False, axis="y")
        ax.set_xlabel(panel.y_label)
        ax.set_ylabel(panel.x_label)
        if top is not None:
            ax.set_xlim(0, top)
        _separate(ax.xaxis)
    else:
        _dress(panel, ax, names, top)
    ax.set_title(panel.title, fontsize=9)
    for name, words in named_parts(panel).items():
        (bar,) = next(bars for bars in ax.containers if bars.get_label() == name)
        ax.text(
            bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height() / 2, words,
            ha="center", va="center", fontsize=8,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip
    for limit in panel.limits:
        _draw_limit(limit, ax)


def _draw_limit(limit: LimitLine, ax: Any) -> None:
    """Draw a line across the axes with its name, readable across bars too."""
    from matplotlib.patheffects import withStroke

    colour = COLOURS["e" if limit.weak else "limit"]
    ax.axhline(limit.y, color=colour, linewidth=1.0 if limit.weak else 1.6, linestyle="--")
    ax.annotate(
        limit.name, (0.01 if limit.weak else 1, limit.y), xycoords=("axes fraction", "data"),
        xytext=(0, -3 if limit.below else 3), textcoords="offset points",
        ha="left" if limit.weak else "right", va="top" if limit.below else "bottom",
        fontsize=7 if limit.weak else 8, color=colour,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )  # fmt: skip


def _dress(panel: Panel, ax: Any, names: bool, top: float | None) -> None:
    """Scale and label the axes of upright panels."""
    if panel.x_log:
        ticks = sorted({x for series in panel.series for x in series.x})
        ax.set_xscale("log", base=4)
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
    if panel.x_ticks:
        ax.set_xticks(panel.x_ticks)
    if top is not None:
        ax.set_ylim(0, top)
    _separate(ax.yaxis)
    if names:
        ax.grid(visible=False, axis="x")
        ax.tick_params(axis="x", labelsize=8)
        ax.margins(x=0.12)
        if max(len(set(series.x)) for series in panel.series) > _CROWDED_NAMES:
            for label in ax.get_xticklabels():
                label.set(rotation=30, ha="right", rotation_mode="anchor")
    ax.set_xlabel(panel.x_label)
    if panel.x_names:
        names_there = [_broken(name) for name in panel.x_names.values()]
        ax.set_xticks(list(panel.x_names), names_there)


def _separate(axis: Any) -> None:
    """Separate the thousands of an axis that reaches them, as all numbers of the page are."""
    if max(map(abs, axis.get_view_interval())) >= 1000:
        axis.set_major_formatter(lambda value, _: f"{value:,g}")


def _broken(name: Any) -> Any:
    """Break a name on the x axis into lines, at its commas."""
    return name.replace(", ", ",\n") if isinstance(name, str) else name


def _mark(series: Series, ax: Any, below: dict[Any, float], horizontal: bool) -> None:
    colour = COLOURS[series.colour]
    x = list(series.x) if horizontal else [_broken(name) for name in series.x]
    if series.low:
        middles = [(low + high) / 2 for low, high in zip(series.low, series.high, strict=True)]
        halves = [high - middle for high, middle in zip(series.high, middles, strict=True)]
        dark = COLOURS["e"] if series.mark == "bars" else colour  # to be seen on the bar
        ax.errorbar(x, middles, yerr=halves, fmt="none", ecolor=dark, capsize=4, zorder=3)
    if series.mark == "bars":
        base = [below.get(name, 0.0) for name in x]
        if horizontal:
            ax.barh(x, series.y, height=0.65, left=base, color=colour, label=series.name)
        else:
            names = bool(x) and isinstance(x[0], str)
            width = 0.65 if names or len(x) < 2 else x[1] - x[0]
            ax.bar(x, series.y, width=width, bottom=base, color=colour, label=series.name)
        below |= {name: low + y for name, low, y in zip(x, base, series.y, strict=True)}
    elif series.mark == "limit":
        ax.plot(
            x, series.y, "s", markersize=10, fillstyle="none", color=colour, markeredgewidth=1.6,
            label=series.name, clip_on=False, zorder=4,
        )  # fmt: skip
    elif series.mark == "points":
        ax.plot(x, series.y, ".", markersize=3 if len(x) > 20 else 9, color=colour,
                label=series.name)  # fmt: skip
    else:
        style = "--" if series.dashed else "o-"
        ax.plot(x, series.y, style, markersize=5, color=colour, label=series.name)
