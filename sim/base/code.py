"""Digest of the code that a computation runs, as part of the key of its cached result.

A result depends on the modules that compute it and on nothing else. So the digest covers the
named modules, every module of their packages that they import, directly or not, and the data files
next to those modules that they name. Comments, docstrings and the layout of the text do not count,
nor does ``sim/base`` itself, which carries results about and computes none. Reading a text takes
far longer than asking for what it said the last time, so that is kept in the cache.
"""

import ast
import importlib.util
import re
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import UserError
from consilico.sim.base.results import cached, digest

__all__ = ["code_digest", "modules_behind"]

_CARRIERS = "consilico.sim.base"
_MODULE_NAME = re.compile(r"[a-zA-Z_]\w*(\.[a-zA-Z_]\w*)+(:[\w.]+)?")


@cache  # of the code as it was when first asked for, even if a file changes during a long run
def code_digest(*modules: str) -> str:
    """Return the digest of these modules and of all code of their packages that they import.

    Args:
        modules: Full names, such as ``"consilico.sim.silicon.power.analyse"``. An import inside a
            function counts, as does a string that is the name of a module (``"a.b"`` or
            ``"a.b:name"``) or of a Python file next to it; an import under ``if TYPE_CHECKING``
            does not, as it is never run.

    Returns:
        SHA-256 in hex. With one version of Python it is the same wherever the package is
        installed.

    Raises:
        ModuleNotFoundError: If one of them does not exist.
    """
    parts: list[object] = []
    for name in sorted(modules_behind(*modules)):
        module = _module(name)
        parts.append([name, module.code, [[file.name, _sha(file)] for file in module.data]])
    return digest(*parts)


def modules_behind(*modules: str) -> set[str]:
    """Return the names of these modules and of all modules of their packages that they import.

    A module of another package that imports this one, such as a unit of somebody's own, is
    followed through both.

    Raises:
        ModuleNotFoundError: If one of them does not exist.
    """
    packages = {"consilico", *(name.partition(".")[0] for name in modules)}
    found: set[str] = set()
    pending = list(modules)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += (
                other
                for candidate in _module(name).mentions
                if candidate.partition(".")[0] in packages and (other := _imported(candidate))
                if not f"{other}.".startswith(f"{_CARRIERS}.")
            )
    return found


@dataclass(frozen=True, kw_only=True)
class _Module:
    """Facts about one module that its digest depends on."""

    code: str  # digest of its syntax tree without docstrings and type-checking imports
    mentions: tuple[str, ...]  # of modules, and of names in them: see :func:`_imported`
    data: tuple[Path, ...]  # files next to it that it names


@cache
def _module(name: str) -> _Module:
    path = _file(name)
    if path is None:  # typed at a prompt: nothing says that it is the same the next time
        return _Module(code=secrets.token_hex(), mentions=(), data=())
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    text = path.read_text(encoding="utf-8")
    key = digest(text, package, sys.version, _reader())
    try:
        known = cached("code", key, lambda: _syntax(text, package))
    except UserError:  # a cache that cannot be written: whoever has a result to keep says so
        known = _syntax(text, package)
    mentions: list[str] = known["imports"]
    data: list[Path] = []
    for string in known["strings"]:
        if _is_file_name(string) and (path.parent / string).is_file():
            if string.endswith(".py"):
                mentions.append(f"{package}.{string.removesuffix('.py')}")
            else:
                data.append(path.parent / string)
        elif _MODULE_NAME.fullmatch(string):
            mentions.append(f"{string.partition(':')[0]}.")
    return _Module(code=known["code"], mentions=tuple(mentions), data=tuple(data))


def _syntax(text: str, package: str) -> dict[str, Any]:
    """Return what a text alone says about a module, as the cache keeps it.

    The parts are ``code``, the digest of what runs; ``imports``, what it imports; and ``strings``,
    those that could be the name of a module or of a file.
    """
    tree = ast.parse(text)
    _drop_what_is_not_run(tree)
    imports: list[str] = []
    strings: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            imports += [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
    strings = {each for each in strings if _is_file_name(each) or _MODULE_NAME.fullmatch(each)}
    return {"code": digest(ast.dump(tree)), "imports": imports, "strings": sorted(strings)}


def _file(name: str) -> Path | None:
    """Return the source file of a module; None for one that is loaded but has no file.

    Raises:
        ModuleNotFoundError: If there is no such module.
    """
    loaded = sys.modules.get(name)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
        return Path(file) if file else None
    spec = _spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {name}", name=name)
    return Path(spec.origin)


@cache
def _imported(candidate: str) -> str:
    """Return the module that a dotted name stands for, empty if it is none.

    ``package.module`` is that module, and ``package.module.name`` the module that holds the name;
    ``package.module.``, with a point at its end, is a module or nothing. What the ``__init__`` of
    a package does is left out unless a name of its own is imported.
    """
    parent, _, last = candidate.rpartition(".")
    names = (candidate, parent) if last else (parent,)
    return next((name for name in names if _spec(name) is not None), "")


@cache
def _spec(name: str) -> ModuleSpec | None:
    """Find a module without importing anything, not even what it is part of, such as torch."""
    parent = name.rpartition(".")[0]
    path = None
    if parent:
        within = _spec(parent)
        if within is None or within.submodule_search_locations is None:
            return None
        path = within.submodule_search_locations
    found = (finder.find_spec(name, path) for finder in sys.meta_path)
    return next((spec for spec in found if spec is not None), None)


def _is_file_name(text: str) -> bool:
    return "." in text and "/" not in text and "\0" not in text and len(text) < 100


def _drop_what_is_not_run(tree: ast.AST) -> None:
    """Remove docstrings and what stands under ``if TYPE_CHECKING`` from a syntax tree."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        parts = getattr(tree, field, None)
        if isinstance(parts, list):  # the body of a lambda is an expression
            kept = list(_that_run(parts))
            setattr(tree, field, kept)
            for part in kept:
                _drop_what_is_not_run(part)


def _that_run(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in statements:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) in (
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
        ):
            yield from _that_run(statement.orelse)
        elif not (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str)
        ):
            yield statement


def _sha(path: Path) -> str:
    return digest(path.read_bytes())


@cache
def _reader() -> str:
    """Return the digest of this module, by which its notes about texts are to be read."""
    return _sha(Path(__file__))
