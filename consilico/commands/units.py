"""``consilico list`` and ``consilico generate``."""

import hashlib
import sys
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consilico import __version__, api
from consilico.commands.output import (
    JsonOption,
    SetOption,
    UnitArgument,
    emit,
    one_standard_output,
    print_table,
    write_text,
)
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.golden.config import Config

__all__ = ["PortNames", "generate", "list_units"]


class PortNames(StrEnum):
    """Names of the ports of streams."""

    STREAM = "stream"
    AXI = "axi"


def list_units(json_path: JsonOption = None) -> None:
    """List the units of the catalogue and their configuration fields."""
    units: list[dict[str, Any]] = [
        {
            "unit": unit.name,
            "family": unit.family,
            "summary": unit.summary,
            "parameters": _parameters(unit.config),
        }
        for unit in api.units().values()
    ]
    rows = [
        (
            unit["unit"],
            unit["summary"],
            "\n".join(_describe(name, item) for name, item in unit["parameters"].items()),
        )
        for unit in units
    ]
    emit(
        "list/1",
        {"units": units},
        json_path,
        lambda: print_table("Units", ("unit", "what it is", "fields"), rows),
    )


def generate(
    unit: UnitArgument,
    settings: SetOption,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Verilog file to write; by default standard output.",
        ),
    ] = None,
    ports: Annotated[
        PortNames,
        typer.Option(
            help="Names of the ports: i__valid, i__ready, i__payload, ... or those of AXI-Stream, "
            "s_axis_tvalid, s_axis_tready, s_axis_tdata, ..."
        ),
    ] = PortNames.STREAM,
    core: Annotated[
        bool, typer.Option("--core", help="With -o: write a FuseSoC .core file beside the Verilog.")
    ] = False,
    json_path: JsonOption = None,
) -> None:
    """Generate a unit's Verilog, byte for byte the same each time."""
    from consilico.sim.units.axi_stream import axi_verilog, fusesoc_core
    from consilico.sim.units.catalogue import configure

    one_standard_output(output=output, json=json_path)
    if str(output) == "-":
        output = None
    if core and output is None:
        raise UserError("--core names the Verilog's file, so it needs -o FILE")
    found = api.unit(unit)
    config = configure(found, settings)
    text, top = api.generate(found, config), found.module_name
    if ports is PortNames.AXI:
        text, top = axi_verilog(found, config)
    core_path = None
    if output is not None:
        write_text(output, text)
        if core:
            core_path = output.with_suffix(".core")
            write_text(core_path, fusesoc_core(found, output.name, top, __version__))
    result = {
        "unit": found.name,
        "config": config.to_json(),
        "module": top,
        "file": None if output is None else str(output),
        "core": None if core_path is None else str(core_path),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "verilog": text,
    }
    emit("generate/1", result, json_path, lambda: _show(text, output))


def _show(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
    else:
        print(f"{output}: {text.count(chr(10))} lines")


def _parameters(config: "type[Config]") -> dict[str, dict[str, Any]]:
    parameters: dict[str, dict[str, Any]] = {}
    for item in fields(config):
        entry: dict[str, Any] = {"default": item.default}
        if "range" in item.metadata:
            entry["minimum"], entry["maximum"] = item.metadata["range"]
        else:
            entry["options"] = list(item.metadata["options"])
        parameters[item.name] = entry | {"doc": item.metadata["doc"]}
    return parameters


def _describe(name: str, item: dict[str, Any]) -> str:
    if "options" in item:
        accepted = " | ".join(str(option) for option in item["options"])
    else:
        accepted = f"{item['minimum']}..{item['maximum']}"
    return f"{name}={item['default']}  ({accepted})"
