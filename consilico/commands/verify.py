"""Define ``consilico verify``: a unit's Verilog against its golden model."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import (
    JsonOption,
    SetOption,
    UnitArgument,
    emit,
    print_table,
    working,
)
from consilico.sim.base.errors import CheckFailed

if TYPE_CHECKING:
    from consilico.sim.rtlsim.verify import Verification

__all__ = ["SimulatorName", "verify"]


class SimulatorName(StrEnum):
    """The simulators that a unit is verified on."""

    ICARUS = "icarus"
    VERILATOR = "verilator"


def verify(
    unit: UnitArgument,
    settings: SetOption,
    simulators: Annotated[
        list[SimulatorName],
        typer.Option(
            "--sim",
            help="SimulatorName to use; repeatable. By default both.",
            default_factory=lambda: list(SimulatorName),
            show_default=False,
        ),
    ],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the stimuli and the stalls.")] = 1,
    json_path: JsonOption = None,
) -> None:
    """Check a unit's Verilog against its golden model, bit for bit; status 1 if it fails."""
    from consilico.sim.units.catalogue import configure

    found = api.unit(unit)
    config = configure(found, settings)
    with working() as progress:
        result = api.verify(
            found,
            config,
            simulators=[name.value for name in simulators],
            seed=seed,
            progress=progress,
        )
    emit("verify/1", result.to_json(), json_path, lambda: _show(result))
    if not result.passed:
        first, *others = result.problems
        more = f" (and {len(others)} more)" if others else ""
        raise CheckFailed(f"{found.name} failed verification: {first}{more}")


def _show(result: "Verification") -> None:
    rows = [
        (
            f"{run.simulator} {run.version}",
            f"{run.checked:,}",
            f"{run.mismatches:,}",
            f"{run.seconds:.2f}",
            f"{run.checked_per_second:,.0f}",
        )
        for run in result.runs
    ]
    verdict = "passed" if result.passed else "FAILED"
    columns = ("simulator", "results checked", "mismatches", "seconds", "results/s")
    print_table(f"{result.unit}, seed {result.seed}: {verdict}", columns, rows, (1, 2, 3, 4))
