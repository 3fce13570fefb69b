"""What every configuration shares: fields with accepted ranges, checked when it is made."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

__all__ = ["Config", "choice", "integer"]


def integer(default: int, low: int, high: int, doc: str) -> Any:
    """Field that holds an integer in ``[low, high]``."""
    return field(default=default, metadata={"range": (low, high), "doc": doc})


def choice(default: Any, options: Iterable[Any], doc: str) -> Any:
    """Field that holds one of the ``options``, all of the type of ``default``."""
    return field(default=default, metadata={"options": tuple(options), "doc": doc})


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base of the configurations: frozen, checked, made from text, turned into JSON.

    Raises:
        ValueError: If a field's value is not accepted; the message names the field, the value
            and what is accepted.
    """

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if "range" in item.metadata:
                low, high = item.metadata["range"]
                if type(value) is not int or not low <= value <= high:
                    raise ValueError(
                        f"{item.name} must be an integer in [{low}, {high}], not {value!r}"
                    )
            elif value not in (options := item.metadata["options"]):
                accepted = ", ".join(str(option) for option in options)
                raise ValueError(f"{item.name} must be one of {accepted}, not {value!r}")

    @classmethod
    def from_text(cls, settings: Iterable[tuple[str, str]]) -> Self:
        """Make a configuration from ``(field, text)`` pairs, as a command line gives them.

        Raises:
            ValueError: If a field is unknown or a value is not accepted.
        """
        known = {item.name: item for item in fields(cls)}
        values: dict[str, Any] = {}
        for name, text in settings:
            if name not in known:
                raise ValueError(f"unknown field {name!r}; accepted: {', '.join(known)}")
            try:
                values[name] = int(text)
            except ValueError:
                values[name] = text
            options = known[name].metadata.get("options", ())
            if True in options and text.lower() in ("true", "false"):
                values[name] = text.lower() == "true"
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Field values by name."""
        return asdict(self)
