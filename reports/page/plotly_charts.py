"""Charts as Plotly figures: plain data for a page's script."""

from typing import Any

from consilico.reports.page.chart import (
    COLOURS,
    Chart,
    Grid,
    Panel,
    Series,
    named_parts,
    rows_of,
    top_of,
)

__all__ = ["figure"]

_GAP = 0.05  # between panels, of the width
_ROW_GAP = 0.2  # between rows of tables, of the height of a row
_GRID_ROW_PX, _BAR_PX = 20, 26
_HEIGHT_PX = 380
_BAR_WIDTH = 0.65  # of the distance between two bars with names


def figure(chart: Chart) -> dict[str, Any]:
    """Return ``data`` and ``layout`` of a chart; colours of text and grid are left to the page."""
    rows = rows_of(chart)
    count, across = len(chart.panels), len(rows[0])
    titled = count > 1 and any(panel.title for panel in chart.panels)
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "barmode": "stack",
        "bargap": 0.35 if isinstance(_first_x(chart), str) else 0,
        "height": _height(chart),
        "margin": {"l": 64, "r": 16, "t": 52 if titled else 12, "b": 56},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.09 if titled else 1.02,  # above the titles
            "yanchor": "bottom",
            "traceorder": "normal",
        },
        "showlegend": any(len(panel.series) > 1 for panel in chart.panels),
        "annotations": [],
        "shapes": [],
    }
    gap = _GAP if chart.share_y else 2.4 * _GAP
    width = (1 - gap * (across - 1)) / across
    for index, panel in enumerate(chart.panels):
        suffix = "" if index == 0 else str(index + 1)
        row, column = divmod(index, across)
        start = column * (width + gap)
        domain = [start, min(1.0, start + width)]
        top = 1 - row / len(rows)
        if panel.grid is not None:
            upright = [top - (1 - _ROW_GAP * (len(rows) > 1)) / len(rows), top]
            _add_grid(panel.grid, data, layout, (domain, upright), column, suffix)
        else:
            _add_panel(panel, data, layout, domain, index, suffix, chart.share_y)
        if panel.title and count > 1:
            layout["annotations"].append(
                {
                    "text": panel.title, "showarrow": False, "xref": "paper", "yref": "paper",
                    "x": start + width / 2, "y": top, "yanchor": "bottom", "xanchor": "center",
                }
            )  # fmt: skip
    return {"data": data, "layout": layout}


def _first_x(chart: Chart) -> Any:
    return next((s.x[0] for p in chart.panels for s in p.series if s.x), None)


def _height(chart: Chart) -> int:
    rows = [len(panel.grid.row_names) for panel in chart.panels if panel.grid is not None]
    bars = [len(s.x) for panel in chart.panels if panel.horizontal for s in panel.series]
    return max(
        _HEIGHT_PX,
        len(rows_of(chart)) * (120 + _GRID_ROW_PX * max(rows, default=0)),
        120 + _BAR_PX * max(bars, default=0),
    )


def _add_panel(
    panel: Panel,
    data: list[dict[str, Any]],
    layout: dict[str, Any],
    domain: list[float],
    index: int,
    suffix: str,
    shared: bool,
) -> None:
    layout[f"xaxis{suffix}"] = _x_axis(panel, domain, suffix)
    layout[f"yaxis{suffix}"] = _y_axis(panel, index, shared, suffix)
    for series in panel.series:
        known = any(trace.get("legendgroup") == series.name for trace in data)
        named = len(panel.series) > 1 and not known
        trace = _trace(series, suffix, panel.horizontal) | {"showlegend": named}
        if words := named_parts(panel).get(series.name):
            trace |= {"text": [words], "textposition": "inside", "insidetextanchor": "middle"}
        data.append(trace)
    for limit in panel.limits:
        colour = COLOURS["e" if limit.weak else "limit"]
        layout["shapes"].append(
            {
                "type": "line", "xref": f"x{suffix} domain", "yref": f"y{suffix}",
                "x0": 0, "x1": 1, "y0": limit.y, "y1": limit.y,
                "line": {"color": colour, "width": 1 if limit.weak else 2, "dash": "dash"},
            }
        )  # fmt: skip
        layout["annotations"].append(
            {
                "text": limit.name, "showarrow": False, "xref": f"x{suffix} domain",
                "yref": f"y{suffix}", "x": 0 if limit.weak else 1, "y": limit.y,
                "xanchor": "left" if limit.weak else "right",
                "yanchor": "top" if limit.below else "bottom", "font": {"color": colour},
            }
        )  # fmt: skip


