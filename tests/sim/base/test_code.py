"""The digest of code changes with what runs, and with nothing else."""

import ast
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from consilico.sim.base import code
from consilico.sim.base.code import code_digest, modules_behind

Digest = Callable[..., str]

MAIN = '''"""Doc."""

from typing import TYPE_CHECKING

from somepackage.helper import help_out

if TYPE_CHECKING:
    from somepackage.other import Other


def work(x: "Other") -> int:
    """Work."""
    return help_out(x) + 1
'''
HELPER = """
def help_out(x):
    from somepackage import late
    return late.VALUE * x
"""


@pytest.fixture
def digest_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Digest]:
    """Return the digest of ``somepackage.main`` with some of its files replaced."""
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "somepackage"
    package.mkdir()
    usual = {
        "__init__.py": "",
        "main.py": MAIN,
        "helper.py": HELPER,
        "late.py": "VALUE = 2\n",
        "other.py": "class Other: ...\n",
        "table.json": "{}",
    }

    def forget() -> None:
        importlib.invalidate_caches()
        for function in (code_digest, code._module, code._imported, code._spec):
            function.cache_clear()

    def digest(files: dict[str, str] | None = None) -> str:
        for name, text in (usual | (files or {})).items():
            (package / name).write_text(text)
        forget()
        return code_digest("somepackage.main")

    yield digest
    forget()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("main.py", "return help", "# why\n    return help"),
        ("main.py", '"""Work."""', '"""Work otherwise."""'),
        ("main.py", '    """Work."""\n', ""),
        ("main.py", "help_out(x) + 1", "(help_out(x)\n            + 1)"),
        ("main.py", "    from somepackage.other import Other", "    from other import Other"),
        ("helper.py", "return late", "# why\n    return late"),
        ("late.py", "VALUE = 2", "VALUE = 2  # two"),
        ("other.py", "...", "value = 1"),  # imported for types only
        ("table.json", "{}", "[]"),  # named by nobody
    ],
)
def test_what_does_not_run_does_not_count(digest_of: Digest, name: str, old: str, new: str) -> None:
    texts = {"main.py": MAIN, "helper.py": HELPER, "late.py": "VALUE = 2\n"}
    text = texts.get(name, {"other.py": "class Other: ...\n", "table.json": "{}"}.get(name, ""))
    assert old in text
    assert digest_of({name: text.replace(old, new)}) == digest_of()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("main.py", "+ 1", "+ 2"),
        ("helper.py", "late.VALUE *", "late.VALUE +"),  # imported
        ("late.py", "2", "3"),  # imported by that, inside a function
    ],
)
def test_what_runs_counts(digest_of: Digest, name: str, old: str, new: str) -> None:
    text = {"main.py": MAIN, "helper.py": HELPER, "late.py": "VALUE = 2\n"}[name]
    assert old in text
    assert digest_of({name: text.replace(old, new)}) != digest_of()


def test_a_data_file_that_a_module_names_counts(digest_of: Digest) -> None:
    reads = {"late.py": 'VALUE = len(open("table.json").read())\n'}
    assert digest_of(reads | {"table.json": "[]"}) != digest_of(reads)


@pytest.mark.parametrize(
    "named", ['"somepackage.other"', '"somepackage.other:Other"', '"other.py"']
)
def test_a_module_that_is_named_for_another_process_counts(digest_of: Digest, named: str) -> None:
    starts = {"late.py": f"VALUE = 2\nBENCH = {named}\n"}
    assert digest_of(starts | {"other.py": "class Other: value = 1\n"}) != digest_of(starts)


def test_imports_relative_to_the_package_count(digest_of: Digest) -> None:
    relative = {"main.py": MAIN.replace("from somepackage.helper", "from .helper")}
    assert digest_of(relative | {"late.py": "VALUE = 3\n"}) != digest_of(relative)


def test_a_package_of_somebodys_own_is_followed_into_ours(digest_of: Digest) -> None:
    digest_of({"late.py": "from consilico.sim.units.stimulus import Stimulus as VALUE\n"})
    behind = modules_behind("somepackage.main")
    assert {"somepackage.late", "consilico.sim.units.stimulus"} <= behind
    assert "numpy" not in behind


def test_a_text_is_read_once(digest_of: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    first = digest_of()
    with monkeypatch.context() as patch:
        patch.setattr(ast, "parse", pytest.fail)
        assert digest_of() == first
    changed = digest_of({"late.py": "VALUE = 3\n"})
    assert changed != first


def test_what_is_known_of_a_text_holds_for_other_files_beside_it(digest_of: Digest) -> None:
    """The cache knows the strings of a text; which of them are files is seen anew each time."""
    named = {"late.py": 'VALUE = "more.json"\n'}
    without = digest_of(named)
    assert digest_of(named | {"more.json": "{}"}) != without


def test_a_cache_that_cannot_be_written_is_done_without(
    digest_of: Digest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = digest_of()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CONSILICO_CACHE", str(tmp_path / "file" / "below"))
    assert digest_of() == expected


def test_nothing_is_imported(digest_of: Digest) -> None:
    digest_of()
    assert not [name for name in sys.modules if name.startswith("somepackage")]


def test_a_module_that_was_loaded_from_elsewhere_is_read_from_there(
    digest_of: Digest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main script of a run, say, whose name no finder knows."""
    digest_of()
    module = ModuleType("script_of_somebody")
    module.__file__ = str(tmp_path / "script.py")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    digests = []
    for text in ("a = 1", "a = 1  # one", "a = 2"):
        (tmp_path / "script.py").write_text(text)
        code._module.cache_clear()
        code_digest.cache_clear()
        digests.append(code_digest(module.__name__))
    assert digests[0] == digests[1] != digests[2]


def test_what_was_typed_at_a_prompt_is_never_the_same(
    digest_of: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest_of()
    monkeypatch.setitem(sys.modules, "a_prompt", ModuleType("a_prompt"))
    first = code_digest("a_prompt")
    code._module.cache_clear()
    code_digest.cache_clear()
    assert code_digest("a_prompt") != first


def test_a_module_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"consilico\.nothing"):
        code_digest("consilico.nothing")


@pytest.mark.parametrize(
    ("module", "runs"),
    [
        ("consilico.sim.silicon.implement", "consilico.sim.rtlsim.bulk_replay"),
        ("consilico.sim.silicon.implement", "consilico.sim.silicon.power.analysis"),
        ("consilico.sim.rtlsim.verify", "consilico.sim.rtlsim.cocotb_testbench"),
        ("consilico.sim.rtlsim.verify", "consilico.sim.rtlsim.cocotb_runner"),
    ],
)
def test_what_is_measured_with_is_in_the_keys(module: str, runs: str) -> None:
    assert runs in modules_behind(module)


def test_every_cached_result_has_code_in_its_key() -> None:
    root = Path(__file__).parents[3]
    keeps = re.compile(r"\b(cached|cached_facts|cached_file)\(")
    without = set()
    for file in (file for room in ("sim", "reports") for file in root.glob(f"{room}/**/*.py")):
        text = file.read_text()
        if keeps.search(text) and "code_digest(" not in text and "sim/base" not in str(file):
            without.add(file.relative_to(root).as_posix())
    # what is compiled hangs on the compiler, its arguments and the text, which are all in the key
    assert without <= {"sim/rtlsim/builds.py", "sim/rtlsim/runtime_objects.py"}


def test_a_measurement_does_not_hang_on_the_report() -> None:
    behind = modules_behind("consilico.sim.silicon.implement", "consilico.sim.rtlsim.verify")
    assert not [name for name in behind if name.startswith("consilico.reports")]
    assert "consilico" not in behind
