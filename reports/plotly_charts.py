"""Charts as Plotly figures: plain data for the page's script."""

from typing import Any

from consilico.reports.chart import COLOURS, Chart, Panel, Series

__all__ = ["figure"]

_GAP = 0.05  # between panels, of the width


def figure(chart: Chart) -> dict[str, Any]:
    """``data`` and ``layout`` of a chart; colours of text and grid are the page's own."""
    data: list[dict[str, Any]] = []
    titled = len(chart.panels) > 1 and any(panel.title for panel in chart.panels)
    layout: dict[str, Any] = {
        "barmode": "stack",
        "bargap": 0.35 if isinstance(_first_x(chart), str) else 0,
        "height": 380,
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
    }
    count = len(chart.panels)
    gap = _GAP if chart.share_y else 2 * _GAP
    width = (1 - gap * (count - 1)) / count
    for index, panel in enumerate(chart.panels):
        suffix = "" if index == 0 else str(index + 1)
        start = index * (width + gap)
        layout[f"xaxis{suffix}"] = _x_axis(panel, [start, min(1.0, start + width)], suffix)
        layout[f"yaxis{suffix}"] = _y_axis(panel, index, chart.share_y, suffix)
        for series in panel.series:
            known = any(trace["legendgroup"] == series.name for trace in data)
            named = len(panel.series) > 1 and not known
            data.append(_trace(series, suffix) | {"showlegend": named})
        if panel.title and count > 1:
            layout["annotations"].append(
                {
                    "text": panel.title, "showarrow": False, "xref": "paper", "yref": "paper",
                    "x": start + width / 2, "y": 1.0, "yanchor": "bottom", "xanchor": "center",
                }
            )  # fmt: skip
    return {"data": data, "layout": layout}


def _first_x(chart: Chart) -> Any:
    return next((s.x[0] for p in chart.panels for s in p.series if s.x), None)


def _x_axis(panel: Panel, domain: list[float], suffix: str) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "title": {"text": panel.x_label},
        "domain": domain,
        "anchor": f"y{suffix}",
    }
    if panel.x_log:
        ticks = sorted({x for series in panel.series for x in series.x})
        axis |= {"type": "log", "tickvals": ticks, "ticktext": [str(tick) for tick in ticks]}
    if panel.x_names:
        axis |= {"tickvals": list(panel.x_names), "ticktext": list(panel.x_names.values())}
    if panel.x_ticks:
        axis["tickvals"] = list(panel.x_ticks)
    return axis


def _y_axis(panel: Panel, index: int, shared: bool, suffix: str) -> dict[str, Any]:
    axis: dict[str, Any] = {"anchor": f"x{suffix}", "rangemode": "normal"}
    if panel.from_zero and any(series.mark == "line" for series in panel.series):
        axis["rangemode"] = "tozero"
    if index and shared:
        return axis | {"matches": "y", "showticklabels": False}
    return axis | {"title": {"text": panel.y_label}}


def _broken(label: Any) -> Any:
    return label.replace(", ", "<br>") if isinstance(label, str) else label


def _trace(series: Series, suffix: str) -> dict[str, Any]:
    colour = COLOURS[series.colour]
    trace: dict[str, Any] = {
        "name": series.name, "legendgroup": series.name, "x": [_broken(x) for x in series.x],
        "y": [float(f"{y:.6g}") for y in series.y],
        "xaxis": f"x{suffix}", "yaxis": f"y{suffix}",
    }  # fmt: skip
    if series.low:
        trace["error_y"] = {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 5,
            "color": COLOURS["e"] if series.mark == "bars" else colour,
            "array": [h - y for h, y in zip(series.high, series.y, strict=True)],
            "arrayminus": [y - low for low, y in zip(series.low, series.y, strict=True)],
        }  # fmt: skip
    if series.mark == "bars":
        return trace | {"type": "bar", "marker": {"color": colour, "line": {"width": 0}}}
    marker: dict[str, Any] = {"color": colour, "size": 4 if series.mark == "points" else 8}
    if series.mark == "limit":
        marker = {"color": colour, "size": 13, "symbol": "square-open", "line": {"width": 2}}
    mode = "markers" if series.mark != "line" else "lines" if series.dashed else "lines+markers"
    line = {"color": colour, "width": 2, "dash": "dash" if series.dashed else "solid"}
    return trace | {"type": "scatter", "mode": mode, "marker": marker, "line": line}
