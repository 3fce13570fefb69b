"""Define ``consilico buffer``: what a memory costs, estimated or measured."""

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import JsonOption, PlotOption, emit, print_table, working
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.sim.base.interval import Interval
    from consilico.sim.estimate.memories.cost import BufferCost

__all__ = ["buffer"]


def buffer(
    words: Annotated[int, typer.Option(help="Number of words.")],
    bits: Annotated[int, typer.Option(help="Bits per word.")],
    kind: Annotated[
        str | None,
        typer.Option(help="Kind of memory: flop, latch or sram; all of them by default."),
    ] = None,
    ports: Annotated[
        str, typer.Option(help="1rw: one access per cycle; 1r1w: a read and a write.")
    ] = "1rw",
    pdk: Annotated[
        str, typer.Option(help="Process kit, or kit:corner, as `pdk list` shows it.")
    ] = "nangate45",
    clock_ns: Annotated[
        float, typer.Option(help="Clock period in ns that energies per cycle are given at.")
    ] = 4.0,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Synthesize and simulate this very buffer (flop, latch)."),
    ] = False,
    plot: PlotOption = None,
    json_path: JsonOption = None,
) -> None:
    """Show what a buffer costs in flip-flops, latches or SRAM: area, energy per cycle, time."""
    if kind is None:
        if measure:
            raise UserError("--measure needs --kind flop or --kind latch")
        result = api.buffers(words, bits, pdk=pdk, ports=ports, clock_ns=clock_ns)
        if plot is not None:
            from consilico.reports.plots import buffer_plot, save_plot

            save_plot(buffer_plot(result.to_json()["buffers"]), plot)
        emit("buffer/1", result.to_json(), json_path, lambda: _show(result.buffers, result.refused))
        return
    with working():
        one = api.buffer(
            words, bits, kind, pdk=pdk, ports=ports, clock_ns=clock_ns, measure=measure
        )
    if plot is not None:
        from consilico.reports.plots import buffer_plot, save_plot

        save_plot(buffer_plot([one.to_json()]), plot)
    emit("buffer/1", one.to_json(), json_path, lambda: _show([one], {}))


_ROWS = (  # quantity, name, unit, factor
    ("area_um2", "area", "um2", 1),
    ("per_cycle.read_pj", "cycle with a read", "pJ", 1),
    ("per_cycle.write_pj", "cycle with a write", "pJ", 1),
    ("per_cycle.read_write_pj", "cycle with both", "pJ", 1),
    ("per_cycle.rest_pj", "cycle at rest", "pJ", 1),
    ("per_cycle.leakage_pj", "of each, leakage", "pJ", 1),
    ("leakage_w", "leakage", "uW", 1e6),
    ("access_ns", "access", "ns", 1),
    ("cycle_ns", "shortest cycle", "ns", 1),
)
_ABSENT = {"per_cycle.read_write_pj": "one port"}


def _show(buffers: "Sequence[BufferCost]", refused: dict[str, str]) -> None:
    first = buffers[0]
    rows = [
        (
            f"{name}, {unit}",
            *(
                _cell(attrgetter(quantity)(item), factor, _ABSENT.get(quantity, "not modelled"))
                for item in buffers
            ),
        )
        for quantity, name, unit, factor in _ROWS
    ]
    rows.append(("basis", *(item.basis for item in buffers)))
    title = (
        f"{first.words:,} words of {first.bits} bits in {first.pdk}, {first.corner}, "
        f"{first.voltage_v:g} V, clock {first.per_cycle.clock_ns:g} ns"
    )
    columns = ("", *(item.kind for item in buffers))
    print_table(title, columns, rows, range(1, len(columns)))
    for item in buffers:
        typer.echo(f"{item.kind}: {item.basis}; {item.source}")
        if not item.per_cycle.meets_clock:
            typer.echo(
                f"{item.kind}: needs {item.cycle_ns.value:.3f} ns, the clock is"
                f" {item.per_cycle.clock_ns:g} ns"
            )
    for kind, reason in refused.items():
        typer.echo(f"{kind}: {reason}")


def _cell(figure: "Interval | None", factor: float, absent: str) -> str:
    if figure is None:
        return absent
    scaled = figure * factor
    if scaled.is_exact:
        return f"{scaled.value:.4g}"
    return f"{scaled.value:.4g}\n{scaled.low:.3g} to {scaled.high:.3g}"
