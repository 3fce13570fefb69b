"""The rooms of the report: sections know the page and nothing of each other."""

import ast
from pathlib import Path

import pytest

from consilico.reports.page.section import ReportResults
from consilico.reports.sections import SECTIONS
from tests.reports.section import REQUEST

ROOT = Path(__file__).resolve().parents[2] / "reports"
NAMES = [section.name for section in SECTIONS]
_PARTS = {"section.py", "template.html.j2", "__init__.py"}


def _imports(path: Path) -> set[str]:
    """Return the rooms of the report that a file imports from."""
    nodes = ast.walk(ast.parse(path.read_text()))
    modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[2] for name in modules if name.startswith("consilico.reports.")}


@pytest.mark.parametrize("name", NAMES)
def test_a_section_is_a_folder_that_knows_only_itself_and_the_page(name: str) -> None:
    files = list((ROOT / name).iterdir())
    assert {file.name for file in files} >= _PARTS
    assert set().union(*(_imports(f) for f in files if f.suffix == ".py")) <= {name, "page"}


def test_the_page_knows_no_section() -> None:
    assert set().union(*(_imports(file) for file in (ROOT / "page").glob("*.py"))) == {"page"}


def test_names_and_titles_of_sections_are_their_own() -> None:
    assert len(set(NAMES)) == len({section.title for section in SECTIONS}) == len(SECTIONS)


def test_every_job_says_what_it_measures_how_and_how_long() -> None:
    for section in SECTIONS:
        for job in section.jobs(REQUEST, ReportResults()):
            assert job.label
            assert job.command.startswith(("consilico ", "make "))
            assert job.cpu_s > 0
            assert job.work.__module__.startswith("consilico.reports.")
