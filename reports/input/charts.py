"""Chart of the attention scores that drive the units."""

from itertools import pairwise

from consilico.reports.page.chart import Chart, Panel, Series
from consilico.reports.page.traffic import AttentionScores

__all__ = ["score_chart"]


def score_chart(traffic: AttentionScores) -> Chart:
    """Draw the histograms of the scores, as codes and in natural units."""
    edges = traffic.score_edges
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    name = "SYNTHETIC scores" if traffic.synthetic else "scores"
    both = (
        ("INT8 code", list(range(-128, 128)), traffic.histogram),
        ("score before quantization (natural units)", middles, traffic.score_histogram),
    )
    return Chart(
        name="scores",
        title="Attention scores that drive the units",
        caption=f"{traffic.source}: {traffic.scores:,} scores of {traffic.heads} heads, "
        f"{traffic.masked:,} of them masked and not shown.",
        kind="measured",
        conditions="",
        panels=[
            Panel(
                x_label=label,
                y_label="scores",
                series=[Series(name=name, colour="log2", x=x, y=list(y), mark="bars")],
            )
            for label, x, y in both
        ],
    )
