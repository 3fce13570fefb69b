"""Define ``consilico mutate``: how many single faults of a unit its verification would notice."""

from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import (
    JsonOption,
    SetOption,
    UnitArgument,
    emit,
    print_table,
    working,
)

if TYPE_CHECKING:
    from consilico.sim.rtlsim.mutation.score import MutationScore

__all__ = ["mutate"]


def mutate(
    unit: UnitArgument,
    settings: SetOption,
    count: Annotated[int, typer.Option(min=1, help="Mutants to make.")] = 200,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of stimuli, stalls and choice of mutants.")
    ] = 1,
    json_path: JsonOption = None,
) -> None:
    """Put single faults into a unit, and count those that its verification notices."""
    from consilico.sim.units.catalogue import configure

    found = api.unit(unit)
    config = configure(found, settings)
    with working() as progress:
        result = api.mutate(found, config, count=count, seed=seed, progress=progress)
    emit("mutate/1", result.to_json(), json_path, lambda: _show(result))


def _show(result: "MutationScore") -> None:
    score = "no score" if result.score is None else f"score {result.score:.1%}"
    counts = (
        f"{result.mutants} mutants, {result.killed} killed, "
        f"{result.equivalent} proved equivalent, {len(result.survived)} survived"
    )
    rows = [("killed by", name, str(count)) for name, count in result.killed_by.items() if count]
    rows += [
        ("survived", f"line {item.line}: {item.change}" if item.line else item.change, "")
        for item in result.survived
    ]
    print_table(f"{result.unit}: {counts}: {score}", ("", "what", "mutants"), rows, (2,))
