"""Define ``consilico test``: anyone's cocotb tests on a unit, or on anyone's Verilog."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import JsonOption, SetOption, emit, print_table, working
from consilico.commands.units import PortNames
from consilico.commands.verify import SimulatorName
from consilico.sim.base.errors import CheckFailed, UserError

if TYPE_CHECKING:
    from consilico.sim.rtlsim.testing.simulate import TestRun

__all__ = ["run_tests"]


def run_tests(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Python file of cocotb tests.")],
    settings: SetOption,
    unit: Annotated[
        str | None, typer.Option("--unit", metavar="UNIT", help="Unit to generate and to test.")
    ] = None,
    ports: Annotated[
        PortNames, typer.Option(help="Names of the unit's ports, as in `generate`.")
    ] = PortNames.STREAM,
    rtl: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Verilog to test; with --unit its ports and golden model are that unit's. "
            "Repeatable.",
        ),
    ] = None,
    top: Annotated[str | None, typer.Option(help="With --rtl: its top module.")] = None,
    simulator: Annotated[
        SimulatorName, typer.Option("--sim", help="Simulator to use.")
    ] = SimulatorName.ICARUS,
    testcase: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Tests to run, by commas; by default all."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of Python's random numbers in the tests.")
    ] = 1,
    waves: Annotated[
        bool,
        typer.Option(
            "--waves",
            help="Write a waveform to the current folder: FST from Icarus, VCD from Verilator.",
        ),
    ] = False,
    limit_s: Annotated[
        float, typer.Option("--limit", metavar="SECONDS", help="Time the simulation may take.")
    ] = 3600.0,
    junit: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write the tests as JUnit XML.")
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Run cocotb tests on a unit or on Verilog; status 1 if one fails or none ran."""
    from consilico.extras import needing
    from consilico.sim.base.files import write_atomic
    from consilico.sim.units.catalogue import configure

    if settings and unit is None:
        raise UserError("--set is for a unit: name it with --unit")
    if unit is None and not rtl:
        raise UserError("name what to test: --unit UNIT, or --rtl FILE --top MODULE")
    if rtl and top is None:
        raise UserError(f"--rtl {', '.join(map(str, rtl))} needs --top MODULE")
    with needing("test", "cocotb", "torch"), working():
        from consilico.sim.rtlsim.testing.junit import junit_xml
        from consilico.sim.rtlsim.testing.simulate import DesignUnderTest, check_test, simulate

        check_test(file)
        found = None if unit is None else api.unit(unit)
        config = None if found is None else configure(found, settings)
        if rtl:
            design = DesignUnderTest.of_files(rtl, str(top), found, config)
        else:
            assert found is not None
            assert config is not None
            design = DesignUnderTest.of_unit(found, config, ports.value)
        run = simulate(
            file, design, simulator.value, seed=seed, waves="always" if waves else "never",
            testcase=testcase, limit_s=limit_s,
        )  # fmt: skip
    if junit is not None:
        write_atomic(junit, junit_xml(run.suite))
    result = {"unit": unit, "config": None if config is None else config.to_json()}
    emit("test/1", result | run.to_json(), json_path, lambda: _show(run))
    if not run.passed:
        first, *others = run.problems
        more = f" (and {len(others)} more)" if others else ""
        raise CheckFailed(f"{file}: {first}{more}")


def _show(run: "TestRun") -> None:
    rows = [
        (case.name, "passed" if case.passed else "FAILED", f"{case.seconds:.2f}")
        for case in run.cases
    ]
    title = f"{run.module} on {run.simulator} {run.simulator_version}, seed {run.seed}"
    print_table(title, ("test", "verdict", "seconds"), rows, (2,))
    for problem in run.problems:
        print(problem)
    if not run.passed:
        print(run.log)
    if run.waveform:
        print(f"waveform: {run.waveform}")
