"""Figures on accuracy: what a normalizer does layer by layer, and to perplexity by length."""

from collections.abc import Sequence
from itertools import cycle

from consilico.reports.page.chart import Chart, Panel, Series
from consilico.sim.accuracy.facts import Accuracy, LayerError

__all__ = ["accuracy_plot", "perplexity_plot"]

_LAYER_PANELS = (
    ("weight moved", "moved", "a"),
    ("row sum off by", "row_sum_error", "b"),
    ("argmax flips", "argmax_flips", "c"),
)
_COLOURS = ("a", "b", "c", "d", "e", "f", "light a", "light b", "paper", "log2", "split")


def accuracy_plot(found: Accuracy) -> Chart:
    """Chart one answer of ``consilico accuracy``: errors of the weights, layer by layer."""

    def of_layers(quantity: str, colour: str) -> Series:
        return Series(
            name=quantity.replace("_", " "), colour=colour, mark="bars",
            x=[f"{each.layer}" for each in found.layers],
            y=[_percent(each, quantity) for each in found.layers],
        )  # fmt: skip

    words = f"{found.normaliser}, P as {found.p_format}"
    return Chart(
        name="accuracy",
        title=f"{words}: perplexity {found.perplexity:.4g} ({found.change_pct:+.3g} %)",
        caption="Distance of the weights of the values from exact softmax of a layer's scores, mean"
        f" of all heads and rows, for {words}: the share of a row's weight that lies elsewhere, the"
        " distance of its sum from 1, and rows whose greatest weight is at another key.",
        kind="measured",
        conditions=_conditions(found),
        panels=[
            Panel(
                title=title, x_label="layer", y_label="%", series=[of_layers(quantity, colour)]
            )
            for title, quantity, colour in _LAYER_PANELS
        ],
    )  # fmt: skip


Line = tuple[str, Sequence[Accuracy]]


def perplexity_plot(panels: Sequence[tuple[str, Sequence[Line]]]) -> Chart:
    """Chart how perplexity changes with the length of windows.

    Args:
        panels: Title of each, and its lines: name and findings on one text, by length.
    """
    drawn = []
    colours = cycle(_COLOURS)  # the panels share a legend
    for title, lines in panels:
        series = [
            Series(
                name=name, colour=next(colours),
                x=[each.tokens for each in found], y=[each.change_pct for each in found],
            )
            for name, found in lines
        ]  # fmt: skip
        lengths = sorted({x for each in series for x in each.x})
        drawn.append(
            Panel(
                title=title, x_label="tokens of a window", y_label="%", series=series, x_log=True,
                x_ticks=tuple(lengths),
            )
        )  # fmt: skip
    first = panels[0][1][0][1][0]
    return Chart(
        name="perplexity",
        title="By how much perplexity grows",
        caption="Perplexity of a language model with units in place of its softmax, bit for bit,"
        " above that with softmax in floating point, by the length of windows.",
        kind="measured",
        conditions=_conditions(first, with_tokens=False),
        panels=drawn,
    )


def _percent(layer: LayerError, quantity: str) -> float:
    return 100 * float(getattr(layer, quantity))


def _conditions(found: Accuracy, with_tokens: bool = True) -> str:
    windows = f" in windows of {found.tokens:,}" if with_tokens else ""
    return f"{found.model}, {found.predicted:,} tokens of {found.text}{windows}"