def _add_grid(
    grid: Grid,
    data: list[dict[str, Any]],
    layout: dict[str, Any],
    domains: tuple[list[float], list[float]],
    column: int,
    suffix: str,
) -> None:
    import math

    data.append(
        {
            "type": "heatmap", "xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "showscale": False,
            "x": list(grid.column_names), "y": list(grid.row_names), "xgap": 1, "ygap": 1,
            "z": [[math.log2(size) + 1 if size else None for size in row] for row in grid.cells],
            "text": [[str(size or "-") for size in row] for row in grid.cells],
            "texttemplate": "%{text}", "hovertemplate": "%{y}, %{x}: %{text}<extra></extra>",
            "colorscale": [[0, "#e3edf6"], [1, COLOURS["a"]]], "zmin": 0,
        }
    )  # fmt: skip
    across, upright = domains
    layout[f"xaxis{suffix}"] = {"domain": across, "anchor": f"y{suffix}", "type": "category"}
    axis: dict[str, Any] = {
        "anchor": f"x{suffix}", "domain": upright, "autorange": "reversed", "type": "category",
    }  # fmt: skip
    layout[f"yaxis{suffix}"] = axis | ({"showticklabels": False} if column else {})


def _x_axis(panel: Panel, domain: list[float], suffix: str) -> dict[str, Any]:
    # long names lean to the left: leaning to the right, the last would be cut by the frame
    axis: dict[str, Any] = {
        "domain": domain, "anchor": f"y{suffix}", "autotickangles": [0, -35, -90],
    }  # fmt: skip
    if panel.horizontal:
        return axis | {"title": {"text": panel.y_label}, "rangemode": "tozero"}
    axis["title"] = {"text": panel.x_label}
    if panel.x_log:
        ticks = sorted({x for series in panel.series for x in series.x})
        axis |= {"type": "log", "tickvals": ticks, "ticktext": [str(tick) for tick in ticks]}
    if panel.x_names:
        axis |= {
            "tickvals": list(panel.x_names),
            "ticktext": [_broken(name) for name in panel.x_names.values()],
        }
    if panel.x_ticks:
        axis["tickvals"] = list(panel.x_ticks)
    return axis


def _y_axis(panel: Panel, index: int, shared: bool, suffix: str) -> dict[str, Any]:
    axis: dict[str, Any] = {"anchor": f"x{suffix}"}
    if panel.horizontal:
        return axis | {"title": {"text": panel.x_label}, "autorange": "reversed"}
    top = top_of(panel)
    if top is not None and not shared:
        axis["range"] = [0, top]
    elif top is not None:
        axis["rangemode"] = "tozero"
    if index and shared:
        return axis | {"matches": "y", "showticklabels": False}
    return axis | {"title": {"text": panel.y_label}}


def _broken(label: Any) -> Any:
    """Break a name on the x axis into lines, at its commas."""
    return label.replace(", ", "<br>") if isinstance(label, str) else label


def _trace(series: Series, suffix: str, horizontal: bool) -> dict[str, Any]:
    colour = COLOURS[series.colour]
    x = list(series.x) if horizontal else [_broken(x) for x in series.x]
    y = [float(f"{y:.6g}") for y in series.y]
    trace: dict[str, Any] = {
        "name": series.name, "legendgroup": series.name,
        "x": y if horizontal else x, "y": x if horizontal else y,
        "xaxis": f"x{suffix}", "yaxis": f"y{suffix}",
    }  # fmt: skip
    if series.low:
        trace["error_y"] = {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 5,
            "color": COLOURS["e"] if series.mark == "bars" else colour,
            "array": [h - y for h, y in zip(series.high, series.y, strict=True)],
            "arrayminus": [y - low for low, y in zip(series.low, series.y, strict=True)],
        }  # fmt: skip
    if series.labels:
        trace |= {"text": list(series.labels), "hovertemplate": "%{text}<extra></extra>"}
    if series.mark == "bars":
        if not horizontal and x and isinstance(x[0], str):  # a few bars do not fill the page
            trace["width"] = min(_BAR_WIDTH, _BAR_WIDTH / 5 * len(x))
        trace |= {"type": "bar", "marker": {"color": colour, "line": {"width": 0}}}
        return trace | ({"orientation": "h"} if horizontal else {})
    marker: dict[str, Any] = {"color": colour, "size": 4 if series.mark == "points" else 8}
    if series.mark == "limit":
        marker = {"color": colour, "size": 13, "symbol": "square-open", "line": {"width": 2}}
    mode = "markers" if series.mark != "line" else "lines" if series.dashed else "lines+markers"
    line = {"color": colour, "width": 2, "dash": "dash" if series.dashed else "solid"}
    return trace | {
        "type": "scatter", "mode": mode, "marker": marker, "line": line, "cliponaxis": False,
    }  # fmt: skip
