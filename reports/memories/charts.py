"""Figures on buffers: flip-flops, latches and SRAM by size."""

from collections.abc import Mapping, Sequence
from typing import Any

from consilico.reports.memories.facts import BufferFacts, CurvePoint
from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import conditions

__all__ = ["buffer_charts", "buffer_plot"]

_COLOURS = {"flop": "a", "latch": "b", "sram": "c"}
_NAMES = {"flop": "flip-flops", "latch": "latches", "sram": "SRAM (estimated)"}
_ANSWER_PANELS = (  # key of an answer, title, axis, scale
    ("area_um2", "area", "µm²", 1.0),
    ("read_pj", "energy of a read", "pJ", 1.0),
    ("write_pj", "energy of a write", "pJ", 1.0),
    ("leakage_w", "leakage", "µW", 1e6),
)
_PANELS = (
    ("area_um2", "Area", "µm² per bit", 1.0),
    ("read_pj", "Energy of a read", "fJ per bit", 1e3),
)


def buffer_charts(facts: BufferFacts) -> list[Chart]:
    """Chart area and energy of a read, each per bit, against the number of words."""
    bits = facts.curve_bits
    panels = [
        Panel(
            title=title,
            x_label="words",
            y_label=label,
            x_log=True,
            series=[
                _series(kind, quantity, scale, bits, points)
                for kind, points in facts.curves.items()
            ],
        )
        for quantity, title, label, scale in _PANELS
    ]
    return [
        Chart(
            name="buffers",
            title=f"Buffers of {bits}-bit words",
            caption=f"Buffers of {bits}-bit words: flip-flops and latches measured, or by formulas "
            "fitted to measured ones; SRAM by an analytical model, its bars as wide as its largest "
            "errors against published macros. Energy of a cycle with a read alone.",
            kind="estimated",
            conditions=conditions(facts, "mapped for area", facts.activity),
            panels=panels,
        )
    ]


def buffer_plot(buffers: Sequence[Mapping[str, Any]]) -> Chart:
    """Chart the costs of a buffer of one size: a bar per kind in each panel, with its interval.

    Args:
        buffers: ``buffers`` of an answer of ``consilico buffer``, as ``--json`` writes it; or
            that one answer, where a single kind was asked for.
    """
    first = buffers[0]
    panels = []
    for key, title, label, scale in _ANSWER_PANELS:
        known = [item for item in buffers if item.get(key) is not None]
        if not known:
            continue
        ends = {end: [scale * item[key][end] for item in known] for end in ("value", "low", "high")}
        panels.append(
            Panel(
                title=title, x_label="", y_label=label,
                series=[
                    Series(
                        name="estimate and interval", colour="a", mark="bars",
                        x=[f"{item['kind']}, {item['basis']}" for item in known],
                        y=ends["value"], low=ends["low"], high=ends["high"],
                    )
                ],
            )
        )  # fmt: skip
    return Chart(
        name="buffer",
        title=f"{first['words']:,} words of {first['bits']} bits in {first['pdk']}",
        caption="What a buffer costs in flip-flops, latches or SRAM, with intervals.",
        kind="estimated",
        conditions=conditions(first, "mapped for area", first["activity"]),
        panels=panels,
    )


def _series(
    kind: str, quantity: str, scale: float, bits: int, points: Sequence[CurvePoint]
) -> Series:
    # a read moves one word, whatever the number of words
    spread = [bits if quantity == "read_pj" else bits * point.words for point in points]

    def bound(name: str) -> list[float]:
        return [
            scale * getattr(getattr(point, quantity), name) / over
            for point, over in zip(points, spread, strict=True)
        ]

    return Series(
        name=_NAMES[kind],
        colour=_COLOURS[kind],
        x=[point.words for point in points],
        y=bound("value"),
        low=bound("low") if kind == "sram" else [],
        high=bound("high") if kind == "sram" else [],
    )
