"""Provide what all commands share: ``--json``, tables, progress and a clean standard output."""

import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from consilico import __version__, api
from consilico.extras import needing
from consilico.sim.base.errors import UserError
from consilico.sim.base.progress import Pace, Progress, duration, log_lines

__all__ = [
    "RUNGS",
    "RUNG_HELP",
    "JobsOption",
    "JsonOption",
    "OptionalUnitArgument",
    "PlotOption",
    "SetOption",
    "UnitArgument",
    "emit",
    "emit_list",
    "folder_name",
    "one_standard_output",
    "print_table",
    "working",
    "write_text",
]

RUNGS = {
    "cells": "of mapped cells: ideal wires and clock, no glitches",
    "layout": "of a layout, with wires, clock tree and glitches: mapped cells times factors",
}
"""Rungs of the ladder that an estimate is of, and what is in each."""
RUNG_HELP = (
    "cells, or layout, with wires, clock tree and glitches; by default the layout, where the kit"
    " was laid out."
)

JsonOption = Annotated[
    str | None,
    typer.Option("--json", metavar="PATH", help="Write the result as JSON; - is standard output."),
]


def _complete_unit(incomplete: str) -> list[str]:
    """Return the units that a shell offers for what is typed so far."""
    return [name for name in api.units() if name.startswith(incomplete)]


UnitArgument = Annotated[
    str,
    typer.Argument(metavar="UNIT", help="Name, as `list` shows it.", autocompletion=_complete_unit),
]
OptionalUnitArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[UNIT]", help="Name, as `list` shows it.", autocompletion=_complete_unit
    ),
]
SetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Set a configuration field; repeatable.",
        default_factory=list,
        show_default=False,
    ),
]


JobsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Processes to use.", show_default="as many as there are processors"),
]


def _accepted_plot(context: typer.Context, path: Path | None) -> Path | None:
    """Refuse a plot that cannot be drawn, before any long work is done for it."""
    if path is not None:
        from consilico.reports.plots import check_plot_path

        check_plot_path(path)
        library = "plotly" if path.suffix.lower() == ".html" else "matplotlib"
        with needing(f"{context.info_name} --plot", library):
            pass
    return path


PlotOption = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="PATH",
        help="Draw the result; the ending is the format: .png, .svg, .pdf or .html.",
        callback=_accepted_plot,
    ),
]

_NO_EDGE = 100_000  # columns


def emit(
    schema: str, result: dict[str, Any], json_path: str | None, people: Callable[[], None]
) -> None:
    """Write a command's result as JSON where asked, and for people unless JSON goes to stdout.

    Args:
        schema: Name and version of the answer's keys, such as ``"verify/1"``; docs/json.md lists
            the keys. The version grows when a key is renamed, removed or given another meaning.
        result: The answer. Keys "schema" and "version" are put before its own.
        json_path: File to write; ``-`` is standard output, None writes no JSON.
        people: Prints the answer as text.

    Raises:
        UserError: If the file cannot be written; an earlier file stays as it was.
        ValueError: If a number of the answer is infinite or not a number, which JSON has not.
    """
    if json_path is not None:
        head = {"schema": f"consilico.{schema}", "version": __version__}
        write_text(json_path, json.dumps(head | result, indent=2, allow_nan=False) + "\n")
    if json_path != "-":
        people()


def emit_list(
    schema: str, items: list[dict[str, Any]], json_path: str | None, people: Callable[[], None]
) -> None:
    """Write a command's answers as a JSON array, each with its own "schema" and "version".

    Args:
        schema: As :func:`emit` takes it, of each answer.
        items: The answers.
        json_path: As :func:`emit` takes it.
        people: Prints the answers as text.

    Raises:
        UserError: If the file cannot be written; an earlier file stays as it was.
        ValueError: If a number of an answer is infinite or not a number, which JSON has not.
    """
    if json_path is not None:
        head = {"schema": f"consilico.{schema}", "version": __version__}
        text = json.dumps([head | item for item in items], indent=2, allow_nan=False)
        write_text(json_path, text + "\n")
    if json_path != "-":
        people()


def write_text(path: str | Path, text: str) -> None:
    """Write what a command makes to a file; ``-`` is standard output.

    Raises:
        UserError: If the file cannot be written; an earlier file stays as it was.
    """
    if str(path) == "-":
        sys.stdout.write(text)
        return
    from consilico.sim.base.files import write_atomic

    write_atomic(Path(path), text)


def one_standard_output(**paths: str | Path | None) -> None:
    """Refuse two outputs that both go to standard output.

    Args:
        paths: What each option was given, under the option's name.

    Raises:
        UserError: If more than one is ``-``.
    """
    taking = [f"--{option}" for option, path in paths.items() if str(path) == "-"]
    if len(taking) > 1:
        raise UserError(f"{' and '.join(taking)} cannot both go to standard output")


def folder_name(text: str) -> Path:
    """Return the folder that an option names; an empty name, as of an unset variable, is none.

    Raises:
        typer.BadParameter: If it is empty.
    """
    if not text:
        raise typer.BadParameter("the name of the folder is empty")
    return Path(text)


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Sequence[int] = ()
) -> None:
    """Print a table on standard output; columns whose index is in ``numbers`` are right-aligned."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    for index, name in enumerate(columns):
        right = index in numbers
        table.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    if sys.stdout.isatty():
        console = Console()
        console.print(Text(title, style="bold"))
        console.print(table)
    else:  # a file or a pipe has no edge to fold at
        text = io.StringIO()
        Console(file=text, width=_NO_EDGE).print(table)
        print(title, *(line.rstrip() for line in text.getvalue().splitlines()), sep="\n")


@contextmanager
def working() -> Iterator[Progress]:
    """Run long work: what it or its children print goes to standard error, not to the result.

    Yields:
        What to report progress to: bars on a terminal, else a line now and then, as for a log.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    with _stdout_to_stderr():
        if not sys.stderr.isatty():
            yield log_lines(lambda line: print(line, file=sys.stderr, flush=True))
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        times = (TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
        with Bars(*columns, *times, console=Console(stderr=True)) as bars:
            tasks: dict[str, Any] = {}
            pace = Pace()

            def show(label: str, done: int, total: int) -> None:
                _, left_s = pace.step(label, done, total)
                left = f"about {duration(left_s)} left" if left_s else ""
                if label not in tasks:
                    tasks[label] = bars.add_task(label, left=left)
                bars.update(tasks[label], completed=done, total=total, left=left)

            yield show


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)  # for child processes, which know nothing of sys.stdout
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
