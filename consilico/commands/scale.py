"""Define ``consilico scale``: figures of one technology node, estimated at another."""

from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import JsonOption, PlotOption, emit, print_table
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.sim.estimate.nodes.prediction import ScaledFigures, UnitsBar

__all__ = ["scale"]

_UNITS = {"area_um2": "um2", "delay_ns": "ns", "energy_pj": "pJ", "power_w": "W"}


def scale(
    source: Annotated[
        str,
        typer.Option(
            "--from", help="Where figures are known: process kit, or node such as 45nm or 45."
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            "--to", help="Where they are asked for: process kit, or node such as 22nm or 22."
        ),
    ],
    area_um2: Annotated[
        float | None, typer.Option(help="Area in um2 at the node that it is known at.")
    ] = None,
    delay_ns: Annotated[float | None, typer.Option(help="Delay in ns at that node.")] = None,
    energy_pj: Annotated[float | None, typer.Option(help="Energy in pJ at that node.")] = None,
    power_w: Annotated[
        float | None,
        typer.Option(help="Power in W at that node; at a known clock scale the energy instead."),
    ] = None,
    voltage_from: Annotated[
        float | None,
        typer.Option(help="Supply in V at that node; by default the kit's, or the nominal one."),
    ] = None,
    voltage_to: Annotated[float | None, typer.Option(help="Supply in V at the target.")] = None,
    variant_from: Annotated[
        str, typer.Option(help="Transistors below 65 nm: hp (high performance) or lp (low power).")
    ] = "hp",
    variant_to: Annotated[str, typer.Option(help="The same at the target.")] = "hp",
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Estimate area, delay, energy and power at another node (Stillmaker and Baas, 2017)."""
    values = {
        "area_um2": area_um2, "delay_ns": delay_ns, "energy_pj": energy_pj, "power_w": power_w,
    }  # fmt: skip
    given = {name: value for name, value in values.items() if value is not None}
    if not given:
        raise UserError("nothing to scale: give --area-um2, --delay-ns, --energy-pj or --power-w")
    result = api.scale(
        source,
        target,
        given,
        voltage_from=voltage_from,
        voltage_to=voltage_to,
        variant_from=variant_from,
        variant_to=variant_to,
    )
    if plot is not None:
        from consilico.reports.plots import save_plot, scale_plot

        save_plot(scale_plot(result.to_json()), plot)
    emit("scale/1", result.to_json(), json_path, lambda: _show(result))


def _show(result: "ScaledFigures") -> None:
    names = [
        f"{place.name} ({place.node_nm:g} nm {place.variant}, {place.voltage_v:g} V)"
        for place in (result.source, result.target)
    ]
    rows = [
        (
            name.split("_")[0],
            f"{figure.given:.6g} {_UNITS[name]}",
            f"{figure.value:.4g} {_UNITS[name]}",
            f"{figure.factor:.4g}",
            figure.method,
            _by_our_units(figure.by_our_units, _UNITS[name]),
        )
        for name, figure in result.figures.items()
    ]
    columns = (
        "",
        "given",
        "estimated",
        "factor",
        "method",
        "by our units at cells: median (error bar)",
    )
    print_table(f"From {names[0]} to {names[1]}", columns, rows, (1, 2, 3))
    for line in result.notes:
        print(f"note: {line}")
    print(f"source: {result.sources[0]}")


def _by_our_units(bar: "UnitsBar | None", unit: str) -> str:
    if bar is None:
        return "not known"
    return f"{bar.median:.3g} ({bar.low:.3g} to {bar.high:.3g}) {unit}"
