"""A figure, free of how it is drawn: the page and the PNG files share it."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["COLOURS", "Chart", "Panel", "Series"]

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
    "light paper": "#c9ced6",
    "limit": "#e0187f",
}


@dataclass(frozen=True, kw_only=True)
class Series:
    """One set of points or bars."""

    name: str
    colour: str  # key of COLOURS
    x: list[Any]
    y: list[float]
    mark: str = "line"  # "line" (with points), "points", "bars" (stacked) or "limit" (hollow)
    dashed: bool = False
    low: list[float] = field(default_factory=list)  # ends of error bars, one of each a point
    high: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes."""

    x_label: str
    y_label: str
    series: list[Series]
    title: str = ""
    x_log: bool = False  # powers of four, as lanes are
    x_ticks: tuple[int, ...] = ()  # where the axis is not to choose them by itself
    x_names: dict[float, str] = field(default_factory=dict)  # text at places of the x axis
    from_zero: bool = True  # the y axis, where there are lines


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One figure; panels stand side by side and share the y axis if ``share_y``."""

    name: str  # of the PNG file
    caption: str
    kind: str  # "measured", "certified", "counted" or "estimated"
    conditions: (
        str  # of :func:`consilico.reports.conditions.conditions`; empty where nothing is of silicon
    )
    panels: list[Panel]
    share_y: bool = False
