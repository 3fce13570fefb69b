"""Figures on buffers: flip-flops, latches and SRAM by size."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import attrgetter, getitem
from typing import Any

from consilico.reports.memories.facts import BufferFacts, CurvePoint
from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.conditions import conditions

__all__ = ["buffer_charts", "buffer_plot"]

_COLOURS = {"flop": "a", "latch": "b", "sram": "c"}
_NAMES = {"flop": "flip-flops", "latch": "latches", "sram": "SRAM (estimated)"}
_ANSWER_PANELS = (  # path of keys in an answer, title, axis
    (("area_um2",), "area", "µm²"),
    (("per_cycle", "read_pj"), "cycle with a read", "pJ"),
    (("per_cycle", "write_pj"), "cycle with a write", "pJ"),
    (("per_cycle", "leakage_pj"), "of each, leakage", "pJ"),
)
_PANELS = (
    ("area_um2", "Area", "µm² per bit", 1.0),
    ("per_cycle.read_write_pj", "Cycle with a read and a write", "fJ per bit", 1e3),
    ("per_cycle.leakage_pj", "Of it, leakage", "fJ per bit", 1e3),
)


def buffer_charts(facts: BufferFacts) -> list[Chart]:
    """Chart area and energy per bit against the number of words.

    The energy is that of a cycle with a read and a write, what leaks in it shown apart, too.
    """
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
            "errors against published macros. Energy of a cycle of "
            f"{facts.clock_ns:g} ns with a read and a write, divided by the bits of a word; it "
            "includes what leaks in the cycle.",
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
    for keys, title, label in _ANSWER_PANELS:
        found = [reduce(getitem, keys, item) for item in buffers]
        ends = {end: [each[end] for each in found] for end in ("value", "low", "high")}
        panels.append(
            Panel(
                title=title, x_label="", y_label=label,
                series=[
                    Series(
                        name="estimate and interval", colour="a", mark="bars",
                        x=[f"{item['kind']}, {item['basis']}" for item in buffers],
                        y=ends["value"], low=ends["low"], high=ends["high"],
                    )
                ],
            )
        )  # fmt: skip
    return Chart(
        name="buffer",
        title=f"{first['words']:,} words of {first['bits']} bits in {first['pdk']}",
        caption="What a buffer costs in flip-flops, latches or SRAM, with intervals. Energies of a "
        f"cycle of {first['per_cycle']['clock_ns']:g} ns include what leaks in it.",
        kind="estimated",
        conditions=conditions(first, "mapped for area", first["activity"]),
        panels=panels,
    )


def _series(
    kind: str, quantity: str, scale: float, bits: int, points: Sequence[CurvePoint]
) -> Series:
    # a cycle moves one word, whatever the number of words
    spread = [bits * point.words if quantity == "area_um2" else bits for point in points]

    def bound(name: str) -> list[float]:
        return [
            scale * getattr(attrgetter(quantity)(point), name) / over
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
