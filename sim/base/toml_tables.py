"""Users' TOML files, read field by field: one line names what is wrong with a field.

A reader asks a :class:`TomlTable` for each field that it knows, then calls :meth:`TomlTable.done`:
what nothing asked for is refused.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input_text

__all__ = ["TomlTable", "read_toml"]

_MOST_BYTES = 4 << 20  # such a file has a few kB
_MOST = 1e15  # of any number in such a file


def read_toml(path: Path, what: str) -> "TomlTable":
    """Return the top table of a file.

    Args:
        path: The file.
        what: What it is, for messages, such as ``"kit file"``.

    Raises:
        UserError: If it cannot be read or is no TOML.
    """
    try:
        data = tomllib.loads(read_input_text(path, what, limit_bytes=_MOST_BYTES))
    except (ValueError, RecursionError) as error:  # ValueError: of a number of 5,000 digits, too
        raise UserError(f"{path} is not TOML: {error}") from error
    return TomlTable(path, "", data)


class TomlTable:
    """A table of a user's file; a field that is never asked for is unknown."""

    def __init__(self, path: Path, place: str, data: dict[str, Any]) -> None:
        self.path, self.place, self.data = path, place, data
        self.known: list[str] = []

    def error(self, field: str, problem: str) -> UserError:
        """Return the error of a field: one line that names it and the file."""
        where = ".".join(part for part in (self.place, field) if part)
        return UserError(f"{self.path}: {where} {problem}")

    def done(self) -> None:
        """Refuse fields that nothing asked for."""
        for field in self.data:
            if field not in self.known:
                raise self.error(field, f"is unknown; accepted: {', '.join(self.known)}")

    def text(self, field: str, default: str | None = None) -> str:
        """Return a text that is not empty."""
        value = self._get(field, default)
        if not isinstance(value, str) or (not value and field in self.data):
            raise self.error(field, f"must be a text, not {value!r}")
        return value

    def texts(self, field: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a list of texts; where the field is needed, not an empty one."""
        value = self._get(field, default)
        good = isinstance(value, list | tuple) and all(isinstance(x, str) and x for x in value)
        if not good or (default is None and not value):
            raise self.error(field, f"must be a list of texts, not {value!r}")
        return tuple(value)

    def number(self, field: str, optional: bool = False) -> float | None:
        """Return a finite number above 0."""
        value = self._get(field, 1 if optional else None)
        if optional and field not in self.data:
            return None
        if type(value) not in (int, float) or not 0 < value < _MOST:
            raise self.error(field, f"must be a number above 0, not {repr(value)[:80]}")
        return value  # type: ignore[no-any-return]

    def choice(self, field: str, accepted: Sequence[str], default: str | None = None) -> str:
        """Return a text that is one of those accepted."""
        value = self._get(field, default)
        if not isinstance(value, str) or value not in accepted:
            raise self.error(field, f"must be one of {', '.join(accepted)}, not {value!r}")
        return str(value)

    def integer(self, field: str, default: int) -> int:
        """Return a whole number that is not negative."""
        value = self._get(field, default)
        if type(value) is not int or not 0 <= value < _MOST:
            raise self.error(field, f"must be a whole number, not {repr(value)[:80]}")
        return value

    def quantity(self, field: str) -> float:
        """Return a number above 0 that must be there."""
        value = self.number(field)
        assert value is not None
        return value

    def table(self, field: str) -> list["TomlTable"]:
        """Return the table of that name in a list, which is empty where there is none."""
        value = self._get(field, {})
        if not isinstance(value, dict):
            raise self.error(field, f"must be a table, not {value!r}")
        found = TomlTable(self.path, f"{self.place}.{field}".strip("."), value)
        return [found] if field in self.data else []

    def tables(self, field: str) -> list["TomlTable"]:
        """Return the tables of an array that must have one at least."""
        value = self._get(field, None)
        if not (isinstance(value, list) and value and all(isinstance(x, dict) for x in value)):
            raise self.error(field, f"must be given as one or more [[{field}]] tables")
        return [
            TomlTable(self.path, f"{self.place}.{field} {index}".strip("."), item)
            for index, item in enumerate(value, 1)
        ]

    def _get(self, field: str, default: Any) -> Any:
        self.known.append(field)
        if field not in self.data and default is None:
            raise self.error(field, "is missing")
        return self.data.get(field, default)
