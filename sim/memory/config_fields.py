"""The fields of a Hugging Face ``config.json``: read with their types, refused by name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input_text

__all__ = ["ConfigFields", "read_fields", "shown"]

T = TypeVar("T")

_MOST = 1_000_000_000  # of any size or count of a model
_MOST_LAYERS = 10_000  # each is gone through
_LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")
_MOST_BYTES = 4 << 20  # a model configuration has a few kB


def shown(value: object) -> str:
    """Format a value for error messages, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def read_fields(path: Path) -> dict[str, Any]:
    """Return the fields of a file as they are.

    Raises:
        UserError: If it cannot be read, is no JSON object, or gives a field twice.
    """
    try:
        text = read_input_text(path, "model configuration", limit_bytes=_MOST_BYTES)
        config = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"{path}: must be a JSON object, not {type(config).__name__}")
    return config


class ConfigFields:
    """The fields of a configuration, or of a part of one.

    A field that is ``null`` counts as absent. Where several names are given, they are those of one
    field in different versions of a family; the first that is present counts.

    Attributes:
        path: The file, for messages.
        within: What to put before the names of fields in messages, such as ``text_config.``.
    """

    def __init__(
        self,
        path: Path,
        data: Mapping[str, Any],
        within: str = "",
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        """Wrap fields that are read already.

        Args:
            path: The file.
            data: The fields.
            within: As the attribute.
            defaults: Values of fields that are absent.
        """
        self.path, self.within = path, within
        self._data = {**(defaults or {}), **{k: v for k, v in data.items() if v is not None}}

    @classmethod
    def read(cls, path: Path) -> "ConfigFields":
        """Read a file.

        Raises:
            UserError: If it cannot be read, is no JSON object, or gives a field twice.
        """
        return cls(path, read_fields(path))

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def error(self, name: str, problem: str) -> UserError:
        """Return an error about a field, in one line that names file and field."""
        return UserError(f"{self.path}: {self.within}{name} {problem}")

    def value(self, name: str) -> Any:
        """Return a field as it is; None if it is absent."""
        return self._data.get(name)

    def integer(self, *names: str, default: int | None = None, least: int = 1) -> int:
        """Return a field that must be an integer of a size that some model may have.

        Raises:
            UserError: If it is not, or is absent and there is no default.
        """
        name = self._first(names)
        if name is None:
            if default is None:
                raise self.error(names[0], "is missing")
            return default
        value = self._data[name]
        if type(value) is not int or value < least:
            what = "a positive integer" if least else "an integer of 0 or more"
            raise self.error(name, f"must be {what}, not {shown(value)}")
        most = _MOST_LAYERS if name in _LAYERS else _MOST
        if value > most:
            raise self.error(name, f"must be at most {most:,}, not {shown(value)}")
        return value

    def number(self, *names: str, default: float) -> float:
        """Return a field that must be a finite number.

        Raises:
            UserError: If it is not.
        """
        name = self._first(names)
        if name is None:
            return default
        value = self._data[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MOST:
            raise self.error(name, f"must be a number, not {shown(value)}")
        return float(value)

    def flag(self, *names: str, default: bool = False) -> bool:
        """Return a field that must be true or false.

        Raises:
            UserError: If it is not.
        """
        return self._typed(names, bool, "true or false", default)

    def text(self, *names: str, default: str = "") -> str:
        """Return a field that must be a string.

        Raises:
            UserError: If it is not.
        """
        return self._typed(names, str, "a string", default)

    def _typed(self, names: tuple[str, ...], kind: type[T], what: str, default: T) -> T:
        """Return the first of some fields that is there, which must be of a type."""
        name = self._first(names)
        if name is None:
            return default
        value = self._data[name]
        if not isinstance(value, kind):
            raise self.error(name, f"must be {what}, not {shown(value)}")
        return value

    def per_layer(self, name: str, layers: int) -> list[Any] | None:
        """Return a field that must be a list of one value per layer; None if it is absent.

        Raises:
            UserError: If it is not.
        """
        value = self._data.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) < layers:
            raise self.error(name, f"must be a list of {layers} values, not {shown(value)}")
        return value

    def indices(self, name: str) -> frozenset[int]:
        """Return a field that must be a list of layers' numbers; empty if it is absent.

        Raises:
            UserError: If it is not.
        """
        value = self._data.get(name, [])
        if not isinstance(value, list) or not all(type(item) is int for item in value):
            raise self.error(name, f"must be a list of layers' numbers, not {shown(value)}")
        return frozenset(value)

    def part(self, name: str, defaults: Mapping[str, Any] | None = None) -> "ConfigFields":
        """Return the fields of a part, which must be an object; none if it is absent.

        Raises:
            UserError: If it is not.
        """
        value = self._data.get(name, {})
        if not isinstance(value, dict):
            raise self.error(name, f"must be an object, not {shown(value)}")
        return ConfigFields(self.path, value, f"{self.within}{name}.", defaults)

    def _first(self, names: tuple[str, ...]) -> str | None:
        return next((name for name in names if name in self._data), None)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, in which no field may be given twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{shown(twice)} is given twice; accepted: once")
    return found
