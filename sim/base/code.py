"""Digest of the code that a computation runs, as part of the key of its cached result.

A result depends on the modules that compute it and on nothing else. So the digest covers the
named modules, every module of this project that they import, directly or not, and the data files
beside those modules that they name. Comments, docstrings and the layout of the text do not count,
nor does ``sim/base`` itself, which carries results about and computes none.
"""

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from consilico.sim.base.results import digest

__all__ = ["code_digest", "modules_behind"]

_PROJECT = "consilico"
_CARRIERS = "consilico.sim.base"


@cache  # of the code as it was when first asked for, even if a file changes during a long run
def code_digest(*modules: str) -> str:
    """Return the digest of these modules and of all project code that they import.

    Args:
        modules: Full names, such as ``"consilico.sim.silicon.power.analysis"``. An import inside a
            function counts; one under ``if TYPE_CHECKING`` does not, as it is never run.

    Returns:
        SHA-256 in hex. It is the same wherever the project is installed.

    Raises:
        ModuleNotFoundError: If one of them does not exist.
    """
    parts: list[object] = []
    for name in sorted(modules_behind(*modules)):
        path = _source(name)
        tree = _parsed(path)
        data = sorted(_data_files(tree, path.parent))
        parts.append([name, _meaning(tree), [[file.name, _sha(file)] for file in data]])
    return digest(*parts)


def modules_behind(*modules: str) -> set[str]:
    """Return the names of these modules and of all project modules that they import.

    Raises:
        ModuleNotFoundError: If one of them does not exist.
    """
    found: set[str] = set()
    pending = list(modules)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += _imports(name)
    return found


@cache
def _source(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {name}", name=name)
    return Path(spec.origin)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(name: str) -> tuple[str, ...]:
    found: list[str] = []
    for node in _run_nodes(_parsed(_source(name))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(name for name in found if _is_ours(name) and not _is_carrier(name))


def _is_carrier(name: str) -> bool:
    return f"{name}.".startswith(f"{_CARRIERS}.")


def _is_ours(name: str) -> bool:
    """Tell whether this is a module of the project, and not a name inside one."""
    if name.partition(".")[0] != _PROJECT:
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, not a package
        return False


def _run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those under ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _run_nodes(node)


def _meaning(tree: ast.Module) -> str:
    """Return the code without comments and docstrings."""
    bare = ast.parse(ast.unparse(tree))
    for node in ast.walk(bare):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [item for item in node.body if not _is_text(item)]
    return ast.dump(bare)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _data_files(tree: ast.Module, folder: Path) -> set[Path]:
    """Return the files of the module's own folder whose names stand in its text."""
    names = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value
    }
    return {
        folder / name
        for name in names
        if "/" not in name and len(name) < 100 and not name.endswith(".py")
        if (folder / name).is_file()
    }


def _sha(path: Path) -> str:
    return digest(path.read_bytes())
