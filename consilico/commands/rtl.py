"""Define the options of commands that take anyone's RTL."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from consilico.sim.base.errors import UserError

__all__ = [
    "DefineOption",
    "GoldenOption",
    "IncludeOption",
    "MapOption",
    "ParameterOption",
    "RoleOption",
    "RtlOption",
    "TopOption",
    "TrustOption",
    "settings_of",
    "show_front_ends",
    "unit_asked_for",
]

RtlOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Verilog or SystemVerilog instead of a unit's; repeatable."),
]
TopOption = Annotated[str | None, typer.Option(help="With --rtl: its top module.")]
GoldenOption = Annotated[
    str | None,
    typer.Option(
        "--golden",
        metavar="FILE.py:FUNCTION",
        help="With --rtl: a golden model of your own instead of the unit's.",
    ),
]
IncludeOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER", help="With files of yours: a further folder of includes; repeatable."
    ),
]
RoleOption = Annotated[
    str | None,
    typer.Option("--as", metavar="UNIT", help="With --rtl: the unit that it shall be."),
]
MapOption = Annotated[
    Path | None,
    typer.Option("--map", help="With --rtl: how its ports serve the unit's streams."),
]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="With --rtl: let it call what reaches files.")
]
DefineOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME[=TEXT]", help="With files of yours: a macro; repeatable."),
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUE",
        help="With files of yours: a parameter of the top module; repeatable.",
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


def unit_asked_for(
    unit: str | None, rtl: list[Path] | None, top: str | None, role: str | None
) -> str:
    """Return the unit's name.

    Raises:
        UserError: If neither a unit nor all of ``--rtl``, ``--top`` and ``--as`` were given.
    """
    if rtl and top and role and unit is None:
        return role
    if unit is not None and not (rtl or top or role):
        return unit
    raise UserError("name a unit, or RTL with --rtl FILE --top MODULE --as UNIT")


def show_front_ends(lines: Sequence[str]) -> None:
    """Print what a comparison of front ends says."""
    for line in lines:
        print(f"{line[0].upper()}{line[1:].rstrip('.')}.")
