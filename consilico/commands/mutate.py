"""Define ``consilico mutate``: how many single faults of a unit its verification would notice."""

from typing import TYPE_CHECKING, Annotated

import typer

from consilico import api
from consilico.commands.output import (
    JsonOption,
    OptionalUnitArgument,
    SetOption,
    emit,
    print_table,
    working,
)
from consilico.commands.rtl import (
    DefineOption,
    IncludeOption,
    MapOption,
    ParameterOption,
    RoleOption,
    RtlOption,
    TopOption,
    TrustOption,
    settings_of,
    unit_asked_for,
)
from consilico.sim.base.errors import UserError

if TYPE_CHECKING:
    from consilico.sim.rtlsim.mutation.score import MutationScore, Survivor

__all__ = ["mutate"]


def mutate(
    settings: SetOption,
    unit: OptionalUnitArgument = None,
    count: Annotated[int, typer.Option(min=1, help="Mutants to make.")] = 200,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of stimuli, stalls and choice of mutants.")
    ] = 1,
    rtl: RtlOption = None,
    top: TopOption = None,
    role: RoleOption = None,
    mapping: MapOption = None,
    include: IncludeOption = None,
    define: DefineOption = None,
    parameter: ParameterOption = None,
    trust: TrustOption = False,
    json_path: JsonOption = None,
) -> None:
    """Put single faults into a unit, or anyone's RTL, and count those that verification notices."""
    from consilico.sim.units.catalogue import configure

    name = unit_asked_for(unit, rtl, top, role)
    if not rtl and (mapping or include or define or parameter or trust):
        raise UserError(
            "--map, --include, --define, --param and --trust are for --rtl, not for units"
        )
    found = api.unit(name)
    config = configure(found, settings)
    with working() as progress:
        if rtl:
            defines, parameters = settings_of(define, parameter)
            result = api.mutate_rtl(
                rtl, str(top), found, config, mapping=mapping, include=include or (),
                defines=defines, parameters=parameters, count=count, seed=seed, trust=trust,
                progress=progress,
            )  # fmt: skip
        else:
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
        ("survived", f"{_place(item)}{item.change}{_shown(item)}", "") for item in result.survived
    ]
    print_table(f"{result.unit}: {counts}: {score}", ("", "what", "mutants"), rows, (2,))


def _place(item: "Survivor") -> str:
    if item.line is None:
        return ""
    return f"{item.file}:{item.line}: " if item.file else f"line {item.line}: "


def _shown(item: "Survivor") -> str:
    known = item.differs_after_cycles is not None
    return f" (differs after {item.differs_after_cycles} cycles)" if known else " (not decided)"
