"""Define ``consilico pdk``: process kits, and where they were found."""

from typing import TYPE_CHECKING

import typer

from consilico import api
from consilico.commands.output import JsonOption, emit, print_table

if TYPE_CHECKING:
    from consilico.sim.silicon.kits.kit import KitCorner

__all__ = ["app"]

app = typer.Typer()


@app.callback()
def pdk() -> None:
    """Look up process kits: which there are, and which are on this machine."""


@app.command("list")
def list_kits(json_path: JsonOption = None) -> None:
    """List process kits and their corners: where they were found, or how to get them."""
    kits = api.kits()
    emit("pdk-list/1", {"kits": [kit.to_json() for kit in kits]}, json_path, lambda: _show(kits))


def _show(kits: "list[KitCorner]") -> None:
    """Print a short table, then paths and advice below it, where no column breaks them."""
    rows = [
        (
            _option(kit),
            f"{kit.node_nm:g} nm" if kit.node_nm else "not known",
            kit.corner,
            f"{kit.voltage_v:g} V",
            "yes" if kit.found else "no",
        )
        for kit in kits
    ]
    print_table("Process kits", ("--pdk", "node", "corner", "voltage", "found"), rows)
    for kit in kits:
        if kit.found:
            print(f"{_option(kit)}: {kit.path}")
    missing: dict[str, list[str]] = {}
    for kit in kits:
        if not kit.found:
            missing.setdefault(kit.how_to_get, []).append(_option(kit))
    if missing:
        print("\nTo get the others:")
    for how, names in missing.items():
        print(f"{', '.join(names)}: {how}")


def _option(kit: "KitCorner") -> str:
    return str(kit.pdk if kit.default else f"{kit.pdk}:{kit.corner}")
