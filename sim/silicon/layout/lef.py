"""Sizes of cells and places of their pins, read from LEF."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input_text

__all__ = ["Footprint", "RoutingLayer", "read_lef", "routing_layers", "site_name"]

_MOST_BYTES = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """The outline of a cell and the middle of the largest shape of each pin, in um.

    Positions are counted from the lower left corner of the cell in its north orientation.
    """

    width_um: float
    height_um: float
    pins: dict[str, tuple[float, float]]


def read_lef(paths: Sequence[Path]) -> dict[str, Footprint]:
    """Return the footprint of every macro of some LEF files, by name.

    Args:
        paths: LEF files, plain or gzipped; those without macros, such as technology files, add
            nothing.

    Raises:
        UserError: If a file cannot be read or ends within a macro, or a size or a shape is not
            given as numbers.
    """
    found: dict[str, Footprint] = {}
    for path in paths:
        text = read_input_text(path, "LEF file", limit_bytes=_MOST_BYTES)
        statements = _statements(text)
        for words in statements:
            if words[0] == "MACRO" and len(words) > 1:
                found[words[1]] = _macro(path, words[1], statements)
    return found


@dataclass(frozen=True, kw_only=True)
class RoutingLayer:
    """A layer of wires: where its tracks lie, in um."""

    name: str
    horizontal: bool
    pitch_um: float
    offset_um: float  # of the first track
    width_um: float  # of a wire, at least


def routing_layers(paths: Sequence[Path]) -> list[RoutingLayer]:
    """Return the routing layers of some LEF files, the lowest first; none without a technology LEF.

    Args:
        paths: LEF files, as for :func:`read_lef`.

    Raises:
        UserError: If a file cannot be read, or a layer does not give direction, pitch and width.
    """
    found = []
    for path in paths:
        name, said = "", dict[str, list[str]]()
        for words in _statements(read_input_text(path, "LEF file", limit_bytes=_MOST_BYTES)):
            match words:
                case ["MACRO", *_]:
                    break
                case ["LAYER", each]:
                    name, said = each, {}
                case ["END", each] if name and each == name:
                    if said.get("TYPE") == ["ROUTING"]:
                        found.append(_layer(path, name, said))
                    name = ""
                case ["WIDTH", _, _, *_]:
                    pass  # a line of a table of spacings
                case [key, *values] if name:
                    said.setdefault(key, values)
    return found


def _layer(path: Path, name: str, said: dict[str, list[str]]) -> RoutingLayer:
    """Return a routing layer; of two pitches or offsets the first is for vertical tracks' x."""
    if missing := [key for key in ("DIRECTION", "PITCH", "WIDTH") if not said.get(key)]:
        raise UserError(f"{path}: layer {name} has no {missing[0]}")
    horizontal = said["DIRECTION"][0] == "HORIZONTAL"
    pitches = _numbers(path, name, said["PITCH"])
    offsets = _numbers(path, name, said.get("OFFSET", [])) or [each / 2 for each in pitches]
    across = -1 if horizontal else 0
    return RoutingLayer(
        name=name,
        horizontal=horizontal,
        pitch_um=pitches[across],
        offset_um=offsets[across],
        width_um=_numbers(path, name, said["WIDTH"])[0],
    )


def site_name(paths: Sequence[Path]) -> str:
    """Return the name of the site that the macros of some LEF files lie on.

    Args:
        paths: LEF files, as for :func:`read_lef`.

    Returns:
        The name that most macros give, or ``"core"`` where none gives one.

    Raises:
        UserError: If a file cannot be read.
    """
    found: Counter[str] = Counter()
    for path in paths:
        inside = False
        for words in _statements(read_input_text(path, "LEF file", limit_bytes=_MOST_BYTES)):
            match words:
                case ["MACRO", _]:
                    inside = True
                case ["SITE", name, *_] if inside:
                    found[name] += 1
    return found.most_common(1)[0][0] if found else "core"


def _statements(text: str) -> Iterator[list[str]]:
    """Yield the statements of a LEF file as words; MACRO, PIN, PORT and END have no semicolon."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words and words[-1] == ";":
            words.pop()
        if words:
            yield words


def _macro(path: Path, name: str, statements: Iterator[list[str]]) -> Footprint:
    """Read the statements of a macro up to its end."""
    size: tuple[float, float] | None = None
    pins: dict[str, tuple[float, float]] = {}
    pin: str | None = None
    largest = -1.0
    for words in statements:
        match words:
            case ["END", end] if end == name:
                if size is None:
                    raise UserError(f"{path}: macro {name} has no SIZE")
                return Footprint(width_um=size[0], height_um=size[1], pins=pins)
            case ["END", end] if end == pin:
                pin = None
            case ["SIZE", width, "BY", height]:
                size = (*_numbers(path, name, (width, height)),)  # type: ignore[assignment]
            case ["PIN", each]:
                pin, largest = each, -1.0
            case ["RECT" | "POLYGON", *rest] if pin is not None:
                values = _numbers(path, name, (word for word in rest if word not in _NO_NUMBER))
                xs, ys = values[0::2], values[1::2]
                if len(xs) < 2 or len(xs) != len(ys):
                    raise UserError(f"{path}: macro {name}, pin {pin}: a shape lacks a corner")
                area = (max(xs) - min(xs)) * (max(ys) - min(ys))
                if area > largest:
                    largest = area
                    pins[pin] = ((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2)
    raise UserError(f"{path} ends within macro {name}")


_NO_NUMBER = {"(", ")", "ITERATE", "MASK"}


def _numbers(path: Path, name: str, words: Iterable[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise UserError(f"{path}: macro {name}: {error}") from error
