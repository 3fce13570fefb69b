"""Define ``consilico implement``: synthesis, timing and power of a unit, or of anyone's RTL."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consilico import api
from consilico.commands.output import (
    JsonOption,
    OptionalUnitArgument,
    PlotOption,
    SetOption,
    emit,
    folder_name,
    print_table,
    working,
)
from consilico.commands.rtl import (
    DefineOption,
    GoldenOption,
    IncludeOption,
    MapOption,
    ParameterOption,
    RoleOption,
    RtlOption,
    TopOption,
    settings_of,
    show_front_ends,
    unit_asked_for,
)
from consilico.sim.base.errors import CheckFailed, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consilico.sim.silicon.implementation import (
        EquivalenceCheck,
        Implementation,
        Rung,
        TrafficActivity,
    )
    from consilico.sim.silicon.layout.limits import OverLimit

__all__ = ["implement", "show_ladder"]


def implement(
    settings: SetOption,
    unit: OptionalUnitArgument = None,
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
    clock_ns: Annotated[
        float | None,
        typer.Option(help="Clock period in ns.", show_default="that of --sdc, or 4.0"),
    ] = None,
    sdc: Annotated[
        Path | None,
        typer.Option(help="SDC file with your own constraints; times in the kit's unit."),
    ] = None,
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
    rung: Annotated[
        str | None,
        typer.Option(
            help="How far to go: cells (the quick one), wires (placed and connected), clock (with"
            " its tree), or layout (with glitches).",
            show_default="layout, or cells if the kit knows no wires",
        ),
    ] = None,
    utilization: Annotated[
        float | None,
        typer.Option(
            help="With a layout: area of the cells over that of the core.", show_default="0.7"
        ),
    ] = None,
    aspect: Annotated[
        float | None,
        typer.Option(help="With a layout: height over width of the core.", show_default="1"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="With a layout: of the placement.", show_default="1")
    ] = None,
    placed: Annotated[
        Path | None,
        typer.Option(
            "--def",
            help="With a layout: DEF file with a placement made elsewhere, instead of ours.",
        ),
    ] = None,
    check_with: Annotated[
        str | None,
        typer.Option(
            metavar="openroad",
            help="With a layout: route it with the OpenROAD on PATH, too, and show the difference.",
        ),
    ] = None,
    rtl: RtlOption = None,
    top: TopOption = None,
    role: RoleOption = None,
    mapping: MapOption = None,
    golden: GoldenOption = None,
    include: IncludeOption = None,
    define: DefineOption = None,
    parameter: ParameterOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER",
            parser=folder_name,
            help="Write netlist, constraints, wires, placement, activity and metrics for other"
            " tools.",
        ),
    ] = None,
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Measure area, timing and power of a unit or anyone's RTL; status 1 if it misses the clock."""
    from consilico.sim.units.catalogue import configure

    if pdk and liberty:
        raise UserError("--pdk and --liberty exclude each other; a kit has its Liberty files")
    name = unit_asked_for(unit, rtl, top, role)
    if not rtl and (mapping or golden or include or define or parameter):
        raise UserError(
            "--map, --golden, --include, --define and --param are for --rtl, not for units"
        )
    found = api.unit(name)
    config = configure(found, settings)
    defines, parameters = settings_of(define, parameter)
    kit = pdk or "nangate45"
    options = {"utilization": utilization, "aspect": aspect, "seed": seed}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if given and placed:
        raise UserError(f"--{next(iter(given))} is for a placement of ours, not for --def {placed}")
    from consilico.sim.silicon.layout.place import PlacementOptions

    placement = PlacementOptions(**given) if given else None
    with working() as progress:
        if rtl:
            result = api.implement_rtl(
                rtl, str(top), found, config, mapping=mapping, golden=golden,
                include=include or (),
                defines=defines, parameters=parameters, pdk=kit, liberty=liberty or (),
                clock_ns=clock_ns, traffic=traffic, prove=prove, rung=rung, placement=placement,
                placed=placed, check_with=check_with, sdc=sdc, output=output, progress=progress,
            )  # fmt: skip
        else:
            result = api.implement(
                found, config, pdk=kit, liberty=liberty or (), clock_ns=clock_ns,
                traffic=traffic, prove=prove, rung=rung, placement=placement,
                placed=placed, check_with=check_with, sdc=sdc, output=output, progress=progress,
            )  # fmt: skip
    if plot is not None:
        from consilico.reports.plots import implement_plot, save_plot

        save_plot(implement_plot(result.to_json()), plot)
    emit("implement/1", result.to_json(), json_path, lambda: _show_implementation(result))
    if not result.meets_clock:
        what = f"{top} as {found.name}" if rtl else found.name
        raise CheckFailed(
            f"{what} needs {result.path_ns:.3f} ns, the clock is {result.clock_ns:g} ns"
        )


