"""Names and first sentences: one name for one thing, and a sentence that says what it is."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache

import pytest

from tests.test_import_rule import FOLDERS, ROOT

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_LEAST_WORDS = 5
_CLAUSE = re.compile(r"(What|Which|Whether|Where|When|Why|How|By how|That|Those|These|It|They)\b")


@cache
def trees() -> tuple[tuple[str, ast.Module], ...]:
    files = (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))
    return tuple((str(path.relative_to(ROOT)), ast.parse(path.read_text())) for path in files)


def shared_names(modules: Iterable[tuple[str, ast.Module]]) -> dict[str, list[str]]:
    """Return the public classes whose name more than one module gives, with these modules."""
    found = defaultdict(list)
    for path, tree in modules:
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(path)
    return {name: paths for name, paths in found.items() if len(paths) > 1}


def poor_sentences(path: str, tree: ast.Module) -> Iterator[str]:
    """Yield docstrings that are too short to say anything, or begin without a noun or a verb."""
    for node in ast.walk(tree):
        text = ast.get_docstring(node) if isinstance(node, _Documented) else None
        if text and (len(text.split()) < _LEAST_WORDS or _CLAUSE.match(text)):
            yield f"{path}: {getattr(node, 'name', 'module')}: {text.splitlines()[0]}"


def test_a_public_class_has_a_name_of_its_own() -> None:
    assert shared_names(trees()) == {}


def test_a_docstring_begins_with_a_sentence() -> None:
    assert [line for path, tree in trees() for line in poor_sentences(path, tree)] == []


def test_a_name_that_two_modules_give_is_found() -> None:
    modules = [(name, ast.parse("class Job: ...\nclass _Part: ...")) for name in ("a", "b")]
    assert shared_names(modules) == {"Job": ["a", "b"]}


@pytest.mark.parametrize(
    ("text", "poor"),
    [
        ("Job.", True),
        ("What a kit measures in all its cells.", True),
        ("How often a gate lets its clock through.", True),
        ("Whatever follows is left to the reader.", False),
        ("Cost of one operation in a kit.", False),
    ],
)
def test_a_poor_sentence_is_found(text: str, poor: bool) -> None:
    tree = ast.parse(f'class A:\n    """{text}"""')
    assert bool([*poor_sentences("a", tree)]) is poor
