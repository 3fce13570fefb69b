"""Structural Verilog: the text of a netlist into modules of nets, assignments and instances."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from consilico.sim.base.errors import UserError

__all__ = ["CONSTANTS", "DIRECTIVES", "Module", "NetlistInstance", "parse_modules"]

CONSTANTS = {"1'b0": 0, "1'b1": 1, "1'bx": 2}  # net by literal; nobody drives the last one
_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|\(\*.*?\*\)"  # comments and attributes
    r"|\\\S+|[A-Za-z_][\w$]*|\d*\s*'[sS]?[bodhBODH]\s*[\da-fA-FxXzZ?_]+|\d[\d_]*"
    r'|"[^"]*"|\S',
    re.S,
)
_LITERAL = re.compile(r"(\d*)\s*'[sS]?([bodhBODH])\s*([\da-fA-FxXzZ?_]+)$")
_DIRECTIONS = {"input", "output", "inout"}
_NETS = {"wire", "tri", "tri0", "tri1", "wand", "wor", "supply0", "supply1"}
_KINDS = {*_NETS, "signed", "reg", "logic", "bit", "var"}  # before the range in a declaration
_TIMES = {"timeunit", "timeprecision"}  # statements of SystemVerilog without effect here
# directives without effect on a netlist
DIRECTIVES = {"timescale", "default_nettype", "celldefine", "endcelldefine", "resetall", "line"}
_DIGITS = {"b": ("01", 1), "o": ("01234567", 3), "h": ("0123456789abcdef", 4)}
_MOST_WIDTH = 1 << 16  # bits of a vector: beyond it a number is damaged, not large
_MOST_BITS = 1 << 24  # bits named in one file
_MOST_DEPTH = 64  # concatenations within each other


@dataclass(kw_only=True)
class NetlistInstance:
    """One instance in a module, with its nets by port, the highest bit first."""

    name: str
    cell: str
    pins: dict[str, list[str]]


@dataclass(kw_only=True)
class Module:
    """One module. The bits of a vector ``a[3:0]`` are called ``a[3]`` to ``a[0]``."""

    name: str
    ports: dict[str, str] = field(default_factory=dict)  # direction by name, in header order
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)  # of the vectors
    scalars: set[str] = field(default_factory=set)  # declared without a range
    assigns: list[tuple[list[str], list[str]]] = field(default_factory=list)
    items: list[NetlistInstance] = field(default_factory=list)

    def bits(self, name: str) -> list[str]:
        """Return the bits of a net, the highest first."""
        if name not in self.ranges:
            return [name]
        first, last = self.ranges[name]
        return [f"{name}[{bit}]" for bit in _span(first, last)]


def parse_modules(path: Path, text: str) -> dict[str, Module]:
    """Parse the text of a netlist into modules by name.

    Raises:
        UserError: Where the text is not structural Verilog, contradicts itself, includes another
            file, or names more bits than a netlist can have; names file and line.
    """
    return _Parser(path, text).modules()


def _span(first: int, last: int) -> range:
    return range(first, last - 1, -1) if first >= last else range(first, last + 1)


class _Parser:
    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        skipped = ("//", "/*", "(*")
        self.tokens: list[str] = [
            word for word in _TOKEN.findall(text) if not word.startswith(skipped)
        ]
        self.tokens.append("")
        self.at = 0
        self.made = 0  # bits so far

    def modules(self) -> dict[str, Module]:
        found: dict[str, Module] = {}
        places: dict[str, int] = {}  # token of each module's name
        while (token := self.take()) != "":
            if token == "`":  # a directive without effect here: up to the next module
                if (word := self.tokens[self.at]) not in DIRECTIVES:
                    raise self.error(f"`{word[:40]} is not followed; accepted: a preprocessed file")
                while self.tokens[self.at] not in ("module", "`", ""):
                    self.at += 1
            elif token == "module":
                while self.tokens[self.at] in ("automatic", "static"):
                    self.at += 1
                place = self.at
                module = self.module()
                if module.name in found:
                    raise UserError(
                        f"{self.path}:{self.line(place)}: module {module.name!r} is defined in"
                        f" line {self.line(places[module.name])}, too; accepted: once"
                    )
                found[module.name], places[module.name] = module, place
                if self.accept(":"):  # endmodule : name
                    self.name()
            elif token in _TIMES:
                while self.take() not in (";", ""):
                    pass
            else:
                raise self.error(f"expected a module, not {_shown(token)}", back=1)
        return found

    def error(self, problem: str, back: int = 0) -> UserError:
        """Return the error of the token just ahead, or of one some tokens back."""
        line = self.line(min(self.at - back, len(self.tokens) - 1))
        said = " ".join(problem.split())  # a string in the file may hold line ends
        return UserError(f"{self.path}:{line}: not a gate-level netlist: {said}")

    def line(self, wanted: int) -> int:
        """Return the line that a token is in."""
        seen = -1
        position = len(self.text)
        for match in _TOKEN.finditer(self.text):
            seen += not match[0].startswith(("//", "/*", "(*"))
            if seen == wanted:
                position = match.start()
                break
        return self.text.count("\n", 0, position) + 1

    def take(self) -> str:
        token = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)  # the last one stands for the end
        return token

    def accept(self, token: str) -> bool:
        if self.tokens[self.at] == token:
            self.at += 1
            return True
        return False

    def expect(self, token: str) -> None:
        found = self.take()
        if found != token:
            raise self.error(f"expected {token!r}, not {_shown(found)}", back=1)

    def name(self) -> str:
        token = self.take()
        if token[:1] == "\\" and token[1:] not in CONSTANTS:
            return token[1:]
        if not (token[:1].isalpha() or token[:1] == "_"):
            raise self.error(f"expected a name, not {_shown(token)}", back=1)
        return token

    def number(self, most: int = 10**9) -> int:
        token = self.take()
        digits = token.replace("_", "")
        if not (digits.isascii() and digits.isdigit()):
            raise self.error(f"expected a number, not {_shown(token)}", back=1)
        if len(digits) > 10 or int(digits) > most:
            raise self.error(f"{_shown(token)} is too large; accepted: up to {most:,}", back=1)
        return int(digits)

    def module(self) -> Module:
        module = Module(name=self.name())
        if self.accept("("):
            self.header(module)
        self.expect(";")
        names: set[str] = set()
        while (token := self.take()) != "endmodule":
            if token in _DIRECTIONS or token in _KINDS:
                for name in self.declaration(module):
                    if token in _DIRECTIONS:
                        if module.ports.get(name) not in ("", token):
                            raise self.error(f"{name!r} is no {token} of {module.name!r}", back=1)
                        module.ports[name] = token
                    elif token.startswith("supply"):
                        bits = module.bits(name)
                        module.assigns.append((bits, [f"1'b{token[-1]}"] * len(bits)))
                self.expect(";")
            elif token == "assign":
                self.assign(module)
            elif token in _TIMES:
                while self.take() not in (";", ""):
                    pass
            else:
                self.at -= bool(token)
                self.instances(module, names)
        undirected = [name for name, direction in module.ports.items() if not direction]
        if undirected:
            raise self.error(f"port {undirected[0]!r} of {module.name!r} has no direction", back=1)
        for name in module.scalars:  # an escaped name may look like a bit of a vector
            if name.rpartition("[")[0] in module.ranges and name in module.bits(
                name.rpartition("[")[0]
            ):
                raise self.error(f"\\{name} and a bit of a vector have one name", back=1)
        return module

    def header(self, module: Module) -> None:
        """Read a port list: names only, or with their directions."""
        direction = previous = ""
        while not self.accept(")"):
            if self.tokens[self.at] in _DIRECTIONS:
                direction = self.take()
                (name,) = self.declaration(module, single=True)
            else:
                name = self.name()
                if previous in module.ranges:
                    module.ranges[name] = module.ranges[previous]
            if name in module.ports:
                raise self.error(f"port {name!r} is declared twice; accepted: once", back=1)
            module.ports[name] = direction
            previous = name
            if not self.accept(",") and self.tokens[self.at] != ")":
                self.expect(")")

    def declaration(self, module: Module, single: bool = False) -> list[str]:
        """Read the names of a declaration; the range of vectors is noted in the module."""
        while self.tokens[self.at] in _KINDS and self.tokens[self.at + 1] not in (",", ")", ";"):
            self.at += 1  # what stands before these is a name, as Verilog may have it
        span: tuple[int, int] | None = None
        if self.accept("["):
            first = self.number()
            self.expect(":")
            span = (first, self.number())
            self.expect("]")
            self.count(abs(span[0] - span[1]) + 1)
        names = [self.name()]
        while not single and self.accept(","):
            names.append(self.name())
        for name in names:
            known = module.ranges.get(name, None if name in module.scalars else span)
            if known != span:
                raise self.error(f"{name!r} is declared with two ranges; accepted: one", back=1)
            if span is None:
                module.scalars.add(name)
            else:
                module.ranges[name] = span
        return names

    def assign(self, module: Module) -> None:
        """Read ``assign left = right;``. A shorter right side is continued with 0."""
        left = self.expression(module)
        self.expect("=")
        right = self.expression(module)
        self.expect(";")
        if constant := [bit for bit in left if bit in CONSTANTS]:
            raise self.error(f"an assignment to the literal {constant[0]}", back=1)
        if len(left) > len(right):
            right = ["1'b0"] * (len(left) - len(right)) + right
        module.assigns.append((left, right[len(right) - len(left) :]))

    def instances(self, module: Module, names: set[str]) -> None:
        """Read ``cell #(...) name (...), name (...);``."""
        cell = self.name()
        if self.accept("#"):
            self.expect("(")
            depth = 1
            while depth:
                token = self.take()
                depth += {"(": 1, ")": -1, "": -depth}.get(token, 0)
        while True:
            item = NetlistInstance(name=self.name(), cell=cell, pins={})
            if item.name in names:
                raise self.error(f"two instances are called {item.name!r}", back=1)
            names.add(item.name)
            self.expect("(")
            while not self.accept(")"):
                if not self.tokens[self.at]:
                    self.expect(")")
                if not self.accept("."):
                    raise self.error(f"pins of {item.name!r} must be connected by name")
                pin = self.name()
                if pin in item.pins:
                    raise self.error(f"pin {pin!r} of {item.name!r} is connected twice", back=1)
                if not self.accept("("):  # .pin, as SystemVerilog has it: the net of that name
                    item.pins[pin] = module.bits(pin)
                elif self.accept(")"):
                    item.pins[pin] = []
                else:
                    item.pins[pin] = self.expression(module)
                    self.expect(")")
                self.accept(",")
            module.items.append(item)
            if not self.accept(","):
                break
        self.expect(";")

    def expression(self, module: Module, depth: int = 0) -> list[str]:
        """Read a net, a part of one, a literal or a concatenation; return its highest bit first."""
        if self.accept("{"):
            if depth >= _MOST_DEPTH:
                raise self.error(f"concatenations are nested more than {_MOST_DEPTH} deep", back=1)
            bits: list[str] = []
            while True:
                if self.tokens[self.at].isdigit() and self.tokens[self.at + 1] == "{":
                    times = self.number(_MOST_WIDTH)
                    inner = self.expression(module, depth + 1)
                    self.count(times * len(inner))
                    bits += inner * times
                else:
                    bits += self.expression(module, depth + 1)
                self.count(len(bits), made=0)
                if self.accept("}"):
                    return bits
                self.expect(",")
        if literal := _LITERAL.match(self.tokens[self.at]):
            self.at += 1
            return self.literal(*literal.groups())
        name = self.name()
        if not self.accept("["):
            first, last = module.ranges.get(name, (0, 0))
            self.count(abs(first - last) + 1)
            return module.bits(name)
        first = self.number()
        last = self.number() if self.accept(":") else first
        self.expect("]")
        high, low = module.ranges.get(name, (-1, -1))
        inside = min(high, low) <= min(first, last) and max(first, last) <= max(high, low)
        if not inside or (first - last) * (high - low) < 0:
            said = f"{name}[{first}:{last}]" if first != last else f"{name}[{first}]"
            what = f"is {name}[{high}:{low}]" if name in module.ranges else "is no vector"
            raise self.error(f"{said} is not a part of {name!r}, which {what}", back=1)
        self.count(abs(first - last) + 1)
        return [f"{name}[{bit}]" for bit in _span(first, last)]

    def literal(self, width: str, base: str, digits: str) -> list[str]:
        """Return the bits of a sized literal such as ``4'h3``; z and ? count as x."""
        if len(width) > 9 or len(digits) > _MOST_WIDTH:
            raise self.error("a literal has too many bits", back=1)
        size = int(width or 32)
        self.count(size)
        digits = re.sub("[z?]", "x", digits.lower().replace("_", ""))
        accepted, per = _DIGITS.get(base.lower(), ("0123456789", 0))
        if not digits or size < 1 or set(digits) - {"x", *accepted}:
            raise self.error(f"{_shown(self.tokens[self.at - 1])} is no literal", back=1)
        if per:
            text = "".join("x" * per if d == "x" else f"{int(d, 16):0{per}b}" for d in digits)
        elif digits.isdigit() and len(digits) <= 4000:  # more are more than Python converts
            text = f"{int(digits):b}"
        elif set(digits) == {"x"}:
            text = "x"
        else:
            raise self.error(f"{_shown(self.tokens[self.at - 1])} is no literal", back=1)
        if "1" in text[:-size]:
            token = _shown(self.tokens[self.at - 1])
            raise self.error(f"{token} has more bits than it says", back=1)
        text = text.rjust(size, "x" if text[0] == "x" else "0")[-size:]
        return [f"1'b{bit}" for bit in text]

    def count(self, width: int, made: int | None = None) -> None:
        """Refuse a vector, or a file, with more bits than a netlist can have."""
        if width > _MOST_WIDTH:
            raise self.error(f"{width:,} bits in one vector; accepted: {_MOST_WIDTH:,}", back=1)
        self.made += width if made is None else made
        if self.made > _MOST_BITS:
            raise self.error(f"more than {_MOST_BITS:,} bits are named in it", back=1)


def _shown(token: str) -> str:
    """Format a token for error messages, cut where it is long."""
    if not token:
        return "the end of the file"
    return repr(token if len(token) <= 40 else f"{token[:37]}...")
