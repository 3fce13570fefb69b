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
    """List process kits and their corners: where they were found, or how to get them."""
    from sim.silicon.pdk import describe_kits

    kits = describe_kits()
    rows = [
        (
            kit["pdk"] if kit["default"] else f"{kit['pdk']}:{kit['corner']}",
            f"{kit['node_nm']:g} nm" if kit["node_nm"] else "not known",
            f"{kit['corner']}, {kit['voltage_v']:g} V",
            "yes" if kit["found"] else "no",
            kit["path"] if kit["found"] else kit["how_to_get"],
        )
        for kit in kits
    ]
    columns = ("--pdk", "node", "corner", "found", "where, or how to get it")
    emit(kits, json_path, lambda: print_table("Process kits", columns, rows))
