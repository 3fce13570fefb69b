"""Give a command an option for each setting of a training run, made from the setting itself.

A setting is declared once, in :mod:`consilico.sim.memory.settings`: its name, default, meaning and
what it accepts. Options that were not given are not handed on, so that a recipe may decide them.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Annotated, Any

import typer

from consilico.sim.memory.settings import Settings

__all__ = ["with_settings"]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that has the options of ``command`` and those of all settings.

    Args:
        command: Takes its own options by name, and the settings that were given as ``**given``.
    """

    def run(**values: Any) -> None:
        names = {item.name for item in fields(Settings)}
        given = {name: values.pop(name) for name in names & set(values)}
        command(**values, **{name: value for name, value in given.items() if value is not None})

    own = [p for p in inspect.signature(command).parameters.values() if p.kind != p.VAR_KEYWORD]
    parameters = [*own, *_options()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__, run.__name__ = command.__doc__, command.__name__
    return run


def _options() -> list[inspect.Parameter]:
    """Return a parameter for each setting; its value is None where the option is not given."""
    found = []
    for item in fields(Settings):
        described = item.metadata
        flag = f"--{described['flag'] or item.name.replace('_', '-')}"
        kind = type(item.default)
        names = [f"{flag}/--no-{flag[2:]}" if kind is bool else flag]
        option = typer.Option(
            *names,
            help=_help(described["doc"], described.get("options", ()) if kind is str else ()),
            show_default="off" if kind is bool else str(item.default),
            rich_help_panel=described["panel"],
        )
        found.append(
            inspect.Parameter(
                item.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[kind | None, option],
            )
        )
    return found


def _help(meaning: str, accepted: Sequence[str]) -> str:
    """Return the meaning of a setting as a sentence, and what it accepts if that does not say."""
    sentence = f"{meaning[0].upper()}{meaning[1:]}."
    if all(value in meaning for value in accepted):
        return sentence
    return f"{sentence} Accepted: {', '.join(accepted)}."
