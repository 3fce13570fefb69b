"""Pictures of ``consilico system``: what is busy when, and where time, energy and area go."""

from typing import Any

from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import conditions

__all__ = ["system_plot"]

_ENGINES = {  # name in the answer: name in the picture, key of COLOURS
    "qk": ("arrays for scores", "a"),
    "pv": ("arrays for values", "light a"),
    "gemv": ("dot-product lanes", "c"),
    "vector": ("vector lanes", "e"),
    "dram": ("DRAM", "d"),
}
_TIMES = {"engine": "a", "fill": "light a", "normaliser": "f", "waits for DRAM": "d"}
_ONLY = ""  # name of a single bar


def system_plot(answer: dict[str, Any]) -> Chart:
    """Chart one answer of ``consilico system``: a timeline, and the breakdown of its costs.

    Args:
        answer: The answer as ``--json`` writes it.
    """
    s, latency = answer["settings"], answer["latency_s"]
    words = (
        f"{answer['model']}, {answer['phase']} at {s['context']:,} tokens, weights {s['weights']},"
        f" {s['tiles']} x {s['tile']}, {answer['normaliser']['name']}"
    )
    return Chart(
        name="system",
        title=f"{words}: {1e3 * latency['value']:.3g} ms per {answer['per']}",
        caption=f"Utilization of each engine while the operators run one after another, the time of"
        f" each, and what takes energy and area. {words}. Middle of each interval.",
        kind="estimated",
        conditions=conditions(answer["kit"], s["clock_ns"], answer["kit"]["activity"]),
        panels=[
            Panel(
                title="timeline", x_label="ms", y_label="utilization",
                series=_timeline(answer),
            ),
            Panel(title="operators", y_label="ms", series=_times(answer), horizontal=True),
            _stack("energy", "mJ", answer["energy_j"], 1e3),
            _stack("area", "mm²", answer["area_um2"], 1e-6),
        ],
    )  # fmt: skip


def _timeline(answer: dict[str, Any]) -> list[Series]:
    """Return how much of each engine is used from the begin of an operator to its end."""
    lines: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in _ENGINES}
    now = 0.0
    for operator in answer["operators"]:
        end = now + 1e3 * operator["time_s"]["value"]
        for name, (x, y) in lines.items():
            x += [now, end]
            y += [operator["utilisation"][name]] * 2
        now = end
    return [
        Series(name=_ENGINES[name][0], colour=_ENGINES[name][1], x=x, y=y)
        for name, (x, y) in lines.items()
        if any(y)
    ]


def _times(answer: dict[str, Any]) -> list[Series]:
    """Return the time of each operator by what it is spent on."""
    cycle_ms = answer["settings"]["clock_ns"] * 1e-6
    names = [operator["name"] for operator in answer["operators"]]
    parts: dict[str, list[float]] = {name: [] for name in _TIMES}
    for operator in answer["operators"]:
        exposed = operator["exposed_cycles"]
        held = exposed["normaliser"] + exposed["buffer"]
        inner = operator["cycles"]["value"] - exposed["fill"] - held
        for name, cycles in zip(
            _TIMES, (inner, exposed["fill"], held, exposed["dram"]), strict=True
        ):
            parts[name].append(cycles * cycle_ms)
    return [
        Series(name=name, colour=_TIMES[name], mark="bars", x=names, y=y)
        for name, y in parts.items()
    ]


def _stack(title: str, unit: str, parts: dict[str, Any], scale: float) -> Panel:
    """Return one bar of all parts, the largest ones named on it."""
    colours = ("a", "light a", "f", "light b", "e", "b", "c", "d", "paper")
    own = {name: part["value"] * scale for name, part in parts.items() if name != "total"}
    return Panel(
        title=title, y_label=unit, named_bars=True,
        series=[
            Series(name=name, colour=colour, mark="bars", x=[_ONLY], y=[size])
            for (name, size), colour in zip(own.items(), colours, strict=False)
        ],
    )  # fmt: skip
