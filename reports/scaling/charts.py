"""Figures of scaling between nodes: how far it is off, and ConSmax next to its paper."""

from collections.abc import Mapping
from typing import Any

from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import conditions
from consilico.reports.scaling.facts import (
    ConsmaxAtNode,
    ConsmaxScaling,
    PublishedConsmax,
    ScalingFacts,
)

__all__ = ["scale_plot", "scaling_charts"]

_QUANTITY_WORDS = {"area": "area", "delay": "longest path", "energy": "energy"}
_ANSWER_QUANTITIES = {  # key of an answer: words, unit, scale
    "area_um2": ("area", "µm²", 1.0),
    "delay_ns": ("delay", "ns", 1.0),
    "energy_pj": ("energy", "pJ", 1.0),
    "power_w": ("power", "mW", 1e3),
}
_ACTIVITY = "random traffic, without delays"
_UNIT_WORDS = {"consmax/paper": "paper's unit", "consmax/split": "split", "consmax/log2": "log2"}


def scaling_charts(scaling: ScalingFacts) -> list[Chart]:
    """Return the charts of the section: errors of scaling, and ConSmax next to its paper."""
    consmax = scaling.consmax
    where = "Scaled from " + conditions(
        scaling.kits[scaling.base], consmax.measured_at_ns, "normal draw of scores"
    )
    return [
        _errors(scaling),
        _consmax(consmax, "area", "Area", "area (µm²)", where),
        _consmax(
            consmax, "power", "Power, at the paper's clocks of 1 and 1.25 GHz,", "power (mW)", where
        ),
    ]


def scale_plot(answer: Mapping[str, Any]) -> Chart:
    """Chart one answer of ``consilico scale``: what was given, and what it is at the other node.

    Args:
        answer: The answer as ``--json`` writes it. The error bar next to a scaled figure is that
            which scaling our own units was seen to have.
    """
    places = [answer[end] for end in ("from", "to")]
    names = [f"{place['name']}, {place['voltage_v']:g} V" for place in places]
    panels = []
    for key, (words, unit, scale) in _ANSWER_QUANTITIES.items():
        if key not in answer:
            continue
        item, bar = answer[key], answer[key]["by_our_units"]
        series = [
            Series(
                name="given, and scaled by the tables", colour="a", mark="bars", x=names,
                y=[item["given"] * scale, item["value"] * scale],
            )
        ]  # fmt: skip
        if bar is not None:
            series.append(
                Series(
                    name="as our own units came out: median, error bar", colour="limit",
                    mark="limit", x=[names[1]], y=[bar["median"] * scale],
                    low=[bar["low"] * scale], high=[bar["high"] * scale],
                )
            )  # fmt: skip
        panels.append(Panel(title=words, x_label="", y_label=unit, series=series))
    return Chart(
        name="scale",
        title=f"From {places[0]['name']} to {places[1]['name']}",
        caption="Figures scaled to another node by tables, and the error bar of that.",
        kind="estimated",
        conditions=f"{answer['sources'][0]}",
        panels=panels,
    )


def _errors(scaling: ScalingFacts) -> Chart:
    """Chart a point for each unit, by quantity and kit."""
    places = [(row.quantity, row.pdk) for row in scaling.errors]
    labels = [f"{_QUANTITY_WORDS[quantity]}, {pdk}" for quantity, pdk in places]
    points = [
        (label, row.kits[pdk][quantity].ratio)
        for label, (quantity, pdk) in zip(labels, places, strict=True)
        for row in scaling.rows
        if pdk in row.kits
    ]
    series = [
        Series(name="as predicted", colour="paper", x=labels, y=[1.0] * len(labels), dashed=True),
        Series(
            name="a unit", colour="a", mark="points",
            x=[label for label, _ in points], y=[ratio for _, ratio in points],
        ),
        Series(
            name="median, 5 to 95 %", colour="b", mark="limit", x=labels,
            y=[row.bar.median_ratio for row in scaling.errors],
            low=[row.bar.low_ratio for row in scaling.errors],
            high=[row.bar.high_ratio for row in scaling.errors],
        ),
    ]  # fmt: skip
    return Chart(
        name="scaling_error",
        title="Scaling between nodes: measured to predicted",
        caption=f"Measured to predicted: our units, scaled from {scaling.base} by Stillmaker and"
        " Baas, and measured in other kits. 1 would be right.",
        kind="estimated",
        conditions=". ".join(
            conditions(kit, kit.clock_ns, _ACTIVITY) for kit in scaling.kits.values()
        ),
        panels=[Panel(x_label="", y_label="measured / predicted", series=series if points else [])],
    )


def _consmax(consmax: ConsmaxScaling, name: str, words: str, axis: str, where: str) -> Chart:
    """Chart one figure at the paper's nodes: published, and ours scaled."""
    published, ours = _bars(consmax)
    figure = "area_um2" if name == "area" else "power_mw"
    ends = {
        end: [
            getattr(row.area_um2, end) if name == "area" else getattr(row.energy_pj, end) * rate
            for _, row, rate in ours
        ]
        for end in ("low", "median", "high", "value")
    }
    labels = [label for label, _, _ in ours]
    places = sorted([*published, *labels], key=lambda label: -float(label.split()[0]))
    series = [
        Series(  # names all places, so that those of a node stand together
            name="published", colour="paper", mark="bars", x=places,
            y=[
                float(getattr(published[place], figure)) if place in published else 0.0
                for place in places
            ],
        ),
        Series(
            name="ours, estimated: median and error bar", colour="light a", mark="bars", x=labels,
            y=ends["median"], low=ends["low"], high=ends["high"],
        ),
        Series(
            name="ours, by the tables alone", colour="limit", mark="limit", x=labels,
            y=ends["value"],
        ),
    ]  # fmt: skip
    return Chart(
        name=f"scaling_consmax_{name}",
        title=f"ConSmax at the nodes of its paper: {name}",
        caption=f"{words} of a ConSmax element at the nodes of its paper: as published, and ours "
        "scaled there, with the error that scaling to smaller nodes was seen to have.",
        kind="estimated",
        conditions=where,
        panels=[Panel(x_label="", y_label=axis, series=series)],
    )


def _bars(
    consmax: ConsmaxScaling,
) -> tuple[dict[str, PublishedConsmax], list[tuple[str, ConsmaxAtNode, float]]]:
    """Return the paper's figures by label; ours with label and the first clock of their node."""
    ours = [row for row in consmax.ours if row.basis == "estimated"]
    nodes = {row.node_nm for row in ours}
    published = [row for row in consmax.published if row.node_nm in nodes]
    clock_ghz = {row.node_nm: row.clock_ghz for row in reversed(published)}
    return (
        {f"{row.node_nm:g} nm, {row.label}": row for row in published},
        [
            (f"{row.node_nm:g} nm, {_UNIT_WORDS[row.unit]}", row, clock_ghz[row.node_nm])
            for row in ours
        ],
    )
