"""Define ``consilico compare``: units that do the same work, implemented alike, side by side."""

from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import (
    JobsOption,
    JsonOption,
    PlotOption,
    emit,
    print_table,
    working,
)
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.sim.base.interval import Interval
    from consilico.sim.comparison.facts import Comparison

__all__ = ["compare"]


def compare(
    units: Annotated[
        list[str],
        typer.Argument(
            metavar="UNIT...",
            help="Two or more, each as UNIT or UNIT:FIELD=VALUE,..., or as UNIT+FRONT with a unit"
            " in front; ratios are to the first.",
        ),
    ],
    lanes: Annotated[str, typer.Option(help="Scores per cycle, separated by commas.")] = "1",
    row: Annotated[str, typer.Option(help="Scores per row, separated by commas.")] = "256",
    buffer: Annotated[
        str,
        typer.Option(
            help="What row buffers are made of, separated by commas: none (the logic alone), sram"
            " (estimated), latch, flop."
        ),
    ] = "none,latch",
    pdk: Annotated[
        str, typer.Option(metavar="KIT[:CORNER]", help="Process kit, as `pdk list` shows it.")
    ] = "nangate45",
    clock_ns: Annotated[float, typer.Option(help="Clock period in ns.")] = 4.0,
    traffic: Annotated[
        str,
        typer.Option(help="normal: drawn rows of that length; model: rows of a language model."),
    ] = "normal",
    rung: Annotated[
        str | None,
        typer.Option(help="How far to go, as in `implement`.", show_default="the last one"),
    ] = None,
    jobs: JobsOption = None,
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Compare units that normalize attention scores: same traffic, kit, clock and rung."""
    with working() as progress:
        found = api.compare(
            *units,
            lanes=_numbers("--lanes", lanes),
            rows=_numbers("--row", row),
            buffers=[part.strip() for part in buffer.split(",")],
            pdk=pdk,
            clock_ns=clock_ns,
            traffic=traffic,
            rung=rung,
            jobs=jobs,
            progress=progress,
        )
    if plot is not None:
        from consilico.reports.plots import compare_plot, save_plot

        save_plot(compare_plot(found), plot)
    emit("compare/1", found.to_json(), json_path, lambda: _show(found))


def _numbers(option: str, text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UserError(f"{option} must be whole numbers by commas, not {text!r}")
    return list(dict.fromkeys(map(int, parts)))


def _show(found: "Comparison") -> None:
    conditions = found.conditions
    title = (
        f"in {conditions.pdk} at {conditions.clock_ns:g} ns, traffic {conditions.traffic}, rung"
        f" {conditions.rung}"
    )
    rows = [
        (
            each.unit,
            f"{each.lanes}",
            f"{each.row:,}",
            each.buffer or "-",
            f"{each.area_um2.logic:,.0f}",
            _figure(each.area_um2.buffer, ",.0f"),
            f"{each.path_ns:.2f}{'' if each.meets_clock else ' late'}",
            _figure(each.energy_pj_score, ".3g"),
            f"{each.cycles_row:,.0f}",
            "-" if each.error is None else f"{each.error.max_error:.2g}",
        )
        for each in found.rows
    ]
    columns = (
        "unit", "lanes", "row", "buffer", "logic, um2", "buffer, um2", "path, ns",
        "energy per score, pJ", "cycles per row", "largest error",
    )  # fmt: skip
    print_table(title, columns, rows, range(4, len(columns)))
    ratios = [
        (
            each.unit,
            f"{each.lanes}",
            f"{each.row:,}",
            each.buffer or "-",
            _figure(each.area, ".3g"),
            _figure(each.area_at_equal_throughput, ".3g"),
            _figure(each.energy, ".3g"),
        )
        for each in found.ratios
    ]
    headings = (
        "unit", "lanes", "row", "buffer", "area", "area at equal throughput", "energy per score",
    )  # fmt: skip
    first = found.rows[0].unit
    print_table(f"times what {first} takes", headings, ratios, range(4, len(headings)))
    if conditions.sram is not None:
        typer.echo(f"sram: {conditions.sram}")
    for left in found.left_out:
        typer.echo(f"left out: {left.unit}, {left.lanes} lanes, row {left.row}: {left.why}")


def _figure(figure: "Interval | None", form: str) -> str:
    if figure is None:
        return "-"
    if figure.is_exact:
        return f"{figure.value:{form}}"
    return f"{figure.value:{form}}\n{figure.low:{form}} to {figure.high:{form}}"
