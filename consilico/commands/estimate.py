"""Define ``consilico estimate``: area, path and energy without synthesis."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from consilico import api
from consilico.commands.output import (
    RUNG_HELP,
    RUNGS,
    JsonOption,
    OptionalUnitArgument,
    PlotOption,
    SetOption,
    emit,
    print_table,
    working,
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
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.sim.estimate.operators.answers import RtlEstimate, UnitEstimate

__all__ = ["estimate"]


def estimate(
    settings: SetOption,
    operand: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=RATE[,CORRELATION]",
            help="Toggle rate of an operand's bits, and correlation of its successive signs.",
            default_factory=list,
            show_default=False,
        ),
    ],
    unit: OptionalUnitArgument = None,
    pdk: Annotated[
        str, typer.Option(help="Process kit that estimates are calibrated for.")
    ] = "nangate45",
    traffic: Annotated[
        str | None,
        typer.Option(help="Traffic whose operand statistics are taken: model, normal, ..."),
    ] = None,
    rtl: RtlOption = None,
    include: IncludeOption = None,
    define: DefineOption = None,
    parameter: ParameterOption = None,
    top: TopOption = None,
    toggle_rate: Annotated[
        float | None,
        typer.Option(
            help="With --rtl: toggles per bit and cycle, assumed everywhere; 0.5 by default."
        ),
    ] = None,
    rung: Annotated[
        str | None,
        typer.Option(help=f"Rung of the ladder: {RUNG_HELP}"),
    ] = None,
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Estimate area, longest path, energy and leakage without synthesis, with intervals."""
    if (unit is None) == (not rtl):
        raise UserError("name a unit, or Verilog with --rtl FILE --top MODULE")
    if rtl:
        names = ", ".join(map(str, rtl))
        if top is None:
            raise UserError(f"--rtl {names} needs --top MODULE")
        if settings or operand or traffic:
            raise UserError("--set, --traffic and --operand are for units, not for --rtl")
        rate = 0.5 if toggle_rate is None else toggle_rate
        defines, parameters = settings_of(define, parameter)
        with working():
            estimated: UnitEstimate | RtlEstimate = api.estimate_rtl(
                rtl, top, include=include or (), defines=defines, parameters=parameters, pdk=pdk,
                toggle_rate=rate, rung=rung,
            )  # fmt: skip
    else:
        if top or include or define or parameter or toggle_rate is not None:
            raise UserError(
                "--top, --include, --define, --param and --toggle-rate are for --rtl, not for units"
            )
        from consilico.sim.units.catalogue import configure

        found = api.unit(str(unit))
        config = configure(found, settings)
        estimated = api.estimate(
            found,
            config,
            pdk=pdk,
            traffic=traffic,
            operands=_operands(operand) or None,
            rung=rung,
        )
    result = estimated.to_json()
    if plot is not None:
        from consilico.reports.plots import estimate_plot, save_plot

        save_plot(estimate_plot(result), plot)
    emit("estimate/1", result, json_path, lambda: _show(result))


def _operands(settings: list[str]) -> dict[str, dict[str, float]]:
    given: dict[str, dict[str, float]] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        try:
            values = [float(item) for item in text.split(",")]
        except ValueError:
            values = []
        if not 1 <= len(values) <= 2:
            raise UserError(f"--operand takes NAME=RATE[,CORRELATION], not {setting!r}")
        if name in given:
            raise UserError(f"--operand {name} is given twice; accepted: once")
        keys = ("toggle_rate", "sign_correlation")
        given[name] = dict(zip(keys, values, strict=False))
    return given


_ROWS = (
    ("area_um2", "area", "um2", 1.0),
    ("core_um2", "core", "um2", 1.0),
    ("path_ns", "longest path", "ns", 1.0),
    ("energy_pj", "energy per result", "pJ", 1.0),
    ("energy_per_operation_pj", "energy per operation", "pJ", 1.0),
    ("energy_cycle_pj", "dynamic energy per cycle", "pJ", 1.0),
    ("leakage_w", "leakage", "uW", 1e6),
)


def _rung_line(result: dict[str, Any]) -> str:
    """Return what the figures are of, in one line."""
    if layout := result["layout"]:
        return f"{RUNGS['layout'].capitalize()} of {layout['designs']} layouts."
    why = {
        "no wires": f"; {result['pdk']} has no wires to lay out with",
        "not laid out": f"; nothing was laid out in {result['pdk']} yet",
    }
    return f"{RUNGS['cells'].capitalize()}{why.get(result['no_layout'], '')}."


def _show(result: dict[str, Any]) -> None:
    rows = [
        (name, *(f"{result[key][end] * scale:,.4g}" for end in ("value", "low", "high")), unit)
        for key, name, unit, scale in _ROWS
        if result.get(key) is not None
    ]
    if result.get("operations_per_result", 1) != 1:
        length = f"energy per result, {result['operations_per_result']:,.4g} {result['operation']}s"
        rows = [(length if row[0] == "energy per result" else row[0], *row[1:]) for row in rows]
    what = result.get("unit") or f"module {result['top']}"
    basis = "calibrated" if result["basis"] == "calibrated" else "costs of operators"
    title = (
        f"{what} in {result['pdk']}, {result['corner']}: {basis}, {result['level']:.0%} "
        f"intervals; traffic: {result['activity']['source']}"
    )
    print_table(title, ("", "estimate", "low", "high", "unit"), rows, (1, 2, 3))
    if result["basis"] == "operators":
        print(
            f"{what} is not calibrated in {result['pdk']}: the kit's costs of operators are used,"
        )
        print("and intervals as wide as those of units that were left out of the fit.")
    print(_rung_line(result))
    if result["layout"] and not result["layout"]["of_unit"]:
        print(f"No layout of {what} is among them: factors of all units, and wider intervals.")
    if result["calibration"].get("other_verilog"):
        print(f"{what} was calibrated with other Verilog than its generator writes now.")
    if result["layout"] and result["layout"]["extrapolated"]:
        print("More than twice as large as any design that was laid out.")
    if result.get("extrapolated"):
        print(
            "More than twice as large as any configuration of the unit that costs were fitted to:"
        )
        print("the formulas go on, the intervals were not seen to hold so far out.")
    if "front_ends" in result:
        from consilico.sim.rtlsim.foreign.front_ends import FrontEnds

        show_front_ends(FrontEnds.from_json(result["front_ends"]).lines())
    if "census_bits" in result:
        operators = [(kind, f"{bits:,}") for kind, bits in result["census_bits"].items()]
        print_table("Operators", ("kind", "bits"), operators, (1,))
        steps = [(step["kind"], step["width"], step["levels"]) for step in result["path"]]
        print_table("Longest path", ("operator", "width", "levels"), steps, (1, 2))