def _show_implementation(result: "Implementation") -> None:
    from consilico.sim.silicon.implementation import rung_words

    activity = result.activity
    rows = [
        ("area", f"{result.area_um2:,.1f} um2"),
        ("cells", f"{result.cells:,}"),
        ("longest path", f"{result.path_ns:.3f} ns (clock {result.clock_ns:g} ns)"),
        *((part, f"{getattr(result.power, f'{part}_w') * 1e3:.4g} mW") for part in _PARTS),
        ("energy per result", f"{result.energy_pj:.4g} pJ"),
        ("figures up to", rung_words(result.rung)),
        ("activity", f"{activity.source}, {activity.cycles:,} cycles{_sampled(activity)}"),
    ]
    rows += [
        (f"area, {name}", f"{area:,.1f} um2 (modules kept)")
        for name, area in result.area_by_purpose_um2.items()
    ]
    rows.append(("equal to the RTL", _equivalence(result.equivalence)))
    if result.wirelength_um is not None:
        rows.append(("wires", f"{result.wirelength_um:,.0f} um, at {result.utilisation:.0%}"))
    if (tree := result.clock_tree) is not None:
        tells = f"{tree.buffers:,} buffers, {tree.insertion_delay_ns:.3f} ns, skew"
        rows.append(("clock tree", f"{tells} {tree.skew_ns:.3f} ns"))
    if result.hold is not None and result.hold.worst_slack_ns is not None:
        left = f", {result.hold.violations:,} violations" if result.hold.violations else ""
        rows.append(("hold", f"{result.hold.worst_slack_ns:+.3f} ns{left}"))
    if (router := result.router) is not None:
        tells = f"{router.detailed_route_um:,.0f} um, {router.routed_over_estimated:.3f} times ours"
        rows.append((f"routed by {router.tool}", f"{tells}, {router.drc_errors:,} errors"))
    rows += [("over a limit", _over(each)) for each in (result.over_limit or ())[:_MOST_OVER]]
    if (more := len(result.over_limit or ()) - _MOST_OVER) > 0:
        rows.append(("over a limit", f"{more} more pins (--json)"))
    what = result.unit if result.top is None else f"{result.top} as {result.unit}"
    title = f"{what} in {result.pdk}, {result.corner}"
    rows += [("note", note) for note in result.notes]
    print_table(title, ("", "measured"), rows, (1,))
    if len(result.ladder) > 1:
        show_ladder(result.ladder, "From cells to layout")
    if result.front_ends is not None:
        show_front_ends(result.front_ends.lines())


def _sampled(activity: "TrafficActivity") -> str:
    """Return what the sampling of the traffic does to the power, for people."""
    error = activity.sampling_error
    return "" if error is None else f", sampling error {error:.1%}"


def show_ladder(ladder: "Sequence[Rung]", title: str) -> None:
    """Print what each step from cells to a layout adds."""
    rows = [
        (
            rung.rung,
            f"{rung.area_um2:,.1f}",
            f"{rung.path_ns:.3f}",
            f"{rung.energy_pj:.4g}",
            f"{rung.leakage_w * 1e6:.4g}",
        )
        for rung in ladder
    ]
    columns = ("up to", "area, um2", "path, ns", "energy per result, pJ", "leakage, uW")
    print_table(title, columns, rows, (1, 2, 3, 4))


def _equivalence(found: "EquivalenceCheck") -> str:
    compared = f"{found.results_compared:,} results compared"
    if found.proof is None:
        return compared
    if found.method == "proof":
        return f"proved, {found.proof.proved_points:,} points; {compared}"
    return f"not proved ({', '.join(found.proof.unproved)}); {compared}"


_MOST_OVER = 5  # pins that are shown
_UNITS = {"capacitance_ff": "fF", "transition_ns": "ns", "fanout": "inputs"}


def _over(found: "OverLimit") -> str:
    unit = _UNITS[found.kind]
    return f"{found.pin}: {found.value:.4g} {unit}, limit {found.limit:.4g}"


_PARTS = ("internal", "switching", "leakage", "total")
