"""Structural Verilog: the text of a netlist into modules of nets, assignments and instances."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from consilico.sim.base.errors import UserError

__all__ = ["CONSTANTS", "Item", "Module", "parse_modules"]

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


@dataclass(kw_only=True)
class Item:
    """One instance in a module: nets by port, highest bit first."""

    name: str
    cell: str
    pins: dict[str, list[str]]


@dataclass(kw_only=True)
class Module:
    """One module. Bits of a vector ``a[3:0]`` are called ``a[3]`` to ``a[0]``."""

    name: str
    ports: dict[str, str] = field(default_factory=dict)  # direction by name, in header order
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)  # of the vectors
    assigns: list[tuple[list[str], list[str]]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)

    def bits(self, name: str) -> list[str]:
        """Bits of a net, highest first."""
        if name not in self.ranges:
            return [name]
        first, last = self.ranges[name]
        return [f"{name}[{bit}]" for bit in _span(first, last)]


def parse_modules(path: Path, text: str) -> dict[str, Module]:
    """Modules of a netlist by name.

    Raises:
        UserError: Where the text is not structural Verilog; names file and line.
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

    def modules(self) -> dict[str, Module]:
        found: dict[str, Module] = {}
        while (token := self.take()) != "":
            if token == "`":  # a compiler directive such as `timescale: up to the next module
                while self.tokens[self.at] not in ("module", ""):
                    self.at += 1
            elif token == "module":
                module = self.module()
                found[module.name] = module
            else:
                raise self.error(f"expected a module, not {token!r}", back=1)
        return found

    def error(self, problem: str, back: int = 0) -> UserError:
        """Error at the token just ahead, or some tokens back."""
        wanted = min(self.at - back, len(self.tokens) - 1)
        seen = -1
        position = len(self.text)
        for match in _TOKEN.finditer(self.text):
            seen += not match[0].startswith(("//", "/*", "(*"))
            if seen == wanted:
                position = match.start()
                break
        line = self.text.count("\n", 0, position) + 1
        return UserError(f"{self.path}:{line}: not a gate-level netlist: {problem}")

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
        found = self.take() or "the end of the file"
        if found != token:
            raise self.error(f"expected {token!r}, not {found!r}", back=1)

    def name(self) -> str:
        token = self.take()
        if token[:1] == "\\":
            return token[1:]
        if not (token[:1].isalpha() or token[:1] == "_"):
            raise self.error(f"expected a name, not {token or 'the end of the file'!r}", back=1)
        return token

    def number(self) -> int:
        token = self.take()
        if not token[:1].isdigit():
            raise self.error(f"expected a number, not {token!r}", back=1)
        return int(token)

    def module(self) -> Module:
        module = Module(name=self.name())
        if self.accept("("):
            self.header(module)
        self.expect(";")
        while (token := self.take()) != "endmodule":
            if token in _DIRECTIONS or token in _NETS:
                for name in self.declaration(module):
                    if token in _DIRECTIONS:
                        module.ports[name] = token
                    elif token.startswith("supply"):
                        bits = module.bits(name)
                        module.assigns.append((bits, [f"1'b{token[-1]}"] * len(bits)))
                self.expect(";")
            elif token == "assign":
                left = self.expression(module)
                self.expect("=")
                right = self.expression(module)
                self.expect(";")
                if len(left) > len(right):
                    right = ["1'b0"] * (len(left) - len(right)) + right
                module.assigns.append((left, right[len(right) - len(left) :]))
            else:
                self.at -= 1
                self.instances(module)
        undirected = [name for name, direction in module.ports.items() if not direction]
        if undirected:
            raise self.error(f"port {undirected[0]!r} of {module.name!r} has no direction", back=1)
        return module

    def header(self, module: Module) -> None:
        """Port list: names only, or with their directions."""
        direction = previous = ""
        while not self.accept(")"):
            if self.tokens[self.at] in _DIRECTIONS:
                direction = self.take()
                (name,) = self.declaration(module, single=True)
            else:
                name = self.name()
                if previous in module.ranges:
                    module.ranges[name] = module.ranges[previous]
            module.ports[name] = direction
            previous = name
            self.accept(",")

    def declaration(self, module: Module, single: bool = False) -> list[str]:
        """Names of a declaration; vectors' ranges are noted in the module."""
        while self.tokens[self.at] in _NETS or self.tokens[self.at] in ("signed", "reg"):
            self.at += 1
        span: tuple[int, int] | None = None
        if self.accept("["):
            first = self.number()
            self.expect(":")
            span = (first, self.number())
            self.expect("]")
        names = [self.name()]
        while not single and self.accept(","):
            names.append(self.name())
        if span is not None:
            module.ranges |= dict.fromkeys(names, span)
        return names

    def instances(self, module: Module) -> None:
        """Statement ``cell #(...) name (...), name (...);``."""
        cell = self.name()
        if self.accept("#"):
            self.expect("(")
            depth = 1
            while depth:
                token = self.take()
                depth += {"(": 1, ")": -1, "": -depth}.get(token, 0)
        while True:
            item = Item(name=self.name(), cell=cell, pins={})
            self.expect("(")
            while not self.accept(")"):
                if not self.tokens[self.at]:
                    self.expect(")")
                if not self.accept("."):
                    raise self.error(f"pins of {item.name!r} must be connected by name")
                pin = self.name()
                self.expect("(")
                item.pins[pin] = [] if self.accept(")") else self.expression(module)
                if item.pins[pin]:
                    self.expect(")")
                self.accept(",")
            module.items.append(item)
            if not self.accept(","):
                break
        self.expect(";")

    def expression(self, module: Module) -> list[str]:
        """Bits of a net, a part of one, a literal or a concatenation, highest first."""
        if self.accept("{"):
            bits: list[str] = []
            while True:
                if self.tokens[self.at].isdigit() and self.tokens[self.at + 1] == "{":
                    count = self.number()
                    bits += self.expression(module) * count
                else:
                    bits += self.expression(module)
                if self.accept("}"):
                    return bits
                self.expect(",")
        if literal := _LITERAL.match(self.tokens[self.at]):
            self.at += 1
            return _literal(*literal.groups())
        name = self.name()
        if not self.accept("["):
            return module.bits(name)
        first = self.number()
        last = self.number() if self.accept(":") else first
        self.expect("]")
        return [f"{name}[{bit}]" for bit in _span(first, last)]


def _literal(width: str, base: str, digits: str) -> list[str]:
    """Bits of a sized literal such as ``4'h3``, highest first; z and ? count as x."""
    digits = re.sub("[zZ?X]", "x", digits.replace("_", ""))
    per = {"b": 1, "o": 3, "h": 4}.get(base.lower())
    if per is None:
        text = f"{int(digits):b}" if digits.isdigit() else digits
    else:
        text = "".join("x" * per if d == "x" else f"{int(d, 16):0{per}b}" for d in digits)
    size = int(width or 32)
    text = text.rjust(size, "x" if text[0] == "x" else "0")[-size:]
    return [f"1'b{bit}" for bit in text]
