"""Define ``consilico regress``: units x configurations x simulators x seeds."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import JobsOption, JsonOption, emit, print_table, working
from consilico.commands.verify import SimulatorName, SimulatorsOption
from consilico.sim.base.errors import CheckFailed, UserError

if TYPE_CHECKING:
    from consilico.sim.rtlsim.regress import Regression

__all__ = ["regress"]


class Configurations(StrEnum):
    """Configurations of each unit that are verified."""

    DEFAULT = "default"
    EDGES = "edges"


def regress(
    simulators: SimulatorsOption,
    units: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Units, by commas.", show_default="all"),
    ] = None,
    configurations: Annotated[
        Configurations,
        typer.Option(
            "--configs",
            help="Configurations of each unit: its default, or one at each edge of each field too.",
        ),
    ] = Configurations.EDGES,
    seeds: Annotated[
        str, typer.Option(metavar="SEEDS", help="Seeds by commas; 1..8 is all from 1 to 8.")
    ] = "1",
    limit_s: Annotated[
        float,
        typer.Option("--limit", metavar="SECONDS", help="Time that a run may take."),
    ] = 600.0,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Take runs that passed earlier, with the same inputs, from the cache."
        ),
    ] = False,
    jobs: JobsOption = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write the runs as JUnit XML.")
    ] = None,
    coverage: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Write the coverage of all runs together as XML."),
    ] = None,
    hdl_coverage: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Have Verilator count lines and toggles, and write what all seeds reach there.",
        ),
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Verify many configurations with many seeds; status 1 if a run fails or does not end."""
    from consilico.extras import needing
    from consilico.sim.base.files import write_atomic

    if hdl_coverage is not None and SimulatorName.VERILATOR not in simulators:
        raise UserError("--hdl-coverage needs --sim verilator, which counts it")
    if hdl_coverage is not None:
        hdl_coverage.mkdir(parents=True, exist_ok=True)
    if not limit_s > 0:
        raise UserError(f"--limit must be a number of seconds above 0, not {limit_s:g}")
    names = list(api.units()) if units is None else [name.strip() for name in units.split(",")]
    with needing("regress", "torch"), working() as progress:
        from consilico.sim.rtlsim.coverage_xml import coverage_xml
        from consilico.sim.rtlsim.regress import regress as run
        from consilico.sim.rtlsim.testing.junit import junit_xml

        result = run(
            list(dict.fromkeys(names)),
            configurations=configurations.value,
            simulators=[name.value for name in dict.fromkeys(simulators)],
            seeds=_seeds(seeds),
            limit_s=limit_s,
            resume=resume,
            hdl_coverage=hdl_coverage,
            jobs=jobs,
            progress=progress,
        )
    if junit is not None:
        write_atomic(junit, junit_xml(*result.suites))
    if coverage is not None:
        write_atomic(coverage, coverage_xml([(item.unit, item.hits) for item in result.coverage]))
    emit("regress/1", result.to_json(), json_path, lambda: _show(result))
    bad = [run for run in result.runs if run.verdict != "passed"]
    if bad:
        raise CheckFailed(
            f"{len(bad)} of {len(result.runs)} runs did not pass; the first: {bad[0].replay}: "
            f"{(bad[0].problems or ('',))[0]}"
        )


def _seeds(text: str) -> list[int]:
    """Return seeds from text such as ``1..8`` or ``1,5,9``."""
    found: list[int] = []
    for part in text.split(","):
        first, dots, last = part.strip().partition("..")
        if not first.isdecimal() or (dots and not last.isdecimal()):
            raise UserError(f"--seeds must be numbers by commas, or first..last, not {text!r}")
        found += range(int(first), int(last or first) + 1)
    if not found:
        raise UserError(f"--seeds {text} names no seed")
    return list(dict.fromkeys(found))


def _show(result: "Regression") -> None:
    rows = []
    for item in result.coverage:
        runs = [run for run in result.runs if run.unit == item.unit]
        verdicts = [run.verdict for run in runs]
        hit = sum(count > 0 for count in item.hits.values())
        rows.append(
            (
                item.unit,
                f"{len({str(run.config) for run in runs})}",
                f"{len(runs)}",
                f"{verdicts.count('passed')}",
                f"{verdicts.count('failed')}",
                f"{verdicts.count('error')}",
                f"{sum(run.checked for run in runs):,}",
                f"{hit} of {len(item.hits)}",
                f"{sum(run.seconds for run in runs):,.0f}",
            )
        )
    names = ("unit", "configurations", "runs", "passed", "failed", "errors")
    columns = (*names, "results checked", "coverage points", "seconds")
    title = f"{len(result.runs)} runs in {result.seconds:,.0f} s"
    print_table(title, columns, rows, tuple(range(1, len(columns))))
    for run in result.runs:
        if run.verdict != "passed":
            print(f"{run.ending}: {run.replay}")
            for problem in run.problems[:3]:
                print(f"    {problem}")
    for item in result.coverage:
        if item.never:
            print(f"never hit in {item.unit}: {', '.join(item.never)}")
        for what, times in item.exempt.items():
            print(f"not covered in {times} of {item.runs} runs of {item.unit}: {what}")
    for counts in result.hdl_coverage:
        print(
            f"{counts.file}: {counts.lines_hit:,} of {counts.lines:,} lines, "
            f"{counts.toggles_hit:,} of {counts.toggles:,} toggles"
        )
    for edge in result.left_out:
        print(f"not run: {edge.unit} {edge.setting}: {edge.why}")
