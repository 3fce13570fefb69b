"""``consilico implement`` and ``consilico power``."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.commands.output import (
    JsonOption,
    SetOption,
    UnitArgument,
    emit,
    print_table,
    working,
)
from sim.errors import CheckFailed, UserError

__all__ = ["implement", "power"]


def implement(
    unit: UnitArgument,
    settings: SetOption,
    pdk: Annotated[str, typer.Option(help="Process kit.")] = "nangate45",
    clock_ns: Annotated[float, typer.Option(help="Clock period in ns.")] = 4.0,
    traffic: Annotated[
        str, typer.Option(help="Input that causes the switching activity: model, normal, ...")
    ] = "model",
    json_path: JsonOption = None,
) -> None:
    """Synthesize a unit; measure area, timing and power; status 1 if it misses the clock."""
    from sim.catalog import configure, find_unit
    from sim.silicon.implement import implement as run

    found = find_unit(unit)
    config = configure(found, settings)
    _positive("--clock-ns", clock_ns)
    with working() as progress:
        result = run(found, config, pdk, clock_ns, source=traffic, progress=progress)
    emit(result, json_path, lambda: _show_implementation(result, clock_ns))
    if result["path_ns"] > clock_ns:
        raise CheckFailed(
            f"{found.name} needs {result['path_ns']:.3f} ns, the clock is {clock_ns} ns"
        )


def power(
    netlist: Annotated[Path, typer.Option(help="Mapped Verilog netlist.")],
    top: Annotated[str, typer.Option(help="Its top module.")],
    liberty: Annotated[list[Path], typer.Option(help="Liberty file (.gz too); repeatable.")],
    activity: Annotated[Path, typer.Option(help="VCD of a gate-level run (.gz too).")],
    scope: Annotated[str, typer.Option(help="Instance of the top module in it, such as tb/dut.")],
    clock: Annotated[str, typer.Option(help="Clock port of the top module.")],
    period_ns: Annotated[float, typer.Option(help="Clock period in ns.")],
    json_path: JsonOption = None,
) -> None:
    """Compute the power of any mapped netlist from Liberty tables and recorded activity."""
    _positive("--period-ns", period_ns)
    for path in (netlist, *liberty, activity):
        with path.open("rb"):  # a missing file shows before any long work
            pass
    from sim.silicon.power import analyse

    with working():
        result = analyse(netlist, top, liberty, activity, scope, clock, period_ns).to_json()
    emit(result, json_path, lambda: _show_power(top, result))


def _positive(option: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise UserError(f"{option} must be a number of nanoseconds above 0, not {value}")


def _show_implementation(result: dict[str, Any], clock_ns: float) -> None:
    watts = result["power"]
    rows = [
        ("area", f"{result['area_um2']:,.1f} um2"),
        ("cells", f"{result['cells']:,}" if isinstance(result["cells"], int) else result["cells"]),
        ("longest path", f"{result['path_ns']:.3f} ns (clock {clock_ns:g} ns)"),
        *((name, f"{watts[f'{name}_w'] * 1e3:.4f} mW") for name in _PARTS),
        ("energy a result", f"{result['energy_pj']:.3f} pJ"),
        ("activity", f"{result['activity']['source']}, {result['activity']['cycles']:,} cycles"),
    ]
    title = f"{result['unit']} in {result['pdk']}, {result['corner']}"
    print_table(title, ("", "measured"), rows, (1,))


def _show_power(top: str, result: dict[str, Any]) -> None:
    rows = [(name, f"{result[f'{name}_w'] * 1e3:.4f} mW") for name in _PARTS]
    for name in ("annotated_pins", "unannotated_pins"):
        rows.append((name.replace("_", " "), f"{result[name]:,}"))
    print_table(f"Power of {top}", ("", "measured"), rows, (1,))


_PARTS = ("internal", "switching", "leakage", "total")
