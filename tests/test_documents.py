"""Every figure in README.md and docs/ comes from data: see scripts/documents.py."""

import re
from pathlib import Path
from typing import Any

import pytest

from scripts import documents

ROOT = documents.ROOT
FIGURE = re.compile(r"\d[\d.,]*\s?(?:[um]m²|[pnu]J|[pn]s|[KMGT]i?B|[um]W|%)(?!\w)")
# Documents whose figures may only stand in parts made from data, with what is no measurement.
PLAIN = {
    "README.md": ["16 GB"],  # the card that people have
    "docs/consmax.md": ["0.6 %"],  # the bound that the defaults were searched for
    "docs/dot.md": ["99.6 %"],  # of zero points, from the language model itself
    "docs/systolic.md": [],
    "docs/requantization.md": [],
    "docs/training.md": [],
    "docs/kits.md": [],
}
PARTS = [
    pytest.param(path, match[2], id=f"{path.name}: {match[2]}")
    for path in documents.documents()
    for match in documents._PART.finditer(path.read_text())
]


def strangers(text: str, allowed: list[str]) -> list[str]:
    """Return the figures of a document that stand outside of its parts and are not allowed."""
    found = FIGURE.findall(documents.without_parts(text))
    return [figure for figure in found if figure not in allowed]


@pytest.mark.parametrize(("path", "name"), PARTS)
def test_a_part_is_what_its_data_give(path: Path, name: str) -> None:
    part = next(m for m in documents._PART.finditer(path.read_text()) if m[2] == name)
    assert part[0] == documents.rewritten(part[0]), "run: make documents"


def test_every_part_stands_in_a_document() -> None:
    assert {param.values[1] for param in PARTS} == set(documents.PARTS)


@pytest.mark.parametrize("name", PLAIN)
def test_figures_stand_only_in_parts(name: str) -> None:
    assert strangers((ROOT / name).read_text(), PLAIN[name]) == []


def test_a_figure_outside_of_a_part_is_found() -> None:
    text = "Area 12 um²\n<!-- from data: x -->\n3.5 pJ\n<!-- end -->\nand 0.2 % at 14.9 GB"
    assert strangers(text, ["0.2 %"]) == ["12 um²", "14.9 GB"]


def test_an_edited_part_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "PARTS", {"x": lambda: "area 12 um²"})
    right = "<!-- from data: x -->\narea 12 um²\n<!-- end -->"
    assert documents.rewritten(right) == right
    assert documents.rewritten(right.replace("12", "13")) == right


def test_the_table_of_units_says_which_were_measured_with_other_verilog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(documents, "_is_current", lambda row: row.unit != "matmul/dot")
    assert "the Verilog of `matmul/dot` has changed" in documents.units_part()


def test_links_between_documents_lead_somewhere() -> None:
    broken: list[Any] = [
        (path.name, target)
        for path in documents.documents()
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text())
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_commands_of_the_readme_exist() -> None:
    from typer.main import get_command

    from consilico.cli import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]  # a click group
    shown = re.findall(r"^consilico ([a-z-]+)", (ROOT / "README.md").read_text(), re.M)
    assert shown
    assert set(shown) <= known
