"""The optional parts of the installation, and one line for what lacks one.

``pip install consilico`` leaves out what most commands do without: torch alone brings gigabytes.
What the others need are extras, listed in ``pyproject.toml``; here they are read back from the
metadata of the installed package, so that a message never names an extra that is not there.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from consilico.sim.base.errors import UserError

__all__ = ["MissingExtra", "extras", "missing_package", "needing"]

_PROJECT = "consilico"
_DISTRIBUTIONS = {"cocotb_tools": "cocotb", "find_libpython": "cocotb", "hammer": "hammer-vlsi"}
# Extras that commands need; all others need "silicon"
_OF_COMMANDS = {"verify": "verify", "test": "verify", "mutate": "verify", "report": "report"}


class MissingExtra(UserError):
    """A part of Consilico that is installed separately is not there; the message names it."""


@contextmanager
def needing(command: str, *modules: str) -> Iterator[None]:
    """Turn an import that fails for want of an extra into one line that names the extra.

    Args:
        command: What needs it, such as ``"verify"``.
        modules: Modules that it needs in any case: looked for at once, before any work.

    Raises:
        MissingExtra: If a package that an extra brings is missing.
        ModuleNotFoundError: If another module is missing.
    """
    from importlib.util import find_spec

    try:
        for module in modules:
            if find_spec(module) is None:
                raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        yield
    except ModuleNotFoundError as error:
        found = missing_package(command, error)
        if found is None:
            raise
        raise found from error


def missing_package(command: str, error: ModuleNotFoundError) -> MissingExtra | None:
    """Return the error that names the extra which brings a missing module; None if none does."""
    module = (error.name or "").partition(".")[0]
    distribution = _DISTRIBUTIONS.get(module, module).lower().replace("_", "-")
    known = extras()
    usual = _OF_COMMANDS.get(command, "silicon")
    bringing = [name for name, packages in known.items() if distribution in packages]
    if not bringing:
        return None
    smallest = min(bringing, key=lambda name: len(known[name]))
    extra = usual if usual in bringing else smallest
    return MissingExtra(
        f"consilico {command} needs the extra '{extra}': pip install 'consilico[{extra}]'"
    )


def extras() -> Mapping[str, frozenset[str]]:
    """Return the packages that each extra brings, those of other extras it includes among them.

    It is empty where Consilico runs from a folder and was never installed.
    """
    import importlib.metadata  # 30 ms, for an error message only

    try:
        lines = importlib.metadata.requires(_PROJECT) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    direct: dict[str, set[str]] = {}
    included: dict[str, set[str]] = {}
    for line in lines:
        extra = re.search(r"""extra\s*==\s*["']([\w-]+)["']""", line)
        required = re.match(r"([\w.-]+)\s*(?:\[([\w,\s-]+)\])?", line)
        if extra is None or required is None:
            continue
        name = required[1].lower().replace("_", "-")
        if name == _PROJECT:
            parts = {part.strip() for part in (required[2] or "").split(",")}
            included.setdefault(extra[1], set()).update(parts)
        else:
            direct.setdefault(extra[1], set()).add(name)
    return {name: frozenset(_closure(name, direct, included)) for name in direct | included}


def _closure(
    name: str, direct: Mapping[str, set[str]], included: Mapping[str, set[str]]
) -> set[str]:
    found = set(direct.get(name, ()))
    for part in included.get(name, ()):
        found |= _closure(part, direct, included)
    return found
