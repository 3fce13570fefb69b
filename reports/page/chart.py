"""A figure, free of how it is drawn: the page, image files and the command line share it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "COLOURS", "Chart", "Grid", "LimitLine", "Panel", "Series", "named_parts", "rows_of", "top_of",
]  # fmt: skip

COLOURS = {  # told apart by the colour-blind, and on white as on black
    "log2": "#2a7ab9",
    "split": "#d08a1d",
    "paper": "#8a8f98",
    "a": "#2a7ab9",
    "b": "#d08a1d",
    "c": "#5b9e6f",
    "d": "#a5679e",
    "e": "#4f5d75",
    "f": "#c9573f",
    "light a": "#9cc6e6",
    "light b": "#ecc98f",
    "light paper": "#c9ced6",
    "limit": "#e0187f",
}

_MOST_COLUMNS = 18  # of the tables next to each other
_LEAST_NAMED = 0.045  # of the y axis: a part of a bar that is lower bears no name
_HEADROOM = 1.08  # of the y axis above what is drawn, so that no marker touches the frame


@dataclass(frozen=True, kw_only=True)
class Series:
    """One set of points or bars.

    ``mark`` is ``"line"`` (with points), ``"points"``, ``"bars"`` (stacked) or ``"limit"`` (a
    hollow square around something worth notice).
    """

    name: str
    colour: str  # key of COLOURS
    x: Sequence[Any]
    y: Sequence[float]
    mark: str = "line"
    dashed: bool = False
    low: Sequence[float] = ()  # ends of error bars, one of each per point
    high: Sequence[float] = ()
    labels: Sequence[str] = ()  # what each point is; shown where a page is interactive


@dataclass(frozen=True, kw_only=True)
class LimitLine:
    """A horizontal line across a panel, with its name on it, such as the memory of a GPU.

    A ``weak`` one is the end of a margin: thinner, with its name at the left.
    """

    name: str
    y: float
    weak: bool = False
    below: bool = False  # the name is below the line


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table of whole numbers, each cell darker the larger its number; 0 is shown as "-"."""

    row_names: Sequence[str]
    column_names: Sequence[str]
    cells: Sequence[Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes with its series, or one grid."""

    x_label: str = ""
    y_label: str = ""
    series: Sequence[Series] = ()
    grid: Grid | None = None
    title: str = ""
    limits: Sequence[LimitLine] = ()
    horizontal: bool = False  # bars lie, the first on top; the x axis is then the upright one
    x_log: bool = False  # powers of four, as lanes are
    x_ticks: tuple[int, ...] = ()  # where the axis is not to choose them by itself
    x_names: dict[float, str] = field(default_factory=dict)  # text at places of the x axis
    from_zero: bool = True  # the y axis, where there are lines
    named_bars: bool = False  # each part of a stack that is high enough bears its name and size


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One figure; its panels are placed side by side and share the y axis if ``share_y``."""

    name: str  # of the image file
    title: str
    caption: str
    kind: str  # "measured", "certified", "counted" or "estimated"
    conditions: str = ""  # of `conditions.conditions`; empty where nothing is of silicon
    panels: Sequence[Panel]
    share_y: bool = False


def named_parts(panel: Panel) -> dict[str, str]:
    """Return the words on the parts of a panel's only bar: those high enough to be read."""
    least = _LEAST_NAMED * (top_of(panel) or 0.0)
    return {
        series.name: f"{series.name} {series.y[0]:.2f}"
        for series in panel.series
        if panel.named_bars and series.mark == "bars" and series.y[0] >= least
    }


def top_of(panel: Panel) -> float | None:
    """Return where the y axis of a panel ends, above every bar, marker, error bar and limit.

    Returns:
        None where the axis is to choose its ends by itself: some value is negative, nothing is
        drawn, or the panel's lines do not start from zero.
    """
    stacked: dict[Any, float] = {}
    values = [limit.y for limit in panel.limits]
    for series in panel.series:
        values += [*series.y, *series.high, *series.low]
        if series.mark == "bars":
            for x, y in zip(series.x, series.y, strict=True):
                stacked[x] = stacked.get(x, 0.0) + y
    values += stacked.values()
    lines = any(series.mark != "bars" for series in panel.series)
    if not values or min(values) < 0 or max(values) == 0 or (lines and not panel.from_zero):
        return None
    if all(series.mark == "points" for series in panel.series):
        return None
    return _HEADROOM * max(values)


def rows_of(chart: Chart) -> list[list[Panel]]:
    """Return the panels in the rows in which they are drawn: tables wrap, all else is one row."""
    grids = [panel.grid for panel in chart.panels if panel.grid is not None]
    if not grids:
        return [list(chart.panels)]
    each = max(1, _MOST_COLUMNS // max(len(grid.column_names) for grid in grids))
    rows = -(-len(chart.panels) // each)
    each = -(-len(chart.panels) // rows)  # as equal as can be
    return [list(chart.panels[start : start + each]) for start in range(0, len(chart.panels), each)]
