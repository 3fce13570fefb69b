"""Choose configurations of a unit at the edges of what its fields accept."""

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields
from itertools import combinations, product
from typing import Any

from consilico.golden.config import Config
from consilico.sim.units.unit import Unit

__all__ = ["Edges", "edges", "settings"]


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Configurations to verify, and edges that no configuration has."""

    configs: tuple[Config, ...]  # the default first
    left_out: tuple[tuple[str, str], ...]  # field=value, and why


def edges(unit: Unit) -> Edges:
    """Return the default of a unit, and a configuration at each edge of each field.

    An edge is the least and the greatest value of an integer, and each value of a choice; the other
    fields keep their defaults, but those that have to be changed for the field to matter. Where
    these do not go together, one other field is changed to an edge of its own, or two are; where
    that does not help either, the edge is left out.
    """
    kinds = {item.name: item for item in fields(unit.config)}
    default = unit.config()
    configs = {default: None}
    left_out = []
    for name, item in kinds.items():
        for value in _edges_of(item):
            if getattr(default, name) == value:
                continue
            found, why = _configured(unit, name, value, kinds)
            if found is None:
                left_out.append((f"{name}={value}", why))
            else:
                configs[found] = None
    return Edges(configs=tuple(configs), left_out=tuple(left_out))


def settings(config: Config) -> list[str]:
    """Return ``field=value`` for each field of a configuration that has not its default."""
    default = type(config)()
    return [
        f"{item.name}={getattr(config, item.name)}"
        for item in fields(config)
        if getattr(config, item.name) != getattr(default, item.name)
    ]


def _edges_of(item: "Field[Any]") -> tuple[Any, ...]:
    if "range" in item.metadata:
        return tuple(dict.fromkeys(item.metadata["range"]))
    return tuple(item.metadata["options"])


def _configured(
    unit: Unit, name: str, value: Any, kinds: "dict[str, Field[Any]]"
) -> tuple[Config | None, str]:
    """Return a configuration with a value of a field, or None and why there is none."""
    why, needed = "", kinds[name].metadata.get("only_with", {})
    for changed in _changes([item for key, item in kinds.items() if key != name]):
        try:
            return unit.config(**{**needed, name: value, **changed}), ""
        except ValueError as error:
            why = why or str(error)
    return None, why


def _changes(others: "list[Field[Any]]") -> Iterator[dict[str, Any]]:
    """Yield nothing changed, then each edge of each field, then those of each two fields."""
    for count in range(3):
        for chosen in combinations(others, count):
            for values in product(*(_edges_of(item) for item in chosen)):
                yield {item.name: value for item, value in zip(chosen, values, strict=True)}
