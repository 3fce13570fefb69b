"""Parse Liberty text into groups of attributes, without knowing what they mean.

This reader is our own, because the one on PyPI (``liberty-parser``) takes four to six times as
long. It finds the cells of a 20 MB library first and parses the content of a cell only when it is
asked for: a netlist uses a few dozen of the hundreds there are. Format: Liberty Reference Manual
(Synopsys, open-source Liberty).
"""

import ast
import hashlib
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input

__all__ = ["Group", "LibertySource", "evaluate", "open_library", "parse_group"]

_TEXT = r'[^()"]*(?:"[^"]*"[^()"]*)*'
_STATEMENT = re.compile(
    rf'[\s;]*(?:(?P<close>\}})|(?P<name>[\w$.\-]+|"[^"]*")\s*'
    r'(?::[^\S\n]*(?P<value>"[^"]*"|[^;{}"\n]*)'
    rf"|\((?P<args>{_TEXT})\)\s*(?P<open>\{{)?))"
)
_ARGUMENT = re.compile(r'"([^"]*)"|([^\s,"]+)')
_BLANK = re.compile(r"[\s;]*")
_JOINED = "\v"  # stands for a line end that a backslash joins; white space that is no line end
_CONTINUED = re.compile(r"\\[ \t\r]*\n")
_ONCE = {"values", "index_1", "index_2", "index_3", "capacitive_load_unit"}  # in a group
_VARIABLE = re.compile(r"([A-Za-z_]\w*)\s*=([^;{}=]*);")
_ATTRIBUTES = re.compile(r"default_\w+|nom_\w+|\w+_unit")  # of a library: they take a colon
_EXPRESSION = re.compile(r"[\w.\s+\-*/()]{1,200}")
_FOREIGN = re.compile(r"\b\d[\d.]*[_a-df-zA-DF-Z]")  # 1_000, 0x10: numbers of Python alone
_KEPT = 8  # files; the library of ASAP7 comes as five
_known: dict[bytes, tuple[str, "Group"]] = {}  # by hash: text and library of files read before
_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


@dataclass(frozen=True, kw_only=True)
class LibertySource:
    """The path of one Liberty file and its text, in which comments are blanks."""

    path: Path
    text: str

    def line(self, position: int) -> int:
        """Return the number of the line at a position in the text, as an editor counts."""
        ends = self.text.count("\n", 0, position) + self.text.count(_JOINED, 0, position)
        return ends + 1

    def error(self, position: int, problem: str) -> UserError:
        """Return a one-line error that names the file and the line of a position in the text."""
        line = " ".join(problem.split())  # a name in the file may hold line ends
        return UserError(f"{self.path}:{self.line(position)}: {line}")


@dataclass(kw_only=True, eq=False)
class Group:
    """``kind (names) { ... }``: simple attributes, complex ones in order, and groups inside.

    A group directly in the library has the extent of its content in ``body``. That of a cell is
    parsed by :func:`parse_group` only.
    """

    kind: str
    names: tuple[str, ...]
    position: int
    attributes: dict[str, str] = field(default_factory=dict)
    lists: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    groups: list["Group"] = field(default_factory=list)
    body: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """The first name of the group, or empty text."""
        return self.names[0] if self.names else ""

    def all(self, *kinds: str) -> Iterator["Group"]:
        """Yield the groups of the given kinds directly inside this one, in file order."""
        return (group for group in self.groups if group.kind in kinds)

    def list(self, name: str) -> tuple[str, ...]:
        """Return the arguments of the last complex attribute of that name; empty without one."""
        return next((values for key, values in reversed(self.lists) if key == name), ())


def open_library(path: Path) -> tuple[LibertySource, Group]:
    """Read a Liberty file; its cells are found but not parsed (see :func:`parse_group`).

    A line that ends in a backslash goes on in the next one. Variables of the library (``k = 1.1;``)
    are applied where attributes use them. A file that was read before is not parsed again, as many
    steps of a flow ask for the same library.

    Args:
        path: Liberty file, plain or gzipped.

    Returns:
        The text, and the group of the library.

    Raises:
        UserError: If the file cannot be read, is empty, truncated or not Liberty, includes another
            file, holds more than one library, or has no cells; names file and line.
    """
    raw = read_input(path, "Liberty file", unzip=True)
    key = hashlib.sha256(raw).digest()
    if key not in _known:
        source, library = _parsed(path, raw)
        while len(_known) >= _KEPT:
            del _known[next(iter(_known))]
        _known[key] = source.text, library
    text, library = _known[key]
    return LibertySource(path=path, text=text), library


