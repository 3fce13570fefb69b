"""Define ``consilico report``: a page about units and kits."""

from pathlib import Path
from typing import Annotated

import typer

from consilico import api
from consilico.commands.output import JobsOption, JsonOption, SetOption, emit, folder_name, working
from consilico.sim.base.errors import CheckFailed

__all__ = ["report"]


def report(
    settings: SetOption,
    units: Annotated[
        list[str],
        typer.Argument(
            metavar="[UNIT]...",
            help="Units to report on, as `list` shows them; the whole product if none is named.",
            default_factory=list,
            show_default=False,
        ),
    ],
    pdk: Annotated[
        list[str],
        typer.Option(
            metavar="KIT[:CORNER]",
            help="Process kit, as `pdk list` shows it; repeatable. nangate45 if not given.",
            default_factory=list,
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FOLDER", parser=folder_name, help="Where the report goes."
        ),
    ] = Path("build/report"),
    full: Annotated[
        bool, typer.Option("--full", help="Measure all there is, however long it takes.")
    ] = False,
    jobs: JobsOption = None,
    json_path: JsonOption = None,
) -> None:
    """Verify and implement units and write a page about them; print its path last.

    The page is there as soon as there is something to show, and grows. What takes long is named
    on it with its command instead, unless --full is given.
    """
    with working() as progress:
        result = api.report(output, units, pdk, settings, full=full, jobs=jobs, progress=progress)
    emit("report/1", result.to_json(), json_path, lambda: print(result.index))
    if not result.passed:
        raise CheckFailed(f"{'; '.join(result.problems[:3])}: see {result.index}")
