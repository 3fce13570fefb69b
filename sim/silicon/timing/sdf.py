"""Read SDF (IEEE 1497): delays of the cells and wires of a netlist, as timing tools write them.

What a simulation needs is kept: ``IOPATH`` through cells, with condition and edge, and
``INTERCONNECT`` and ``PORT`` to pins. Timing checks are left out. Of ``min:typ:max`` the last
number that is there counts, so that a clock which meets timing in the tool that wrote the file does
so with these delays.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input_text
from consilico.sim.silicon.liberty.boolean import parse_function

__all__ = ["Arc", "Sdf", "Span", "read_sdf"]

_MOST_BYTES = 1 << 30
_MOST_DEPTH = 50  # of parentheses
_MOST_PS = 1e9  # of a delay: a millisecond is damage, not a delay
_PICOSECONDS = {"s": 1e12, "ms": 1e9, "us": 1e6, "ns": 1e3, "ps": 1.0, "fs": 1e-3}
_TOKEN = re.compile(r'(?:\s|//[^\n]*|/\*.*?\*/)*("[^"]*"|[()]|(?:\\.|[^\s()"\\])+|\S|$)', re.S)
_ACCEPTED = "accepted: IOPATH, INTERCONNECT and PORT, alone or in COND and CONDELSE"
_OPERATORS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"([\w\[\]]+)\s*={2,3}\s*(?:1'b)?1(?![\w'])", r"\1"),
        (r"([\w\[\]]+)\s*={2,3}\s*(?:1'b)?0(?![\w'])", r"!\1"),
        (r"(?<!\w)1'b([01])(?!\w)", r"\1"),
        (r"&&", "&"),
        (r"\|\|", "|"),
        (r"~", "!"),
        (r"\\", ""),
    )
)
Node = str | list["Node"]


class Span(NamedTuple):
    """The delay of a rise and of a fall in ps; None where such an edge does not happen."""

    rise_ps: float | None
    fall_ps: float | None


class Arc(NamedTuple):
    """One delay through a cell; rise and fall are those of the output."""

    input: str
    output: str
    delay: Span
    edge: str | None = None  # "posedge" or "negedge" where only that edge of the input counts
    condition: str | None = None  # as a Liberty expression, such as ``B&!C``; None: always


@dataclass(frozen=True, kw_only=True, eq=False)
class Sdf:
    """The delays in one SDF file."""

    path: Path
    # by path of the instance, modules joined by "/"
    arcs: dict[str, list[Arc]] = field(default_factory=dict)
    # of the wire to a pin or port, by its path, such as ``block/_12_/A``; the longest if several
    wires: dict[str, Span] = field(default_factory=dict)


def read_sdf(path: Path) -> Sdf:
    """Read an SDF file.

    Args:
        path: SDF of any version, plain or gzipped.

    Raises:
        UserError: If the file cannot be read, is no SDF or is damaged, holds delays of a kind that
            is not accepted, or none at all. The message names the line.
    """
    text = read_input_text(path, "SDF file", limit_bytes=_MOST_BYTES, unzip=True)
    if not re.match(r"\s*(?://[^\n]*\s*)*\(\s*DELAYFILE\b", text, re.I):
        raise UserError(f"{path} is no SDF file: it does not begin with (DELAYFILE")
    reader = _Reader(path, text)
    for line, section in reader.sections():
        reader.take(line, section)
    if not reader.found.arcs:
        raise UserError(f"{path} has no delay of a cell (IOPATH)")
    return reader.found


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.found = Sdf(path=path)
        self._text = text
        self._unit_ps = 1e3  # 1 ns, if the file does not say
        self._divider = "."
        self._line = 1

    def refuse(self, problem: str) -> NoReturn:
        raise UserError(f"{self.path}, line {self._line}: {problem}")

    def sections(self) -> Iterator[tuple[int, list[Node]]]:
        """Yield line and content of each part of the file, one at a time: files are long."""
        open_: list[list[Node]] = []
        line, counted = 1, 0
        for match in _TOKEN.finditer(self._text):
            token = match[1]
            if token == "(":
                if len(open_) == 1:
                    line += self._text.count("\n", counted, match.start(1))
                    counted, self._line = match.start(1), line
                if len(open_) >= _MOST_DEPTH:
                    self.refuse(f"parentheses more than {_MOST_DEPTH} deep")
                open_.append([])
            elif token == ")":
                if not open_:
                    self.refuse("a closing parenthesis too many")
                done = open_.pop()
                if len(open_) > 1:
                    open_[-1].append(done)
                elif open_:
                    yield line, done
                elif self._text[match.end() :].strip():
                    self.refuse("text behind the end of DELAYFILE")
                else:
                    return
            elif token:
                open_[-1].append(token)
        self.refuse("the file ends within what begins here")

    def take(self, line: int, section: list[Node]) -> None:
        """Take what one part of the file says."""
        self._line = line
        match section:
            case [str(word), *rest] if word.upper() == "TIMESCALE":
                text = "".join(part for part in rest if isinstance(part, str))
                scale = re.fullmatch(r"(1(?:00?)?)(?:\.0*)?([munpf]?s)", text)
                if scale is None:
                    self.refuse(f"TIMESCALE is {text!r}; accepted: such as 1ns or 100ps")
                self._unit_ps = int(scale[1]) * _PICOSECONDS[scale[2]]
            case [str(word), str(mark)] if word.upper() == "DIVIDER":
                if mark not in ("/", "."):
                    self.refuse(f"DIVIDER is {mark!r}; accepted: / or .")
                self._divider = mark
            case [str(word), *parts] if word.upper() == "CELL":
                self._cell(parts)
            case [str(_), *_]:
                pass  # the rest of the head: who wrote it, voltage, temperature
            case _:
                self.refuse("a part of the file without a name")

    def _cell(self, parts: Sequence[Node]) -> None:
        instance = None
        for part in parts:
            match part:
                case [str(word)] if word.upper() == "INSTANCE":
                    instance = ""
                case [str(word), str(name)] if word.upper() == "INSTANCE":
                    if name == "*":
                        self.refuse("INSTANCE is *; accepted: one instance")
                    instance = self._name(name)
                case [str(word), *groups] if word.upper() == "DELAY":
                    if instance is None:
                        self.refuse("a CELL without INSTANCE")
                    for group in groups:
                        self._group(instance, group)

    def _group(self, instance: str, group: Node) -> None:
        match group:
            case [str(word), *entries] if word.upper() == "ABSOLUTE":
                for entry in entries:
                    self._entry(instance, entry, None)
            case [str(word), *_]:
                self.refuse(f"delays are given as {word}; accepted: ABSOLUTE")
            case _:
                self.refuse("DELAY without ABSOLUTE")

    def _entry(self, instance: str, entry: Node, condition: str | None) -> None:
        match entry:
            case [str(word), *said, list(path)] if word.upper() in ("COND", "CONDELSE"):
                self._entry(instance, path, self._condition(said))
            case [str(word), source, str(output), *values] if word.upper() == "IOPATH":
                edge, pin = self._source(source)
                arc = Arc(_plain(pin), _plain(output), self._span(values), edge, condition)
                self.found.arcs.setdefault(instance, []).append(arc)
            case [str(word), str(_), str(pin), *values] if word.upper() == "INTERCONNECT":
                self._wire(instance, pin, values)
            case [str(word), str(pin), *values] if word.upper() == "PORT":
                self._wire(instance, pin, values)
            case [str(word), *_]:
                self.refuse(f"{word} is not understood; {_ACCEPTED}")
            case _:
                self.refuse(f"{_written([entry])[:60]!r} is no delay; {_ACCEPTED}")

    def _source(self, source: Node) -> tuple[str | None, str]:
        """Return edge and pin where an IOPATH begins, from ``A`` or ``(posedge A)``."""
        match source:
            case str(pin):
                return None, pin
            case [str(edge), str(pin)] if edge in ("posedge", "negedge"):
                return edge, pin
        self.refuse(f"IOPATH begins at {_written([source])[:60]!r}; accepted: a pin, or its edge")

    def _condition(self, said: Sequence[Node]) -> str | None:
        """Return a condition as Liberty writes it; None for that of a CONDELSE without one."""
        names = [node for node in said if not (isinstance(node, str) and node.startswith('"'))]
        if not names:
            return None
        text = _written(names)
        for pattern, replacement in _OPERATORS:
            text = pattern.sub(replacement, text)
        try:
            parse_function(text)
        except UserError:
            self.refuse(f"cannot read the condition {_written(said)[:80]!r}")
        return text

    def _wire(self, instance: str, pin: str, values: Sequence[Node]) -> None:
        name = self._name(pin)
        full = f"{instance}/{name}" if instance else name
        span, known = self._span(values), self.found.wires.get(full, Span(None, None))
        self.found.wires[full] = Span(
            _longer(span.rise_ps, known.rise_ps), _longer(span.fall_ps, known.fall_ps)
        )

    def _span(self, values: Sequence[Node]) -> Span:
        delays = [
            self._delay(value)
            for value in values
            if isinstance(value, str) or value[:1] not in (["RETAIN"], ["retain"])
        ]
        if not delays:
            self.refuse("a delay without a value")
        return Span(delays[0], delays[min(1, len(delays) - 1)])

    def _delay(self, value: Node) -> float | None:
        """Return a delay in ps, from ``(0.1:0.2:0.3)``, ``(0.1::0.3)``, ``(0.2)`` or ``()``."""
        if isinstance(value, list) and value and isinstance(value[0], list):
            value = value[0]  # limits of pulses follow it
        words = value if isinstance(value, list) else [value]
        text = "".join(word for word in words if isinstance(word, str))
        given = [number for number in text.split(":") if number]
        if not given:
            return None
        try:
            found = float(given[-1]) * self._unit_ps
        except ValueError:
            found = float("nan")
        if not abs(found) <= _MOST_PS:
            self.refuse(f"{text[:40]!r} is no delay; accepted: a number or min:typ:max")
        return found

    def _name(self, name: str) -> str:
        """Return a path as a netlist has it: without escapes, joined by ``/``."""
        parts = re.split(rf"(?<!\\){re.escape(self._divider)}", name)
        return "/".join(_plain(part) for part in parts)


def _plain(name: str) -> str:
    return name.replace("\\", "")


def _written(nodes: Sequence[Node]) -> str:
    return " ".join(node if isinstance(node, str) else f"({_written(node)})" for node in nodes)


def _longer(one: float | None, other: float | None) -> float | None:
    given = [delay for delay in (one, other) if delay is not None]
    return max(given) if given else None
