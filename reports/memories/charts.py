"""Figures on buffers: flip-flops, latches and SRAM by size."""

from typing import Any

from consilico.reports.chart import Chart, Panel, Series
from consilico.reports.conditions import conditions

__all__ = ["buffer_charts"]

_COLOURS = {"flop": "a", "latch": "b", "sram": "c"}
_NAMES = {"flop": "flip-flops", "latch": "latches", "sram": "SRAM (estimated)"}
_PANELS = (
    ("area_um2", "Area", "a bit (µm²)", 1.0),
    ("read_pj", "Energy of a read", "a bit (fJ)", 1e3),
)


def buffer_charts(facts: dict[str, Any]) -> list[Chart]:
    """Area and energy of a read, each for a bit, against the number of words.

    Args:
        facts: From :func:`consilico.reports.memories.facts.buffer_facts`.
    """
    bits = facts["curve_bits"]
    panels = [
        Panel(
            title=title,
            x_label="words",
            y_label=label,
            x_log=True,
            series=[
                _series(kind, quantity, scale, bits, points)
                for kind, points in facts["curves"].items()
            ],
        )
        for quantity, title, label, scale in _PANELS
    ]
    return [
        Chart(
            name="buffers",
            caption=f"Buffers of {bits}-bit words: flip-flops and latches measured, or by formulas "
            "fitted to measured ones; SRAM by an analytical model, its bars as wide as its largest "
            "errors against published macros. Energy of a cycle with a read alone.",
            kind="estimated",
            conditions=conditions(facts, "mapped for area", facts["activity"]),
            panels=panels,
        )
    ]


def _series(
    kind: str, quantity: str, scale: float, bits: int, points: list[dict[str, Any]]
) -> Series:
    # a read moves one word, whatever the number of words
    spread = [bits if quantity == "read_pj" else bits * point["words"] for point in points]

    def bound(name: str) -> list[float]:
        return [
            scale * point[quantity][name] / over for point, over in zip(points, spread, strict=True)
        ]

    return Series(
        name=_NAMES[kind],
        colour=_COLOURS[kind],
        x=[point["words"] for point in points],
        y=bound("value"),
        low=bound("low") if kind == "sram" else [],
        high=bound("high") if kind == "sram" else [],
    )
