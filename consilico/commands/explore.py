"""Define ``consilico explore``: the chips of a space that no other one dominates."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consilico import api
from consilico.commands.output import (
    JsonOption,
    PlotOption,
    emit,
    one_standard_output,
    print_table,
    working,
    write_text,
)

if TYPE_CHECKING:
    from consilico.sim.explore.exploration import Exploration

__all__ = ["explore"]

_UNITS = {"latency_s": ("ms", 1e3), "energy_j": ("mJ", 1e3), "area_um2": ("mm2", 1e-6)}


def explore(
    space: Annotated[
        Path,
        typer.Argument(metavar="SPACE.toml", help="Workload, values of each field, constraints."),
    ],
    objectives: Annotated[
        str, typer.Option(help="What is to be small, by commas: latency, energy, area, perplexity.")
    ] = "latency,energy,area",
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="N|dask:ADDRESS",
            help="Processes, or a Dask scheduler such as dask:tcp://host:8786.",
            show_default="as many as there are processors",
        ),
    ] = None,
    synthesize_front: Annotated[
        int,
        typer.Option(
            min=0, metavar="K", help="Implement the units of so many points of the front, too."
        ),
    ] = 0,
    csv_path: Annotated[
        str | None, typer.Option("--csv", metavar="PATH", help="Write every point as CSV.")
    ] = None,
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Find the chips of a space that are worth building, for a prompt or a token of a model."""
    one_standard_output(csv=csv_path, json=json_path)
    with working() as progress:
        found = api.explore(
            space,
            objectives=[name.strip() for name in objectives.split(",")],
            workers=int(workers) if workers and workers.isdecimal() else workers,
            synthesize_front=synthesize_front,
            progress=progress,
        )
    result = found.to_json()
    if csv_path is not None:
        write_text(csv_path, _csv(found))
    if plot is not None:
        from consilico.reports.plots import explore_plot, save_plot

        save_plot(explore_plot(result), plot)
    # not in the answer, which is the same however much was known
    known = f"{found.computed:,} figures computed, {found.from_cache:,} known before"
    emit("explore/1", result, json_path, lambda: None if csv_path == "-" else _show(result, known))


def _csv(found: "Exploration") -> str:
    rows = [item.row(found.space.varied) for item in found.points]
    text = io.StringIO()
    columns = max(rows, key=len)  # of a point with figures
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _show(result: dict[str, Any], known: str) -> None:
    counts, varied = result["counts"], result["varied"]
    workload = result["workload"]
    title = (
        f"{result['model']}, {result['phase']} at {workload['context']:,} tokens: front of"
        f" {counts['within']:,} points in {', '.join(result['objectives'])} (estimated)"
    )
    answers = result.get("perplexity")
    head = ["perplexity"] if answers else []
    columns = ("point", *varied, *(unit for unit, _ in _UNITS.values()), *head, "bound", "certain")
    print_table(
        title, columns,
        [
            (
                item["index"], *(item["settings"][name] for name in varied),
                *(_range(item[name], factor) for name, (_, factor) in _UNITS.items()),
                *([_growth(item["perplexity_ratio"])] if answers else []),
                item["bound"], "yes" if item["certain"] else "",
            )
            for item in result["front"]
        ],
        (0, *range(1 + len(varied), 4 + len(varied) + len(head))),
    )  # fmt: skip
    if result["units"]:
        _show_units(result)
    print(
        f"Points       {counts['space']:,} in the space, {counts['points']:,} meet constraints on"
        f" fields, {counts['refused']:,} of them refused, {counts['within']:,} within constraints"
        " on figures"
    )
    print(
        f"Front        {counts['candidates']:,} points may be on it, {counts['front']:,} are by"
        f" their middle figures, {counts['certain']:,} of these in any case"
    )
    if answers:
        _show_perplexities(answers)
    for item in result["rank_inversions"]:
        pairs = ", ".join(f"{won} before {lost}" for won, lost in item["examples"])
        print(
            f"Inversions   {item['objective']}, {item['before']} to {item['after']}:"
            f" {item['pairs']:,} of {item['of']:,} pairs{f', such as {pairs}' if pairs else ''}"
        )
    for item in result["refused"]:
        print(f"Refused      {item['count']:,}: {item['reason']}")
    print(f"Work         {known}")


def _show_perplexities(answers: dict[str, Any]) -> None:
    """Print what perplexities are of, and which are not known."""
    if answers["model"]:
        print(
            f"Perplexity   of {answers['model']} in windows of {answers['tokens']:,} tokens, the"
            f" greatest of {', '.join(answers['texts'])}, next to softmax in floating point"
        )
    for pair in answers["pairs"]:
        if pair["ratio"] is None:
            print(f"Not known    {pair['normaliser']} with {pair['p_format']}: {pair['note']}")


def _growth(ratio: float | None) -> str:
    from consilico.reports.page.numbers import NOT_MEASURED, signed_percent

    return NOT_MEASURED if ratio is None else signed_percent(ratio - 1)


def _show_units(result: dict[str, Any]) -> None:
    rows = [
        (
            unit["unit"], f"{unit['clock_ns']:g}", unit["rung"], f"{unit['area_um2']:,.0f}",
            _range(unit["estimated_um2"]), f"{unit['energy_pj']:.3g}",
            _range(unit["estimated_pj"]), f"{unit['path_ns']:.3f}",
            "yes" if unit["meets_clock"] else "no",
        )
        for unit in result["units"]
        if not unit["refused"]
    ]  # fmt: skip
    print_table(
        "Units of the best points, implemented",
        ("unit", "clock, ns", "rung", "um2", "estimated", "pJ per operation", "estimated",
         "path, ns", "met"),
        rows, (1, 3, 4, 5, 6, 7),
    )  # fmt: skip
    for unit in result["units"]:
        if unit["refused"]:
            print(f"Left out     {unit['unit']}: {unit['refused']}")
    seen = [item["inside"] for item in result["front"] if item["inside"]]
    words = ", ".join(f"{name} {sum(item[name] for item in seen)}" for name in seen[0])
    print(f"Synthesized  {len(seen)} points; inside the intervals of their estimates: {words}")


def _range(interval: dict[str, float], unit: float = 1.0) -> str:
    value, low, high = (interval[name] * unit for name in ("value", "low", "high"))
    if high - low < 0.005 * value:
        return f"{value:.3g}"
    return f"{value:.3g} ({low:.3g} to {high:.3g})"
