"""Define configurations: frozen dataclasses whose fields state what they accept.

One configuration object describes a unit everywhere: the golden model, the generator, the estimator
and the report all take it.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

__all__ = ["Config", "check_fields", "choice", "integer"]


def integer(default: int, low: int, high: int, doc: str, **only_with: Any) -> Any:
    """Declare a field that accepts integers in ``[low, high]``.

    Args:
        default: Value of the field when it is not given.
        low: Least accepted value.
        high: Greatest accepted value.
        doc: Meaning of the field in a few words, as ``consilico list`` prints it.
        **only_with: Values of other fields with which this one matters, if it does not always.
    """
    described = {"range": (low, high), "doc": doc, "only_with": only_with}
    return field(default=default, metadata=described)


def choice(default: Any, options: Iterable[Any], doc: str) -> Any:
    """Declare a field that accepts one of several values.

    Args:
        default: Value of the field when it is not given.
        options: The accepted values, all of the type of ``default``.
        doc: Meaning of the field in a few words, as ``consilico list`` prints it.
    """
    return field(default=default, metadata={"options": tuple(options), "doc": doc})


def check_fields(config: Any) -> None:
    """Check the fields of a dataclass that :func:`integer` and :func:`choice` describe.

    Raises:
        ValueError: If a field's value is not accepted; the message names the field, the value
            and what is accepted.
    """
    for item in fields(config):
        value = getattr(config, item.name)
        if "range" in item.metadata:
            low, high = item.metadata["range"]
            if type(value) is not int or not low <= value <= high:
                raise ValueError(
                    f"{item.name} must be an integer in [{low}, {high}], not {value!r}"
                )
        elif "options" in item.metadata and value not in item.metadata["options"]:
            accepted = ", ".join(map(str, item.metadata["options"]))
            raise ValueError(f"{item.name} must be one of {accepted}, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base class of all configurations.

    A subclass is a frozen dataclass whose fields are made with :func:`integer` and :func:`choice`.
    Its values are checked when it is created. It can be made from the text of a command line and
    written as JSON.

    Raises:
        ValueError: If a field's value is not accepted; the message names the field, the value and
            what is accepted.
    """

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def from_text(cls, settings: Iterable[tuple[str, str]]) -> Self:
        """Return the configuration that ``(field, text)`` pairs of a command line describe.

        Fields that are not mentioned keep their defaults.

        Raises:
            ValueError: If a field is unknown or given twice, or a value is not accepted.
        """
        known = {item.name: item for item in fields(cls)}
        values: dict[str, Any] = {}
        for name, text in settings:
            if name not in known:
                raise ValueError(f"unknown field {name!r}; accepted: {', '.join(known)}")
            if name in values:
                raise ValueError(f"{name} is given twice; accepted: once")
            try:
                values[name] = int(text)
            except ValueError:
                values[name] = text
            options = known[name].metadata.get("options", ())
            if True in options and text.lower() in ("true", "false"):
                values[name] = text.lower() == "true"
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Return the field values by name."""
        return asdict(self)
