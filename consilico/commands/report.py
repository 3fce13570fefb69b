"""``consilico report``."""

from pathlib import Path
from typing import Annotated

import typer

from consilico import api
from consilico.commands.output import JsonOption, emit, working
from consilico.sim.base.errors import CheckFailed

__all__ = ["report"]


def report(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the report goes.")
    ] = Path("build/report"),
    json_path: JsonOption = None,
) -> None:
    """Verify and implement every unit and write the report; print its path last."""
    with working() as progress:
        result = api.report(output, progress=progress)
    emit("report/1", result, json_path, lambda: print(result["index"]))
    if not result["passed"]:
        raise CheckFailed(f"a unit is wrong or out of its error bound: see {result['index']}")
