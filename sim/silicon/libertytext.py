"""Liberty as text: several files merged into one for the mapper, chosen cells left out.

Only the nesting is looked at; the content of cells is copied as it stands.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sim.errors import UserError

__all__ = ["merge", "read_text"]

_COMMENT = re.compile(r'/\*.*?\*/|("(?:\\.|[^"\\])*")', re.S)
_DELIMITER = re.compile(r'"(?:\\.|[^"\\])*"|[{};]', re.S)
# OpenSTA 2.0 adds the default wire load to every net, newer ones do not: wires are ideal here.
_WIRES = re.compile(r"\s*(?:default_)?wire_load")
_GROUP = re.compile(r"(\w+)\s*\(\s*\"?([^\")]*?)\"?\s*\)\s*$", re.S)


def read_text(path: Path) -> str:
    """Text of a Liberty file, gzipped or not.

    Raises:
        UserError: If it cannot be read, or the gzip stream is damaged or truncated.
    """
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("latin-1")
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read the Liberty file {path}: {error}") from error


def merge(texts: Iterable[tuple[str, str]], avoided: Callable[[str], bool], name: str) -> str:
    """One Liberty text with the cells of all, for which ``avoided`` is false.

    Units and tables are those of the first file that has them.

    Args:
        texts: Pairs of a file's name, for messages, and its text.
        avoided: Tells from a cell's name whether to leave it out.
        name: Name of the resulting library.

    Raises:
        UserError: If a text is empty or its nesting is broken, or no cell is a flip-flop.
    """
    head: dict[str, str] = {}
    cells: dict[str, str] = {}
    for file, text in texts:
        plain = _COMMENT.sub(lambda match: match[1] or " ", text)
        top = list(_statements(file, plain, 0, len(plain)))
        if not top or not top[0][0].lstrip().startswith("library"):
            raise UserError(f"{file} is not a Liberty file: it holds no library group")
        _, start, end = top[0]
        for opening, inner, stop in _statements(file, plain, start, end):
            if _WIRES.match(opening):
                continue
            group = _GROUP.search(opening) if inner != stop else None
            whole = opening + (f"{{{plain[inner:stop]}}}" if inner != stop else ";")
            if group is None:
                head.setdefault(
                    re.split(r"[\s:(]", opening.strip(), maxsplit=1)[0] + _key(opening), whole
                )
            elif group[1] != "cell":
                head.setdefault(f"{group[1]} {group[2]}", whole)
            elif not avoided(group[2]):
                cells.setdefault(group[2], whole)
    if not any(re.search(r"\bff\s*\(", cell) for cell in cells.values()):
        raise UserError(f"the Liberty files of {name} hold no flip-flop to map registers to")
    return f"library ({name}) {{\n" + "".join(head.values()) + "".join(cells.values()) + "\n}\n"


def _key(statement: str) -> str:
    """What tells apart library-level ``define`` statements, which may repeat."""
    return statement if statement.lstrip().startswith("define") else ""


def _statements(file: str, text: str, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Statements at one level: opening text, then begin and end of a group's body (equal: none)."""
    depth, begin, body, opening = 0, start, 0, ""
    for match in _DELIMITER.finditer(text, start, end):
        symbol = match[0]
        if symbol == "{":
            if depth == 0:
                opening, body = text[begin : match.start()], match.end()
            depth += 1
        elif symbol == "}":
            depth -= 1
            if depth < 0:
                raise UserError(f"{file} is not a Liberty file: a brace closes what none opened")
            if depth == 0:
                yield opening, body, match.start()
                begin = match.end()
        elif symbol == ";" and depth == 0:
            if statement := text[begin : match.start()].strip(" \t\r\n;"):
                yield "\n" + statement, match.start(), match.start()
            begin = match.end()
    if depth:
        raise UserError(f"{file} is truncated: {depth} groups are not closed")
