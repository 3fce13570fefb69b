"""Define ``consilico claims``: what papers claim, checked here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import JsonOption, emit_list, print_table, working

if TYPE_CHECKING:
    from consilico.sim.claims.check import CheckedClaim

__all__ = ["claims"]


def claims(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Paper or claim, such as galore or galore/7b-in-24gb; all of them by default.",
        ),
    ] = None,
    files: Annotated[
        Path | None,
        typer.Option(help="Folder with claim files (TOML) of your own, or one such file."),
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Check published claims: supported, supported only if ..., not supported, not checkable."""
    with working() as progress:
        found = api.claims(names or (), files=files, progress=progress)
    emit_list("claims/1", [claim.to_json() for claim in found], json_path, lambda: _show(found))


def _show(found: "tuple[CheckedClaim, ...]") -> None:
    """Show a line for each claim; a few of them with everything that was found."""
    from consilico.sim.claims.check import counted_words

    if len({claim.paper for claim in found}) == 1:
        for claim in found:
            _show_one(claim)
        return
    rows = [
        (claim.claim, "-" if claim.limit is None else claim.limit.words, claim.measured_words,
         claim.verdict)
        for claim in found
    ]  # fmt: skip
    print_table("Published claims", ("claim", "published", "measured", "verdict"), rows)
    typer.echo(counted_words(found))
    typer.echo("consilico claims NAME says why, and which commands give the figures")


def _show_one(claim: "CheckedClaim") -> None:
    typer.echo(f"{claim.claim}: {claim.verdict}")
    typer.echo(f"  {claim.says} ({claim.source}, {claim.where})")
    if claim.stated:
        typer.echo(f"  Stated: {claim.stated}")
    typer.echo(f"  Why: {claim.why}")
    for item in claim.conditions:
        if item.measured is not None:
            typer.echo(f"  {item.measured.words}: {item.given}\n    {item.command}")
    typer.echo("")
