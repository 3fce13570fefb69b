"""Define ``consilico accuracy``: perplexity of a model with a unit in place of its softmax."""

from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import JsonOption, PlotOption, emit, print_table, working

if TYPE_CHECKING:
    from consilico.sim.accuracy.facts import Accuracy

__all__ = ["accuracy"]

_SHOWN = 5  # layers


def accuracy(
    normaliser: Annotated[
        str,
        typer.Option(
            metavar="UNIT",
            help="UNIT or UNIT:FIELD=VALUE,... that normalizes rows of scores; exact: softmax in"
            " floating point on INT8 scores.",
        ),
    ] = "softmax",
    p_format: Annotated[
        str,
        typer.Option(
            help="Form of a normalized score: bf16, int7, uint8, uint12, 2xint7 (two slices of 7"
            " bits), int7-max or uint8-max (shares of the greatest of a row)."
        ),
    ] = "2xint7",
    tokens: Annotated[int, typer.Option(help="Tokens of a window.")] = 2048,
    text: Annotated[
        str | None,
        typer.Option(
            metavar="TITLE|PATH",
            help="A work of Shakespeare's, or a text file.",
            show_default="King Henry IV, Part 2",
        ),
    ] = None,
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Measure the perplexity of SmolLM2-135M with a unit, bit for bit, in place of its softmax."""
    with working() as progress:
        found = api.accuracy(
            normaliser, p_format=p_format, tokens=tokens, text=text, progress=progress
        )
    if plot is not None:
        from consilico.reports.plots import accuracy_plot, save_plot

        save_plot(accuracy_plot(found), plot)
    emit("accuracy/1", found.to_json(), json_path, lambda: _show(found))


def _show(found: "Accuracy") -> None:
    sums = found.row_sum
    worst = sorted(found.layers, key=lambda each: -each.moved)[:_SHOWN]
    print_table(
        "Layers that move most weight",
        ("layer", "weight moved", "row sum off by", "argmax flips", "scores saturated"),
        [
            (
                f"{each.layer}", f"{each.moved:.2%}", f"{each.row_sum_error:.4f}",
                f"{each.argmax_flips:.2%}", f"{each.saturated:.3%}",
            )
            for each in worst
        ],
        range(5),
    )  # fmt: skip
    lanes = f", {found.lanes} lanes" if found.lanes else ""
    print(
        f"Perplexity   {found.perplexity:.4g} ({found.change_pct:+.3g} %), {found.baseline:.4g}"
        " with softmax in floating point"
    )
    print(f"Normalizer   {found.normaliser}{lanes}, P as {found.p_format}")
    print(
        f"Text         {found.predicted:,} tokens of {found.text} in windows of {found.tokens:,};"
        f" {found.model}"
    )
    print(f"Row sums     {sums.least:.3f} to {sums.greatest:.3f}, {sums.mean:.4f} in the mean")
    print(
        f"Rows         {found.argmax_flips:.2%} with another greatest key, {found.empty_rows:.2%}"
        f" all 0; {found.moved:.2%} of the weight moved"
    )
