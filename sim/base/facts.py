"""Facts: frozen dataclasses that become JSON at the edge and come back from it.

Between rooms travel dataclasses, not dictionaries. :class:`Facts` gives them one way to JSON (field
by field, under the fields' names) and one way back, by the fields' types. So a result that
:func:`cached_facts` finds in the cache is the same dataclass that a fresh computation returns.
"""

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from typing import (
    Any,
    ClassVar,
    Literal,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from consilico.sim.base.results import cached

__all__ = ["Facts", "cached_facts", "plain"]

Kind = TypeVar("Kind", bound="Facts")


class Facts:
    """Base of frozen dataclasses whose values are numbers, text, lists, dictionaries and Facts.

    A subclass whose JSON has other keys than its fields (``from`` is no field name) overrides
    :meth:`to_json`, and :meth:`from_json` where it is read back.
    """

    derived: ClassVar[tuple[str, ...]] = ()
    """Names of properties that :meth:`to_json` adds to the fields; reading back computes them."""

    def to_json(self) -> dict[str, Any]:
        """Return what JSON carries: the fields by name, in order, and the derived properties."""
        names = [item.name for item in dataclasses.fields(self)]  # type: ignore[arg-type]
        return {name: plain(getattr(self, name)) for name in (*names, *self.derived)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the dataclass that :meth:`to_json` made ``value`` from.

        Raises:
            KeyError: If a field without a default is missing.
        """
        return cls(
            **{
                name: _typed(kind, value[name])
                for name, kind, has_default in _fields(cls)
                if name in value or not has_default
            }
        )


def cached_facts(
    kind: type[Kind],
    folder: str,
    key: str,
    compute: Callable[[], Kind],
    keep: Callable[[Kind], bool] | None = None,
) -> Kind:
    """Return the facts cached under ``key``, computing and storing them where there are none.

    Args:
        kind: The dataclass; it is read back with its :meth:`Facts.from_json`.
        folder: Name of the cache folder, such as ``"verify"``.
        key: Digest of everything that the facts depend on (see :mod:`consilico.sim.base.results`).
        compute: Makes the facts.
        keep: Tells whether to store them; all are stored if not given.
    """
    found = cached(
        folder,
        key,
        lambda: compute().to_json(),
        keep=None if keep is None else lambda value: keep(kind.from_json(value)),
    )
    return kind.from_json(found)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: Facts as objects, tuples as lists."""
    if isinstance(value, Facts):
        return value.to_json()
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def _fields(cls: type[Facts]) -> tuple[tuple[str, Any, bool], ...]:
    """Return the name and type of each field, and whether it has a default."""
    hints = get_type_hints(cls)
    missing = dataclasses.MISSING
    return tuple(
        (
            item.name,
            hints[item.name],
            item.default is not missing or item.default_factory is not missing,
        )
        for item in dataclasses.fields(cls)  # type: ignore[arg-type]
        if item.init
    )


def _typed(kind: Any, value: Any) -> Any:
    """Return a JSON value as the type that a field declares."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _typed(_member(inner, value), value)
    if isinstance(kind, type) and issubclass(kind, Facts):
        return kind.from_json(value)
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(_typed(inner[0], item) for item in value)
    if origin is tuple:
        return tuple(_typed(part, item) for part, item in zip(inner, value, strict=True))
    if origin is list:
        return [_typed(inner[0], item) for item in value]
    if origin in (dict, Mapping):
        return {name: _typed(inner[1], item) for name, item in value.items()}
    if kind is float and type(value) is int:
        return float(value)
    return value


def _member(kinds: tuple[Any, ...], value: Any) -> Any:
    """Return the member of a union that a JSON value is of."""
    for kind in kinds:
        if value is None:
            fits = kind is types.NoneType
        elif isinstance(kind, type) and issubclass(kind, Facts):
            fits = isinstance(value, Mapping)
        else:
            container = get_origin(kind) or kind
            if container is Literal:
                fits = value in get_args(kind)
            elif container in (tuple, list):
                fits = isinstance(value, list)
            elif container in (dict, Mapping):
                fits = isinstance(value, Mapping)
            else:
                fits = kind is Any or type(value) is kind or (kind is float and type(value) is int)
        if fits:
            return kind
    raise TypeError(f"{value!r} is none of {', '.join(map(str, kinds))}")
