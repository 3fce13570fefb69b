"""Liberty syntax: text into groups of attributes, without knowing what they mean.

Our own reader, because the one on PyPI (``liberty-parser``) pins an old sympy that cannot be
installed beside the torch we use. It finds the cells of a 20 MB library first and parses a cell's
content only when it is asked for: a netlist uses a few dozen of the hundreds there are.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from consilico.sim.base.errors import UserError

__all__ = ["Group", "Source", "open_library", "parse_group"]

_TEXT = r'[^()"]*(?:"[^"]*"[^()"]*)*'
_STATEMENT = re.compile(
    rf'[\s;\\]*(?:(?P<close>\}})|(?P<name>[\w$.\-]+|"[^"]*")\s*'
    r'(?::[^\S\n]*(?P<value>"[^"]*"|[^;{}"\n]*)'
    rf"|\((?P<args>{_TEXT})\)[\s\\]*(?P<open>\{{)?))"
)
_ARGUMENT = re.compile(r'"([^"]*)"|([^\s,"\\]+)')
_END = re.compile(r"[\s;\\]*")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One Liberty file: its path and its text, comments blanked, line numbers kept."""

    path: Path
    text: str

    def error(self, position: int, problem: str) -> UserError:
        """A one-line error that names the file and the line of a position in the text."""
        return UserError(f"{self.path}:{self.text.count(chr(10), 0, position) + 1}: {problem}")


@dataclass(kw_only=True)
class Group:
    """``kind (names) { ... }``: simple attributes, complex ones in order, and groups inside.

    A group that stands in the library has the extent of its content in ``body``; that of a cell is
    not parsed yet.
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
        """First name of the group, or empty text."""
        return self.names[0] if self.names else ""

    def all(self, *kinds: str) -> Iterator["Group"]:
        """Groups inside, of the given kinds, in file order."""
        return (group for group in self.groups if group.kind in kinds)

    def list(self, name: str) -> tuple[str, ...]:
        """Arguments of the last complex attribute of that name, or none."""
        return next((values for key, values in reversed(self.lists) if key == name), ())


def open_library(path: Path) -> tuple[Source, Group]:
    """Read a Liberty file; its cells are found but not parsed (see :func:`parse_group`).

    Args:
        path: Liberty file, plain or gzipped.

    Raises:
        UserError: If the file cannot be read, is empty, truncated or not Liberty, or has no cells.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("latin-1")
    except (OSError, EOFError, zlib.error) as error:
        problem = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UserError(f"cannot read the Liberty file {path}: {problem}") from error
    if not text.strip():
        raise UserError(f"{path}:1: the Liberty file is empty")
    source = Source(path=path, text=_blank_comments(text))
    library = _library(source)
    if not any(library.all("cell")):
        raise source.error(library.position, f"library {library.name!r} has no cells")
    return source, library


def parse_group(source: Source, group: Group) -> Group:
    """Parse the content of a group that :func:`open_library` left as an extent of the text.

    Raises:
        UserError: Where the text is not Liberty.
    """
    parsed = Group(kind=group.kind, names=group.names, position=group.position, body=group.body)
    position, end = group.body
    stack = [parsed]
    text = source.text
    while True:
        match = _STATEMENT.match(text, position, end)
        if match is None:
            if (skipped := _END.match(text, position, end)) and skipped.end() == end:
                return parsed
            raise source.error(_skip(text, position), "this is not Liberty")
        position = match.end()
        _add(stack, match)
        if match["close"]:
            stack.pop()


def _add(stack: list[Group], match: re.Match[str]) -> None:
    """Put one statement into the group on top of the stack, and a new group onto the stack."""
    name = match["name"]
    if name is None:
        return
    if match["value"] is not None:
        stack[-1].attributes[name] = match["value"].strip().strip('"')
    elif match["open"]:
        group = Group(kind=name, names=_arguments(match["args"]), position=match.start("name"))
        stack[-1].groups.append(group)
        stack.append(group)
    else:
        stack[-1].lists.append((name, _arguments(match["args"])))


def _arguments(text: str) -> tuple[str, ...]:
    return tuple(quoted or bare for quoted, bare in _ARGUMENT.findall(text))


def _skip(text: str, position: int) -> int:
    """The first position from here on that is not white space: where an error stands."""
    skipped = _END.match(text, position)
    return skipped.end() if skipped else position


def _blank_comments(text: str) -> str:
    """Replace comments by the line ends they hold; what looks like one in a string stays."""
    pieces: list[str] = []
    start = scanned = 0
    quoted = False
    while (found := text.find("/*", scanned)) >= 0:
        quoted ^= text.count('"', scanned, found) % 2 == 1
        if quoted:
            scanned = found + 2
            continue
        end = text.find("*/", found + 2)
        end = len(text) if end < 0 else end + 2
        pieces += [text[start:found], "\n" * text.count("\n", found, end) or " "]
        start = scanned = end
    text = "".join([*pieces, text[start:]])
    return re.sub(r"^(\s*)//[^\n]*", r"\1", text, flags=re.M) if "//" in text else text


def _library(source: Source) -> Group:
    """The library group: all parsed but the cells, which are extents of the text."""
    text = source.text
    opening = _STATEMENT.match(text)
    if opening is None or opening["name"] != "library" or not opening["open"]:
        raise source.error(_skip(text, 0), "a Liberty file begins with library (name) {")
    strings = text.split('"')
    if len(strings) % 2 == 0:
        raise source.error(text.rfind('"'), "a string is not closed: the file is damaged or cut")
    braces = text
    if any("{" in string or "}" in string for string in strings[1::2]):
        strings[1::2] = [" " * len(string) for string in strings[1::2]]
        braces = '"'.join(strings)
    ends = _extents(source, braces)
    library = Group(kind="library", names=_arguments(opening["args"]), position=opening.start())
    position = opening.end()
    while match := _STATEMENT.match(text, position):
        if match["close"]:
            return library
        stack = [library]
        _add(stack, match)
        position = match.end()
        if match["open"]:
            stack[-1].body = (position, ends[position - 1])
            if stack[-1].kind != "cell":
                library.groups[-1] = parse_group(source, stack[-1])
            position = ends[position - 1] + 1
    raise source.error(_skip(text, position), "this is not Liberty")


def _extents(source: Source, braces: str) -> dict[int, int]:
    """Closing position of each group directly in the library, by the position of its opening."""
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
