"""``consilico list`` and ``consilico generate``."""

import hashlib
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consilico import api
from consilico.commands.output import JsonOption, SetOption, UnitArgument, emit, print_table

if TYPE_CHECKING:
    from consilico.golden.config import Config

__all__ = ["generate", "list_units"]


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
    json_path: JsonOption = None,
) -> None:
    """Generate a unit's Verilog, byte for byte the same each time."""
    from consilico.sim.base.files import write_atomic
    from consilico.sim.units.catalogue import configure

    found = api.unit(unit)
    config = configure(found, settings)
    text = api.generate(found, config)
    if output is not None:
        write_atomic(output, text)
    result = {
        "unit": found.name,
        "config": config.to_json(),
        "module": found.module_name,
        "file": None if output is None else str(output),
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
