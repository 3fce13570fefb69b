"""Verilog expressions of a mapping file: names are checked, lanes are written out."""

import re
from collections.abc import Callable, Mapping

from consilico.sim.base.errors import UserError
from consilico.sim.units.layout import Layout

__all__ = ["field_signals", "identifier", "of_fields", "of_ports"]

_LANE = "lane"  # in an expression: the number of the lane that it is written out for
_NAME = re.compile(
    r"(?P<literal>\d*\s*'s?[bodhBODH]\s*[\w?]+)|\\(?P<escaped>\S+)|(?P<name>[A-Za-z_][\w$]*(?:\.\w+)*)"
)
_PLAIN = re.compile(r"[A-Za-z_][\w$]*")
_FIELD_OF_LANE = re.compile(rf"([A-Za-z_][\w$]*(?:\.\w+)*)\s*\[\s*{_LANE}\s*\]")
_FORBIDDEN = re.compile(r"[;`\"$\n]|//|/\*")  # more than an expression
_KNOWN_FUNCTIONS = {"$signed", "$unsigned"}


def identifier(name: str) -> str:
    """Return a name as Verilog writes it: with a backslash and a blank where it is no plain one."""
    return name if _PLAIN.fullmatch(name) else f"\\{name} "


def field_signals(layout: Layout, prefix: str, payload: str) -> list[str]:
    """Return declarations of a wire per field: of an array all lanes, lane 0 in the lowest bits.

    Args:
        layout: The payload's fields.
        prefix: Of the wires' names.
        payload: Name of the vector that holds the payload.
    """
    lines = []
    for name, fields in layout.by_name.items():
        width = fields[0].width
        parts = ", ".join(f"{payload}[{each.offset} +: {width}]" for each in reversed(fields))
        lines.append(f"  wire [{width * len(fields) - 1}:0] {_signal(prefix, name)} = {{{parts}}};")
    return lines


def of_fields(text: str, layout: Layout, prefix: str, where: str) -> str:
    """Return an expression over the fields of a payload as one over their wires.

    ``lane`` in it writes it out for every lane, lane 0 in the lowest bits; ``field[lane]`` is then
    the field's number in that lane.

    Raises:
        UserError: If it names what is no field, or fields of different numbers of lanes with
            ``lane``; the message begins with ``where``.
    """
    names = layout.by_name

    def signal(name: str) -> str:
        if name not in names:
            raise UserError(f"{where}: {name!r} is no field; accepted: {', '.join(names)}, {_LANE}")
        return _signal(prefix, name)

    def lane_of(name: str, lane: int) -> str:
        width = names[name][0].width if name in names else 1
        return f"{signal(name)}[{lane * width} +: {width}]"

    used = [name for name in _names(text) if name in names and names[name][0].lane is not None]
    return _written_out(text, signal, lane_of, max((len(names[each]) for each in used), default=1),
                        where)  # fmt: skip


def of_ports(text: str, ports: Mapping[str, int], prefix: str, lanes: int, where: str) -> str:
    """Return an expression over the output ports of a design as one over their wires.

    Args:
        text: The expression; a port whose name is no plain one is written as in Verilog.
        ports: Widths in bits by name.
        prefix: Of the wires' names.
        lanes: Lanes that ``lane`` writes it out for; ``port[lane]`` is then the lane's share.
        where: What messages begin with.

    Raises:
        UserError: If it names what is no output port.
    """

    def signal(name: str) -> str:
        if name not in ports:
            raise UserError(
                f"{where}: {name!r} is no output of the design; accepted: {', '.join(ports)}"
            )
        return identifier(f"{prefix}{name}")

    def lane_of(name: str, lane: int) -> str:
        width = ports.get(name, lanes) // lanes
        return f"{signal(name)}[{lane * width} +: {width}]"

    return _written_out(text, signal, lane_of, lanes, where)


def _written_out(
    text: str,
    signal: Callable[[str], str],
    lane_of: Callable[[str, int], str],
    lanes: int,
    where: str,
) -> str:
    bare = text
    for function in _KNOWN_FUNCTIONS:
        bare = bare.replace(function, "")
    if text.strip() == "?":
        raise UserError(f"{where} is still to be filled in")
    if not text.strip() or _FORBIDDEN.search(bare):
        raise UserError(f"{where}: {text!r} is no Verilog expression of this file")
    if _LANE not in _names(text):
        return _translated(text, signal, None)
    parts = []
    for lane in reversed(range(lanes)):
        chosen: dict[str, str] = {}

        def keep(match: re.Match[str], lane: int = lane, chosen: dict[str, str] = chosen) -> str:
            key = f"lane_of_{len(chosen)}"
            chosen[key] = lane_of(match[1], lane)
            return key

        kept = _FIELD_OF_LANE.sub(keep, text)
        parts.append(_translated(kept, signal, {**chosen, _LANE: str(lane)}))
    return f"{{{', '.join(parts)}}}"


def _translated(text: str, signal: Callable[[str], str], known: Mapping[str, str] | None) -> str:
    def replaced(match: re.Match[str]) -> str:
        name = match["name"] or match["escaped"]
        if name is None or match.string[match.start() - 1 : match.start()] == "$":
            return match[0]
        return known[name] if known and name in known else signal(name)

    return _NAME.sub(replaced, text)


def _names(text: str) -> list[str]:
    found = (match["name"] or match["escaped"] for match in _NAME.finditer(text))
    return [name for name in found if name]


def _signal(prefix: str, name: str) -> str:
    return f"{prefix}{name.replace('.', '__')}"