def _parsed(path: Path, raw: bytes) -> tuple[LibertySource, Group]:
    """Return the text of a Liberty file without comments and with its variables applied."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{path}:1: the Liberty file is UTF-16; accepted: ASCII or UTF-8")
    text = raw.decode("latin-1").removeprefix("\xef\xbb\xbf")  # the byte-order mark of UTF-8
    if not text.strip():
        raise UserError(f"{path}:1: the Liberty file is empty")
    if _JOINED in text:
        text = text.replace(_JOINED, " ")
    if "\\" in text:
        text = _CONTINUED.sub(_join, text)
    source = LibertySource(path=path, text=text)
    source = LibertySource(path=path, text=_without_comments(source))
    library = _library(source)
    if "=" in source.text and (applied := _apply_variables(source)) != source.text:
        source = LibertySource(path=path, text=applied)
        library = _library(source)
    if not any(library.all("cell")):
        raise source.error(library.position, f"library {library.name!r} has no cells")
    return source, library


def parse_group(source: LibertySource, group: Group) -> Group:
    """Parse the content of a group that :func:`open_library` left as an extent of the text.

    Raises:
        UserError: Where the text is not Liberty, or gives an attribute two values.
    """
    parsed = Group(kind=group.kind, names=group.names, position=group.position, body=group.body)
    position, end = group.body
    stack = [parsed]
    text = source.text
    while True:
        match = _STATEMENT.match(text, position, end)
        if match is None:
            at = _skip(text, position, end)
            if at == end and len(stack) == 1:
                return parsed
            raise source.error(min(at, end - 1), "this is not Liberty")
        position = match.end()
        if not match["close"]:
            _add(source, stack, match)
        elif len(stack) > 1:
            stack.pop()
        else:  # an argument in parentheses held a brace
            raise source.error(match.start("close"), "this is not Liberty")


def evaluate(text: str, variables: Mapping[str, float]) -> float | None:
    """Return the value of a number, or of an expression such as ``0.5 * k``.

    Args:
        text: Sums, differences, products and quotients of numbers and variables, parentheses.
        variables: Values by name.

    Returns:
        A finite number; None where the text is no such expression.
    """
    if not _EXPRESSION.fullmatch(text) or _FOREIGN.search(text):
        return None
    try:
        value = _value(ast.parse(text.strip(), mode="eval").body, variables)
    except (SyntaxError, ValueError, KeyError, ArithmeticError):
        return None
    return value if math.isfinite(value) else None


def _value(node: ast.AST, variables: Mapping[str, float]) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return variables[node.id]
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, variables), _value(node.right, variables)
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_value(node.operand, variables))
    raise ValueError("not an expression of numbers")


def _join(match: re.Match[str]) -> str:
    """Return blanks and the mark of a joined line, as long as the backslash and the line end."""
    return _JOINED.rjust(len(match[0]))


def _add(source: LibertySource, stack: list[Group], match: re.Match[str]) -> None:
    """Put one statement into the group on top of the stack, and a new group onto the stack."""
    name = match["name"]
    around = stack[-1]
    if match["value"] is not None:
        value = match["value"].strip().strip('"')
        if around.attributes.setdefault(name, value) != value:
            given = f"{around.attributes[name]!r} and {value!r}"
            raise source.error(
                match.start("name"),
                f"{_title(around)} gives {name} two values: {given}; accepted: one",
            )
    elif match["open"]:
        group = Group(kind=name, names=_arguments(match["args"]), position=match.start("name"))
        around.groups.append(group)
        stack.append(group)
    elif name == "include_file":
        raise source.error(
            match.start("name"),
            f"include_file ({match['args'].strip()}) is not followed; accepted: one file that holds"
            " the whole library",
        )
    else:
        values = _arguments(match["args"])
        if name in _ONCE and around.list(name) not in ((), values):
            problem = f"{_title(around)} gives {name} twice; accepted: once"
            raise source.error(match.start("name"), problem)
        around.lists.append((name, values))


def _title(group: Group) -> str:
    return f"{group.kind} {group.name}".strip()


def _arguments(text: str) -> tuple[str, ...]:
    return tuple(quoted or bare for quoted, bare in _ARGUMENT.findall(text))


def _skip(text: str, position: int, end: int) -> int:
    """Return the first position from here on that is not white space: where an error stands."""
    skipped = _BLANK.match(text, position, end)
    return skipped.end() if skipped else position


def _without_comments(source: LibertySource) -> str:
    """Replace comments by the line ends they hold; what looks like one in a string stays."""
    text = source.text
    pieces: list[str] = []
    start = scanned = 0
    quoted = False
    while (found := text.find("/*", scanned)) >= 0:
        quoted ^= text.count('"', scanned, found) % 2 == 1
        if quoted:
            scanned = found + 2
            continue
        end = text.find("*/", found + 2) + 2
        if end < 2:
            raise source.error(found, "this comment is never closed: the file is damaged or cut")
        ends = text.count("\n", found, end) + text.count(_JOINED, found, end)
        pieces += [text[start:found], "\n" * ends or " "]
        start = scanned = end
    text = "".join([*pieces, text[start:]])
    return re.sub(r"^(\s*)//[^\n]*", r"\1", text, flags=re.M) if "//" in text else text


def _apply_variables(source: LibertySource) -> str:
    """Take the definitions of variables out of the text, and put numbers where they are used."""
    pieces = source.text.split('"')  # every second one is a string
    variables: dict[str, float] = {}
    depth = 0

    def define(match: re.Match[str]) -> str:
        before = match.string[: match.start()]
        if depth + before.count("{") - before.count("}") != 1:
            return match[0]  # only a library has variables
        value = evaluate(match[2], variables)
        if value is None or _ATTRIBUTES.fullmatch(match[1]):
            problem = f"cannot read {match[0].strip()!r}; accepted: name : value ;"
            raise source.error(source.text.find(match[0]), problem)
        variables[match[1]] = value
        return re.sub(r"[^\n\v]", " ", match[0])

    for index in range(0, len(pieces), 2):
        piece = pieces[index]
        if "=" in piece:
            pieces[index] = _VARIABLE.sub(define, piece)
        depth += piece.count("{") - piece.count("}")
    if not variables:
        return source.text
    names = "|".join(map(re.escape, variables))
    used = re.compile(rf"(:[^\S\n]*)([^;:{{}}\n]*\b(?:{names})\b[^;:{{}}\n]*)")

    def apply(match: re.Match[str]) -> str:
        value = evaluate(match[2], variables)
        return match[0] if value is None else f"{match[1]}{value!r} "

    pieces[::2] = [used.sub(apply, piece) for piece in pieces[::2]]
    return '"'.join(pieces)


def _library(source: LibertySource) -> Group:
    """Return the library group: all of it parsed but the cells, which are extents of the text."""
    text = source.text
    opening = _STATEMENT.match(text)
    if opening is None or opening["name"] != "library" or not opening["open"]:
        at = _skip(text, 0, len(text))
        raise source.error(at, "a Liberty file begins with library (name) {")
    strings = text.split('"')
    if len(strings) % 2 == 0:
        raise source.error(text.rfind('"'), "a string is not closed: the file is damaged or cut")
    braces = text
    if any("{" in string or "}" in string for string in strings[1::2]):
        strings[1::2] = [" " * len(string) for string in strings[1::2]]
        braces = '"'.join(strings)
    ends = _extents(source, braces)
    library = Group(
        kind="library", names=_arguments(opening["args"]), position=opening.start("name")
    )
    position = opening.end()
    while True:
        while variable := _VARIABLE.match(text, _skip(text, position, len(text))):
            position = variable.end()
        if (match := _STATEMENT.match(text, position)) is None:
            raise source.error(_skip(text, position, len(text)), "this is not Liberty")
        position = match.end()
        if match["close"]:
            if (at := _skip(text, position, len(text))) < len(text):
                raise source.error(at, "text after the end of the library; accepted: one library")
            return library
        stack = [library]
        _add(source, stack, match)
        if match["open"]:
            if position - 1 not in ends:
                raise source.error(match.start("name"), "this is not Liberty")
            stack[-1].body = (position, ends[position - 1])
            if stack[-1].kind != "cell":
                library.groups[-1] = parse_group(source, stack[-1])
            position = ends[position - 1] + 1


def _extents(source: LibertySource, braces: str) -> dict[int, int]:
    """Return where each group directly in the library closes, by the position of its opening."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for match in re.finditer(r"[{}]", braces):
        if match[0] == "{":
            opened.append(match.start())
        elif not opened:
            raise source.error(match.start(), "a brace closes what none opened")
        else:
            start = opened.pop()
            if len(opened) == 1:
                ends[start] = match.start()
            elif not opened:
                return ends
    start = opened[-1] if opened else 0
    raise source.error(start, "this group is never closed: the file is damaged or cut")
