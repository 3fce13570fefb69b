"""``consilico power`` and ``consilico activity``."""

from pathlib import Path
from typing import Annotated, Any

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
from consilico.commands.rtl import DefineOption, IncludeOption, ParameterOption, settings_of
from consilico.sim.base.errors import UserError

__all__ = ["activity", "power"]


def power(
    netlist: Annotated[
        list[Path], typer.Option(help="Mapped Verilog or SystemVerilog netlist; repeatable.")
    ],
    top: Annotated[str, typer.Option(help="Its top module.")],
    liberty: Annotated[list[Path], typer.Option(help="Liberty file (.gz too); repeatable.")],
    activity: Annotated[
        Path, typer.Option(help="VCD, FST or SAIF file of a gate-level simulation (.gz too).")
    ],
    scope: Annotated[
        str, typer.Option(help="Instance of the top module in the activity, such as tb/dut.")
    ],
    clock: Annotated[str, typer.Option(help="Clock port of the top module.")],
    period_ns: Annotated[float, typer.Option(help="Clock period in ns.")],
    include: IncludeOption = None,
    define: DefineOption = None,
    parameter: ParameterOption = None,
    window_ns: Annotated[
        float | None, typer.Option(help="Show power over time, in windows of this width in ns.")
    ] = None,
    instances: Annotated[
        Path | None, typer.Option(help="Write the power of every instance to this CSV file.")
    ] = None,
    top_consumers: Annotated[
        int, typer.Option(min=0, help="Name this many instances that take the most power.")
    ] = 0,
    clock_tree: Annotated[
        float | None,
        typer.Option(
            metavar="FF_PER_UM", help="Estimate a clock tree with this wire capacitance in fF/um."
        ),
    ] = None,
    clock_fanout: Annotated[
        int | None, typer.Option(help="Fan-out of the estimated clock tree.", show_default="20")
    ] = None,
    clock_buffer: Annotated[
        str | None,
        typer.Option(help="Buffer cell of the tree; by default the buffer of median area."),
    ] = None,
    spef: Annotated[
        Path | None,
        typer.Option(help="SPEF file with the capacitances of the wires (.gz too); else none."),
    ] = None,
    sdf: Annotated[
        Path | None,
        typer.Option(
            help="SDF file: replay the inputs of the activity, a VCD, with these delays, so that"
            " glitches count."
        ),
    ] = None,
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Compute the power of any mapped netlist from Liberty tables and recorded activity."""
    one_standard_output(instances=instances, json=json_path)
    if clock_tree is None and (clock_fanout is not None or clock_buffer is not None):
        raise UserError("--clock-fanout and --clock-buffer go with --clock-tree")
    from consilico.sim.base.files import check_input
    from consilico.sim.silicon.power.clock_tree import ClockTreeOptions

    check_input(activity, "activity file")  # what is missing shows before any long work
    for path in netlist:
        check_input(path, "netlist")
    for path in liberty:
        check_input(path, "Liberty file")
    if spef is not None:
        check_input(spef, "SPEF file")
    if sdf is not None:
        check_input(sdf, "SDF file")
    tree = None
    if clock_tree is not None:
        fanout = {} if clock_fanout is None else {"fanout": clock_fanout}
        tree = ClockTreeOptions(wire_ff_per_um=clock_tree, buffer=clock_buffer, **fanout)
    defines, parameters = settings_of(define, parameter)
    with working():
        report = api.power(
            netlist, top, liberty=liberty, activity=activity, scope=scope, clock=clock,
            period_ns=period_ns, include=include or (), defines=defines, parameters=parameters,
            window_ns=window_ns, clock_tree=tree, spef=spef, sdf=sdf,
        )  # fmt: skip
        result = report.to_json()
        if top_consumers:
            result["top_consumers"] = [
                item.to_json() for item in report.top_consumers(top_consumers)
            ]
        if plot is not None:
            from consilico.reports.plots import power_plot, save_plot

            where = (
                f"{', '.join(path.name for path in liberty)}; clock: {period_ns:g} ns; "
                f"activity: {activity.name}"
            )
            save_plot(power_plot(result, top, where), plot)
    if instances is not None:
        write_text(instances, report.instances_csv())
    emit(
        "power/1", result, json_path,
        lambda: None if str(instances) == "-" else _show_power(top, result),
    )  # fmt: skip


def activity(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="VCD, FST or SAIF file (.gz too).")],
    scope: Annotated[str, typer.Option(help="Instance to convert, such as tb/dut.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="SAIF file to write.")],
) -> None:
    """Convert a waveform to SAIF: toggle counts and times at 0, 1 and x of every signal."""
    from consilico.sim.silicon.activity.read import read_activity
    from consilico.sim.silicon.activity.saif import saif_text

    with working():
        text = saif_text(read_activity(path, scope), scope)
    write_text(output, text)


def _show_power(top: str, result: dict[str, Any]) -> None:
    rows = [(name, f"{result[f'{name}_w'] * 1e3:.4g} mW") for name in _PARTS]
    for name in ("annotated_pins", "unannotated_pins"):
        rows.append((name.replace("_", " "), f"{result[name]:,}"))
    print_table(f"Power of {top}", ("", "measured"), rows, (1,))
    if result["unannotated_pins"]:
        print(
            f"{result['unannotated_pins']:,} pins are not in the activity, and their dynamic power "
            "is left out: is it of this netlist and scope?\n"
        )
    recorded = result["recorded_clock_period_s"]
    if recorded and abs(recorded / result["clock_period_s"] - 1) > _PERIOD_TOLERANCE:
        print(
            f"The activity was recorded at a clock period of {recorded * 1e9:g} ns, not "
            f"{result['clock_period_s'] * 1e9:g} ns: data toggles count as recorded.\n"
        )
    classes = {name: part for name, part in result["by_class"].items() if part["total_w"]}
    _show_parts("By class", "class", classes, result["total_w"])
    if len(result["by_module"]) > 1:
        _show_parts("By module", "module", result["by_module"], result["total_w"])
    if consumers := result.get("top_consumers"):
        named = {f"{item['instance']} ({item['cell']})": item for item in consumers}
        _show_parts("Top consumers", "instance", named, result["total_w"])
    if profile := result.get("profile"):
        peak = profile["peak"]
        print(
            f"Peak: {peak['power_w'] * 1e3:.4g} mW in the {profile['window_s'] * 1e9:g} ns from "
            f"{peak['start_s'] * 1e9:g} ns on, {peak['power_w'] / result['total_w']:.2f} times "
            "the mean."
        )
    if tree := result.get("clock_tree"):
        print(
            f"Clock tree, estimated, not in the total: {tree['total_w'] * 1e3:.4g} mW "
            f"({tree['buffers']:,} of {tree['buffer']}, {tree['wire_um']:,.0f} um of wire, "
            f"{tree['sinks']:,} sinks)."
        )


def _show_parts(title: str, what: str, parts: dict[str, Any], total_w: float) -> None:
    rows = [
        (name, *(f"{part[f'{cause}_w'] * 1e3:.4g}" for cause in _PARTS),
         f"{part['total_w'] / total_w:.1%}" if total_w else "")
        for name, part in parts.items()
    ]  # fmt: skip
    columns = (what, *(f"{cause}, mW" for cause in _PARTS), "share")
    print_table(title, columns, rows, (1, 2, 3, 4, 5))


_PARTS = ("internal", "switching", "leakage", "total")
_PERIOD_TOLERANCE = 0.1  # as OpenSTA's warning 1452
