"""Define ``consilico map``: a mapping file for anyone's design."""

from pathlib import Path
from typing import Annotated

import typer

from consilico import api
from consilico.commands.output import SetOption, working
from consilico.commands.rtl import DefineOption, IncludeOption, ParameterOption, settings_of

__all__ = ["map_ports"]


def map_ports(
    settings: SetOption,
    rtl: Annotated[
        list[Path], typer.Option(metavar="FILE", help="Verilog or SystemVerilog; repeatable.")
    ],
    top: Annotated[str, typer.Option(help="Its top module.")],
    unit: Annotated[str, typer.Option("--as", metavar="UNIT", help="The unit that it shall be.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write.", show_default="standard output"),
    ] = None,
    include: IncludeOption = None,
    define: DefineOption = None,
    parameter: ParameterOption = None,
) -> None:
    """Propose how a design's ports serve a unit's streams: the file that `verify --map` takes."""
    from consilico.sim.base.files import write_atomic
    from consilico.sim.units.catalogue import configure

    found = api.unit(unit)
    config = configure(found, settings)
    defines, parameters = settings_of(define, parameter)
    with working():
        proposal = api.propose_mapping(
            rtl, top, found, config, include=include or (), defines=defines, parameters=parameters
        )
    if output is None:
        print(proposal.text, end="")
        return
    write_atomic(output, proposal.text)
    print(f"{output} is proposed from names and widths; read it before you use it.")
    for what in proposal.open:
        print(f"To be filled in: {what}.")
