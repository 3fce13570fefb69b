"""Define ``consilico verify``: a unit's Verilog against its golden model."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import (
    JsonOption,
    OptionalUnitArgument,
    SetOption,
    emit,
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
    TrustOption,
    settings_of,
    unit_asked_for,
)
from consilico.sim.base.errors import CheckFailed, UserError

if TYPE_CHECKING:
    from consilico.sim.rtlsim.failures import Failure
    from consilico.sim.rtlsim.verify import Verification

__all__ = ["SimulatorName", "SimulatorsOption", "verify"]


class SimulatorName(StrEnum):
    """The simulators that a unit is verified on."""

    ICARUS = "icarus"
    VERILATOR = "verilator"


SimulatorsOption = Annotated[
    list[SimulatorName],
    typer.Option(
        "--sim",
        help="Simulator to use; repeatable. By default both.",
        default_factory=lambda: list(SimulatorName),
        show_default=False,
    ),
]


def verify(
    settings: SetOption,
    simulators: SimulatorsOption,
    unit: OptionalUnitArgument = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the stimuli and the stalls.")] = 1,
    failures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder for the stimuli and waveforms of failures. By default in the cache.",
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Replay the stimulus file of a failure instead of verifying."
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
    trust: TrustOption = False,
    json_path: JsonOption = None,
) -> None:
    """Check a unit's Verilog, or anyone's RTL, against its golden model; status 1 if it fails."""
    from consilico.sim.units.catalogue import configure

    name = unit_asked_for(unit, rtl, top, role)
    if not rtl and (mapping or golden or include or define or parameter or trust):
        raise UserError(
            "--map, --golden, --include, --define, --param and --trust are for --rtl, not for units"
        )
    found = api.unit(name)
    config = configure(found, settings)
    names = [name.value for name in simulators]
    with working() as progress:
        if rtl:
            defines, parameters = settings_of(define, parameter)
            result = api.verify_rtl(
                rtl, str(top), found, config, mapping=mapping, include=include or (),
                defines=defines, parameters=parameters, simulators=names, seed=seed,
                failures=failures, replay=replay, golden=golden, trust=trust, progress=progress,
            )  # fmt: skip
        else:
            result = api.verify(
                found, config, simulators=names, seed=seed, failures=failures, replay=replay,
                progress=progress,
            )  # fmt: skip
    emit("verify/1", result.to_json(), json_path, lambda: _show(result))
    if not result.passed:
        first, *others = result.problems
        more = f" (and {len(others)} more)" if others else ""
        what = f"{top} as {found.name}" if rtl else found.name
        raise CheckFailed(f"{what} failed verification: {first}{more}")


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
    for failure in result.failures:
        _explain(failure)
    if result.exempt:
        points = [(exemption.point, exemption.why) for exemption in result.exempt]
        print_table("not covered", ("point", "why"), points, ())


def _explain(failure: "Failure") -> None:
    """Print one failure, what differs in its shortest stimulus, and how to see it again."""
    print(f"{failure.what} ({failure.bench})")
    rows = [
        (name, part.got, part.expected, "unknown" if part.ulp is None else f"{part.ulp:+,}")
        for name, part in failure.fields.items()
    ]
    if rows:
        print_table(
            f"at {failure.time_ns} ns, cycle {failure.cycle}, of a stimulus of "
            f"{failure.items} items",
            ("field", "got", "expected", "ulp"),
            rows,
            (1, 2, 3),
        )
    if failure.worst_ulp is not None:
        print(
            f"{failure.results_wrong:,} results are wrong like this, by up to "
            f"{failure.worst_ulp:,} ulp, {failure.mean_ulp:,.1f} in the mean"
        )
    for name in ("stimulus", "waveform", "replay"):
        if text := getattr(failure, name):
            print(f"{name + ':':<10} {text}")
