"""``consilico pdk``."""

import typer

from sim.commands.output import JsonOption, emit, print_table

__all__ = ["app"]

app = typer.Typer(help="Process kits.", no_args_is_help=True)


@app.callback()
def pdk() -> None:
    """Process kits: what is described, and what is on this machine."""


@app.command("list")
def list_kits(json_path: JsonOption = None) -> None:
    """List the process kits, where they were found, and how to get those that were not."""
    from sim.silicon.pdk import describe_kits

    kits = describe_kits()
    rows = [
        (
            kit["pdk"],
            f"{kit['node_nm']:g} nm",
            f"{kit['corner']}, {kit['voltage_v']:g} V",
            "yes" if kit["found"] else "no",
            kit["path"] if kit["found"] else kit["how_to_get"],
        )
        for kit in kits
    ]
    columns = ("kit", "node", "corner", "found", "where, or how to get it")
    emit(kits, json_path, lambda: print_table("Process kits", columns, rows))
