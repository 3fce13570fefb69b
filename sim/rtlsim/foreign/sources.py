"""Verilog files of a design as one text: what they include is in it, lines keep their names.

The files are anyone's. What they include or load must lie below the folders that the user named;
nothing else of the machine gets into the text, and no device or pipe is opened on their behalf.
Before a simulator runs the text, :func:`check_tasks` refuses what could reach files or programs.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from consilico.sim.base.errors import UserError
from consilico.sim.base.files import read_input, read_input_text

__all__ = [
    "Sources",
    "assignments",
    "check_tasks",
    "directives",
    "module_names",
    "read_sources",
]

_MOST_BYTES = 16 << 20  # of the whole text: files that include others twice multiply quickly
_DEEPEST = 32  # files that include each other: one of them includes itself
_STRING = r'"(?:\\.|[^"\\\n])*"'
_BLANKED = re.compile(rf"//[^\n]*|/\*.*?\*/|{_STRING}|\(\*(?!\s*\)).*?\*\)", re.S)
_PARTS = re.compile(
    r"(?P<skipped>//[^\n]*|/\*.*?\*/)"
    r"|(?P<open>/\*)"
    r'|(?P<include>`include\b[ \t]*(?:"(?P<included>[^"\n]+)")?)'
    r'|(?P<load>\$readmem[bh]\s*\(\s*)(?:"(?P<loaded>[^"\n]+)")?'
    rf"|(?P<string>{_STRING})"
    r"|(?P<module>\b(?:macro)?module\s+)(?:automatic|static)\b",
    re.S,
)
# what a file of $readmemh or $readmemb holds: digits, addresses and comments (IEEE 1364, 17.2.9)
_MEMORY = re.compile(r"(?:[\s\da-fA-FxXzZ_?@]|//[^\n]*|/\*.*?\*/)*", re.S)
_VHDL = re.compile(
    r"^[ \t]*(?:entity[ \t]+\w+[ \t]+is|architecture[ \t]+\w+[ \t]+of[ \t]+\w+[ \t]+is)\b",
    re.I | re.M,
)
_MODULE = re.compile(r"\b(?:macro)?module\s+(\\\S+|[A-Za-z_][\w$]*)")
_SYSTEMVERILOG_SUFFIXES = frozenset({".sv", ".svh"})
# words and signs of SystemVerilog that no Verilog text has
_SYSTEMVERILOG = re.compile(
    r"\b(?:always_comb|always_ff|always_latch|endpackage|endinterface|typedef|modport)\b|'\{"
    r"|\b(?:macro)?module\s+[A-Za-z_][\w$]*\s+import\b|[(,]\s*\.\*"
    r"|\b(?:input|output)\s+(?:var\s+)?logic\b"
)
# System tasks and functions that touch neither files nor programs. All others are refused: a list
# of what is dangerous would miss the next one, such as Verilator's $c, which compiles C++.
_HARMLESS = re.compile(
    r"abs|acos|asin|atan|ceil|cos|exp|floor|hypot|ln|log10|pow|sin|sqrt|tan"
    r"|bits|bitsto(?:short)?real|(?:short)?realtobits|itor|rtoi|signed|unsigned|cast|clog2"
    r"|count(?:bits|ones)|onehot0?|isunknown|isunbounded|past|rose|fell|stable|sampled"
    r"|dimensions|unpacked_dimensions|high|low|left|right|increment|size|typename"
    r"|(?:display|write|strobe|monitor)[bho]?|info|warning|error|fatal|assert(?:on|off|kill)"
    r"|printtimescale|timeformat|s?time|realtime|random|urandom(?:_range)?|readmem[bh]"
    r"|finish|stop"
)
_REACHES_OUT = re.compile(
    r"`systemc_\w+|\b(?:import|export)\s*\"DPI[^\"]*\""  # C++ and C
    r"|\$(?!\s*[\]:])(?P<task>\w*(?:``\w*)*)"  # not the end of a queue, as in [1:$]
)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:=(.*))?", re.S)
_LITERAL = re.compile(r"'([bodhBODH])\s*([\da-fA-F_]+)|(?<![\w.'$])(\d[\d_]*)(?![\w.']|\s*')")
_PARAMETERS = re.compile(r"\b(?:parameter|localparam)\b[^;)]*")
_ASSIGNED = re.compile(r"([A-Za-z_][\w$]*)\s*=(?!=)([^=,]*)")
_OVERRIDDEN = re.compile(r"\.([A-Za-z_][\w$]*)\s*\(([^()]*)\)")
_RANGE = re.compile(r"\[[^\[\]]*:[^\[\]]*\]")
_PART = re.compile(r"\[.*[+-]:", re.S)  # of [i +: 8], where the index may be any number
_MOST_INDEX = (1 << 31) - 1


@dataclass(frozen=True)
class Sources:
    """A text, and the files that it loads memories from."""

    text: str
    beside: dict[str, Path] = field(default_factory=dict)  # by the name it loads them by
    systemverilog: bool = False  # a file is called so, or uses what only SystemVerilog has


def read_sources(
    paths: Sequence[Path], include: Sequence[Path] = (), defines: Mapping[str, str] | None = None
) -> Sources:
    """Read files and those that they include, and find those that they load memories from.

    Names are looked for next to the file that has them, then in the folders given. What is found
    nowhere stays as it is: it may stand where the preprocessor does not look.

    Args:
        paths: Verilog files, in the order to be read.
        include: Folders of further files.
        defines: Texts of macros by name, as if each file began with them.

    Raises:
        UserError: If a file cannot be read, is no text or VHDL, includes itself, includes or loads
            what is not below these folders, or has a range that no tool can count; or if a folder
            is none.
    """
    for folder in include:
        if not folder.is_dir():
            raise UserError(f"--include {folder} is not a folder")
    reader = _Reader(paths, include)
    macros = "".join(f"`define {name} {value}\n" for name, value in (defines or {}).items())
    text = macros + "".join(reader.read(path, 0) for path in paths)
    plain = _BLANKED.sub(_blank, text)
    _check_ranges(plain, ", ".join(map(str, paths)))
    modern = any(path.suffix.lower() in _SYSTEMVERILOG_SUFFIXES for path in paths)
    return Sources(text, reader.beside, modern or _SYSTEMVERILOG.search(plain) is not None)


def assignments(option: str, settings: Sequence[str], default: str | None = None) -> dict[str, str]:
    """Return the texts of ``NAME=TEXT`` settings by name.

    Args:
        option: Name of the option, for messages.
        settings: What the user gave.
        default: Text of a setting without ``=``; None if that is refused.

    Raises:
        UserError: If a setting has another form, its text more than one line, or a name is given
            twice.
    """
    found: dict[str, str] = {}
    for setting in settings:
        match = _ASSIGNMENT.fullmatch(setting)
        value = default if match is None or match[2] is None else match[2]
        if match is None or value is None or "\n" in value:
            raise UserError(f"{option} takes NAME=VALUE, not {setting!r}")
        if match[1] in found:
            raise UserError(f"{option} {match[1]} is given twice; accepted: once")
        found[match[1]] = value
    return found


def check_tasks(text: str, source: str) -> None:
    """Refuse a text that could reach files or programs when a simulator runs it.

    Only system tasks that are known to be harmless are accepted, written out in full: pasted
    together by a macro, none is.

    Args:
        text: All files, with what they include.
        source: What to call it in messages.

    Raises:
        UserError: If the text calls another task, or C functions, or binds other modules.
    """
    plain = _BLANKED.sub(_kept_language, text)
    for match in _REACHES_OUT.finditer(plain):
        if not _HARMLESS.fullmatch(match["task"] or ""):
            raise UserError(
                f"{source}: {match[0]} may reach files or programs, so no simulator runs it;"
                " accepted with --trust"
            )


def module_names(text: str) -> list[str]:
    """Return the names of the modules in a Verilog text, in their order.

    Attributes may stand before a module, and several modules in one line; what looks like a
    module in a comment or a string is none.
    """
    return _MODULE.findall(_BLANKED.sub(_blank, text))


def directives(text: str) -> set[str]:
    """Return the directives and macros that a Verilog text uses, such as ``ifdef``."""
    if "`" not in text:
        return set()
    return set(re.findall(r"`(\w+)", _BLANKED.sub(_blank, text)))


class _Reader:
    """Reads files into one text.

    Args:
        paths: The user's files; what lies below their folders may be included.
        include: Further folders.
    """

    def __init__(self, paths: Sequence[Path], include: Sequence[Path]) -> None:
        self.include = include
        self.beside: dict[str, Path] = {}
        self._trusted = [path.resolve() for path in (*(each.parent for each in paths), *include)]
        self._left = _MOST_BYTES

    def read(self, path: Path, depth: int) -> str:
        """Return the text of a file, with what it includes in it."""
        if depth > _DEEPEST:
            raise UserError(f"{path} includes itself")
        raw = read_input(path, "Verilog file", limit_bytes=_MOST_BYTES, unzip=True)
        self._left -= len(raw)
        if self._left < 0:
            raise UserError(f"{path}: more than {_MOST_BYTES:,} bytes with what is included")
        if b"\0" in raw:
            raise UserError(f"{path} is not Verilog text: it holds NUL bytes")
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            # as older editors write comments
            text = raw.decode("latin-1").removeprefix("\xef\xbb\xbf")
        text = text.replace("\r\n", "\n")
        if "endmodule" not in text and _VHDL.search(text):
            raise UserError(f"{path} is VHDL; accepted: Verilog and SystemVerilog")

        def error(match: re.Match[str], problem: str) -> UserError:
            return UserError(f"{path}:{_line_number(text, match.start())}: {problem}")

        # of a parameter that names the file to load only the string is seen
        indirect = any(part["load"] and not part["loaded"] for part in _PARTS.finditer(text))

        def replaced(match: re.Match[str]) -> str:
            if match["open"]:
                raise error(match, "this comment is never closed")
            if match["include"]:
                return self._included(match, path, text, depth, error)
            if match["load"]:
                name = match["loaded"]
                return match["load"] + (
                    f'"{self._loaded(match, name, path, error)}"' if name else ""
                )
            if match["module"]:
                return match["module"] + re.sub(r"\S", " ", match[0][len(match["module"]) :])
            if match["string"] and indirect and len(match["string"]) > 2:
                return f'"{self._loaded(match, match["string"][1:-1], path, error)}"'
            return match[0]

        return f"{_line(path, 1)}{_PARTS.sub(replaced, text)}\n"

    def _included(
        self,
        match: re.Match[str],
        path: Path,
        text: str,
        depth: int,
        error: Callable[[re.Match[str], str], UserError],
    ) -> str:
        name = match["included"]
        if not name:
            raise error(match, "`include without a name in quotes is not followed")
        there = self._find(match, name, path, error)
        if there is None:
            return match[0]
        line = _line_number(text, match.end())
        return f"\n{self.read(there, depth + 1)}{_line(path, line)}"

    def _loaded(
        self,
        match: re.Match[str],
        name: str,
        path: Path,
        error: Callable[[re.Match[str], str], UserError],
    ) -> str:
        """Return the name by which a file that a memory is loaded from lies beside the text."""
        there = self._find(match, name, path, error)
        if there is None:
            return name
        if match["load"]:
            content = read_input_text(there, "memory file", limit_bytes=_MOST_BYTES)
            read = _MEMORY.match(content)
            if read is not None and read.end() < len(content):
                number, wrong = _line_number(content, read.end()), content[read.end()]
                raise error(
                    match,
                    f"{there} is no memory file: accepted are digits, not {wrong!r} in line"
                    f" {number}",
                )
        own = f"memory{len(self.beside)}"
        self.beside[own] = there
        return own

    def _find(
        self,
        match: re.Match[str],
        name: str,
        path: Path,
        error: Callable[[re.Match[str], str], UserError],
    ) -> Path | None:
        """Find a file by the name that another one gives it, below the trusted folders."""
        for folder in (path.parent, *self.include):
            there = folder / name
            try:
                if not there.exists():
                    continue
                real = there.resolve()
            except (OSError, RuntimeError):  # too long for a name, or a loop of links
                continue
            if not any(real.is_relative_to(trusted) for trusted in self._trusted):
                raise error(
                    match,
                    f"{name[:200]} is not below the folders of the design; accepted: a file below"
                    " them, or a folder given with --include",
                )
            if real.is_file():
                return there
            raise error(match, f"{name[:200]} is no plain file")
        return None


def _check_ranges(plain: str, source: str) -> None:
    """Refuse ranges whose ends do not fit 31 bits: Yosys would wrap them around silently."""
    if not any(_is_large(match) for match in _LITERAL.finditer(plain)):
        return
    large: set[str] = set()  # names of parameters that stand for such a number
    assigned = [pair for part in _PARAMETERS.findall(plain) for pair in _ASSIGNED.findall(part)]
    assigned += _OVERRIDDEN.findall(plain)
    while True:
        more = {name for name, value in assigned if _holds_large(value, large)} - large
        if not more:
            break
        large |= more
    for match in _RANGE.finditer(plain):
        if _holds_large(_PART.sub("", match[0]), large):
            raise UserError(
                f"{source}: the range {' '.join(match[0].split())[:80]} has an end beyond"
                f" {_MOST_INDEX:,}; accepted: a width that can be built"
            )


def _holds_large(text: str, names: set[str]) -> bool:
    return any(_is_large(match) for match in _LITERAL.finditer(text)) or (
        bool(names) and not names.isdisjoint(re.findall(r"[A-Za-z_][\w$]*", text))
    )


def _is_large(literal: re.Match[str]) -> bool:
    base, digits, plain = literal.groups()
    text = (digits or plain).replace("_", "").lstrip("0")
    radix = {"b": 2, "o": 8, "d": 10, "h": 16}[base.lower()] if base else 10
    if len(text) > 64:
        return True
    try:
        return int(text or "0", radix) > _MOST_INDEX
    except ValueError:  # digits that are none of the base: Yosys says so
        return False


def _kept_language(match: re.Match[str]) -> str:
    """Blank a part of a text, unless it names the language of an imported function."""
    return match[0] if match[0].startswith('"DPI') else '""' if match[0][0] == '"' else " "


def _blank(match: re.Match[str]) -> str:
    """Replace a part of a text by its line ends."""
    return "\n" * match[0].count("\n") or " "


def _line_number(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _line(path: Path, number: int) -> str:
    name = re.sub(r'[\s"]', "_", str(path))  # Yosys takes no blanks in it
    return f'`line {number} "{name}" 0\n'
