"""Define ``consilico sweep``: area of a unit or of Verilog against its clock period."""

import csv
import io
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consilico import api
from consilico.commands.output import (
    JobsOption,
    JsonOption,
    OptionalUnitArgument,
    PlotOption,
    SetOption,
    emit,
    one_standard_output,
    print_table,
    working,
    write_text,
)
from consilico.commands.rtl import (
    DefineOption,
    IncludeOption,
    ParameterOption,
    RtlOption,
    TopOption,
    settings_of,
    show_front_ends,
)
from consilico.commands.silicon import show_ladder
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.sim.silicon.sweep import ClockSweep

__all__ = ["sweep"]

_CLOCKS = "4,2,1.4,1.1,0.9,0.7"
_COLUMNS = ("clock_ns", "area_um2", "path_ns", "meets_clock", "recipe")


def sweep(
    settings: SetOption,
    unit: OptionalUnitArgument = None,
    clocks: Annotated[
        str, typer.Option(help="Clock periods in ns, separated by commas.")
    ] = _CLOCKS,
    pdk: Annotated[
        str, typer.Option(metavar="KIT[:CORNER]", help="Process kit, as `pdk list` shows it.")
    ] = "nangate45",
    fastest: Annotated[
        bool,
        typer.Option(
            "--fastest/--no-fastest", help="Search for the shortest clock period that is met."
        ),
    ] = True,
    resolution: Annotated[
        float, typer.Option(help="Relative error at which the search stops.")
    ] = 0.01,
    energy: Annotated[
        bool,
        typer.Option(
            "--energy", help="Measure energy too, which takes a simulation per clock period."
        ),
    ] = False,
    rung: Annotated[
        str,
        typer.Option(
            help="How far to lay out each netlist, as in `implement`; includes --energy, and takes"
            " minutes per clock period."
        ),
    ] = "cells",
    traffic: Annotated[
        str | None,
        typer.Option(help="With --energy or --rung: as in `implement`.", show_default=False),
    ] = None,
    rtl: RtlOption = None,
    include: IncludeOption = None,
    define: DefineOption = None,
    parameter: ParameterOption = None,
    top: TopOption = None,
    clock: Annotated[
        str | None,
        typer.Option(
            help="With --rtl: its clock port.", show_default="the one that clocks its registers"
        ),
    ] = None,
    csv_path: Annotated[
        str | None, typer.Option("--csv", metavar="PATH", help="Write the points as CSV.")
    ] = None,
    jobs: JobsOption = None,
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Synthesize for several clock periods: area against speed, and the fastest clock."""
    from consilico.sim.units.catalogue import configure

    if (unit is None) == (not rtl):
        raise UserError("name a unit, or Verilog with --rtl FILE --top MODULE")
    one_standard_output(csv=csv_path, json=json_path)
    periods = _periods(clocks)
    goal = resolution if fastest else None
    if rtl:
        if top is None:
            raise UserError(f"--rtl {', '.join(map(str, rtl))} needs --top MODULE")
        if settings or energy or traffic or rung != "cells":
            raise UserError("--set, --energy, --rung and --traffic are for units, not for --rtl")
        defines, parameters = settings_of(define, parameter)
        with working() as progress:
            result = api.sweep_rtl(
                rtl, top, include=include or (), defines=defines, parameters=parameters,
                clock=clock, pdk=pdk, clocks_ns=periods, resolution=goal, jobs=jobs,
                progress=progress,
            )  # fmt: skip
    else:
        if top or include or define or parameter or clock:
            raise UserError(
                "--top, --include, --define, --param and --clock are for --rtl, not for units"
            )
        energy = energy or rung != "cells"
        if traffic and not energy:
            raise UserError("--traffic goes with --energy")
        found = api.unit(str(unit))
        config = configure(found, settings)
        with working() as progress:
            result = api.sweep(
                found, config, pdk=pdk, clocks_ns=periods, resolution=goal, energy=energy,
                rung=rung, traffic=traffic, jobs=jobs, progress=progress,
            )  # fmt: skip
    columns = [*_COLUMNS, *(["energy_pj"] if energy else [])]
    if csv_path is not None:
        write_text(csv_path, _csv(result.to_json()["points"], columns))
    if plot is not None:
        from consilico.reports.plots import save_plot, sweep_plot

        save_plot(sweep_plot(result.to_json()), plot)
    emit(
        "sweep/1", result.to_json(), json_path,
        lambda: None if csv_path == "-" else _show(result, energy),
    )  # fmt: skip


def _periods(text: str) -> list[float]:
    try:
        periods = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"--clocks must be periods in ns by commas, not {text!r}") from error
    return periods


def _csv(points: list[dict[str, Any]], columns: list[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(points)
    return text.getvalue()


def _show(result: "ClockSweep", energy: bool) -> None:
    best = {(item.path_ns, item.area_um2) for item in result.pareto}
    rows = [
        (
            f"{point.clock_ns:g}",
            f"{point.area_um2:,.1f}",
            f"{point.path_ns:.3f}",
            "yes" if point.meets_clock else "no",
            point.recipe,
            "yes" if (point.path_ns, point.area_um2) in best else "",
            *([f"{point.energy_pj:.3f}"] if point.energy_pj is not None else []),
        )
        for point in result.points
    ]
    names = ("clock, ns", "area, um2", "path, ns", "met", "recipe", "Pareto")
    title = f"{result.unit or result.top} in {result.pdk}, {result.corner}"
    print_table(title, (*names, *(["energy per result, pJ"] if energy else [])), rows, (0, 1, 2, 6))
    for point in result.points:
        if point.ladder is not None:
            show_ladder(point.ladder, f"From cells to layout, clock {point.clock_ns:g} ns")
    if result.fastest is not None:
        found = result.fastest
        print(
            f"fastest clock: {found.clock_ns:.3f} ns ({1e3 / found.clock_ns:,.0f} MHz), "
            f"{found.area_um2:,.1f} um2; {found.missed_ns:.3f} ns was missed"
        )
    if result.front_ends is not None:
        show_front_ends(result.front_ends.lines())
