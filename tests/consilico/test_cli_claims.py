"""The command on published claims, for people."""

from pathlib import Path

import pytest

import consilico
from consilico.cli import main
from tests.sim.claims.test_claim_files import RIGHT, file_of


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["claims", *words]) == 0
    return capsys.readouterr().out


def test_claims_of_several_papers_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "fira", "lost")
    assert "fira/states-against-galore" in out
    assert "1 supported, 1 conditional, 0 not supported, 1 not checkable" in out


def test_a_paper_is_shown_with_reasons_and_commands(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "fira")
    assert "fira/states-against-galore: conditional" in out
    assert "only if states of the blocks' matrices count, and no others (8)" in out
    assert "consilico memory --model llama-7b --method fira --rank 128" in out


def test_own_claims_are_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = file_of(tmp_path, RIGHT)
    assert "paper/states: supported" in shown(capsys, "paper", "--files", str(path))
    (found,) = consilico.claims(["paper"], files=tmp_path)
    assert found.verdict == "supported"


def test_what_is_wrong_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = file_of(tmp_path, RIGHT.replace("tolerance", "tolerence"))
    assert main(["claims", "--files", str(path)]) == 2
    assert main(["claims", "nonsense"]) == 2
    wrong, unknown = capsys.readouterr().err.splitlines()
    assert wrong == f"consilico: {path}: claim 1.tolerance is missing"
    assert unknown.startswith("consilico: unknown claim 'nonsense'; there are: apollo, cast, ")
