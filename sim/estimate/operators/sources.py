"""Verilog files of a design as one text: what they include is in it, lines keep their names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from consilico.sim.base.errors import UserError

__all__ = ["Sources", "read_sources"]

_INCLUDE = re.compile(r'^[ \t]*`include[ \t]+"([^"\n]+)".*$', re.M)
_LOADED = re.compile(r'(\$readmem[bh]\s*\(\s*")([^"\n]+)(")')
_DEEPEST = 32  # files that include each other: one of them includes itself


@dataclass(frozen=True)
class Sources:
    """A text, and the files that it loads memories from."""

    text: str
    beside: dict[str, Path] = field(default_factory=dict)  # by the name it loads them by


def read_sources(paths: Sequence[Path], include: Sequence[Path] = ()) -> Sources:
    """Read files, those that they include, and find those that they load.

    Names are looked for beside the file that has them, then in the folders given. What is found
    nowhere stays as it is: it may stand where the preprocessor does not look.

    Args:
        paths: Verilog files, in the order to be read.
        include: Folders.

    Raises:
        UserError: If a file is no text, or includes itself, or a folder is none.
        OSError: If it cannot be read.
    """
    for folder in include:
        if not folder.is_dir():
            raise UserError(f"--include {folder} is not a folder")
    found = Sources("")
    texts = [_read(path, include, found.beside, 0) for path in paths]
    return Sources("".join(texts), found.beside)


def _read(path: Path, include: Sequence[Path], beside: dict[str, Path], depth: int) -> str:
    if depth > _DEEPEST:
        raise UserError(f"{path} includes itself")
    try:
        text = path.read_text()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not Verilog text: {error.reason}") from error
    folders = [path.parent, *include]

    def find(name: str) -> Path | None:
        return next((at / name for at in folders if (at / name).is_file()), None)

    def load(match: re.Match[str]) -> str:
        there = find(match[2])
        if there is None:
            return match[0]
        own = f"memory{len(beside)}"
        beside[own] = there
        return f"{match[1]}{own}{match[3]}"

    def inline(match: re.Match[str]) -> str:
        there = find(match[1])
        if there is None:
            return match[0]
        own = text.count("\n", 0, match.end()) + 1  # its line break stays
        return f"{_read(there, include, beside, depth + 1)}{_line(path, own)}"

    return f"{_line(path, 1)}{_INCLUDE.sub(inline, _LOADED.sub(load, text))}\n"


def _line(path: Path, number: int) -> str:
    name = re.sub(r'[\s"]', "_", str(path))  # Yosys takes no blanks in it
    return f'`line {number} "{name}" 0\n'
