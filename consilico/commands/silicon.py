"""Define ``consilico implement``: synthesis, timing and power of a unit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import (
    JsonOption,
    PlotOption,
    SetOption,
    UnitArgument,
    emit,
    print_table,
    working,
)
from consilico.sim.base.errors import CheckFailed, UserError

if TYPE_CHECKING:
    from consilico.sim.silicon.implement import EquivalenceCheck, Implementation

__all__ = ["implement"]


def implement(
    unit: UnitArgument,
    settings: SetOption,
    pdk: Annotated[
        str | None,
        typer.Option(
            metavar="KIT[:CORNER]",
            help="Process kit, as `pdk list` shows it, or a kit file.",
            show_default="nangate45",
        ),
    ] = None,
    liberty: Annotated[
        list[Path] | None,
        typer.Option(help="Liberty file (.gz too) instead of a kit; repeatable."),
    ] = None,
    clock_ns: Annotated[float, typer.Option(help="Clock period in ns.")] = 4.0,
    traffic: Annotated[
        str | None,
        typer.Option(
            help="Input that causes the switching activity: one of the unit's sources.",
            show_default="model where the unit has it",
        ),
    ] = None,
    prove: Annotated[
        bool | None,
        typer.Option(
            "--prove/--no-prove",
            help="Prove the netlist equal to the RTL; by default only where that is quick.",
            show_default=False,
        ),
    ] = None,
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Synthesize a unit and measure area, timing and power; status 1 if it misses the clock."""
    from consilico.sim.units.catalogue import configure

    if pdk and liberty:
        raise UserError("--pdk and --liberty exclude each other; a kit has its Liberty files")
    found = api.unit(unit)
    config = configure(found, settings)
    with working() as progress:
        result = api.implement(
            found,
            config,
            pdk=pdk or "nangate45",
            liberty=liberty or (),
            clock_ns=clock_ns,
            traffic=traffic,
            prove=prove,
            progress=progress,
        )
    if plot is not None:
        from consilico.reports.plots import implement_plot, save_plot

        save_plot(implement_plot(result.to_json()), plot)
    emit("implement/1", result.to_json(), json_path, lambda: _show_implementation(result))
    if not result.meets_clock:
        raise CheckFailed(f"{found.name} needs {result.path_ns:.3f} ns, the clock is {clock_ns} ns")


def _show_implementation(result: "Implementation") -> None:
    activity = result.activity
    rows = [
        ("area", f"{result.area_um2:,.1f} um2"),
        ("cells", f"{result.cells:,}"),
        ("longest path", f"{result.path_ns:.3f} ns (clock {result.clock_ns:g} ns)"),
        *((part, f"{getattr(result.power, f'{part}_w') * 1e3:.4g} mW") for part in _PARTS),
        ("energy per result", f"{result.energy_pj:.4g} pJ"),
        ("activity", f"{activity.source}, {activity.cycles:,} cycles"),
    ]
    rows += [
        (f"area, {name}", f"{area:,.1f} um2 (modules kept)")
        for name, area in result.area_by_purpose_um2.items()
    ]
    rows.append(("equal to the RTL", _equivalence(result.equivalence)))
    title = f"{result.unit} in {result.pdk}, {result.corner}"
    rows += [("note", note) for note in result.notes]
    print_table(title, ("", "measured"), rows, (1,))


def _equivalence(found: "EquivalenceCheck") -> str:
    compared = f"{found.results_compared:,} results compared"
    if found.proof is None:
        return compared
    if found.method == "proof":
        return f"proved, {found.proof.proved_points:,} points; {compared}"
    return f"not proved ({', '.join(found.proof.unproved)}); {compared}"


_PARTS = ("internal", "switching", "leakage", "total")
