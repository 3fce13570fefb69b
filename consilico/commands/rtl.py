"""Define the options of commands that take anyone's RTL."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "DefineOption",
    "IncludeOption",
    "ParameterOption",
    "RtlOption",
    "TopOption",
    "settings_of",
    "show_front_ends",
]

RtlOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Verilog or SystemVerilog instead of a unit's; repeatable."),
]
TopOption = Annotated[str | None, typer.Option(help="With --rtl: its top module.")]
IncludeOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER", help="With --rtl: a further folder of included files; repeatable."
    ),
]
DefineOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME[=TEXT]", help="With --rtl: a macro; repeatable."),
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUE",
        help="With --rtl: a parameter of the top module; repeatable.",
    ),
]


def settings_of(
    define: Sequence[str] | None, parameter: Sequence[str] | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Return macros and parameters by name.

    Raises:
        UserError: If one of them has another form than ``NAME=VALUE``.
    """
    from consilico.sim.rtlsim.foreign.sources import assignments

    macros = assignments("--define", define or (), default="")
    return macros, assignments("--param", parameter or ())


def show_front_ends(lines: Sequence[str]) -> None:
    """Print what a comparison of front ends says."""
    for line in lines:
        print(f"{line[0].upper()}{line[1:]}.")
