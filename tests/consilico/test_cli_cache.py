"""``consilico cache`` shows and clears what is ours, and nothing else."""

import json
import os
from pathlib import Path

import pytest

from consilico.cli import main
from consilico.sim.base.results import cached, cached_file, digest, stored


@pytest.fixture
def filled(cache: Path) -> Path:
    """Return a cache with two verdicts and a compiled simulation."""
    cached("verify", digest("a"), lambda: {"passed": True})
    cached("verify", digest("b"), lambda: {"passed": True})
    cached_file("icarus", digest("c"), "", lambda: b"program")
    return cache


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert main(["cache", "--json", "-", *arguments]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_it_says_where_the_cache_is_and_what_it_takes(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys)
    assert found["schema"] == "consilico.cache/1"
    assert found["path"] == str(filled)
    assert found["entries"] == 3
    files = [path for path in filled.rglob("*") if path.is_file()]
    assert found["bytes"] == sum(path.stat().st_size for path in files)
    assert main(["cache"]) == 0
    shown = capsys.readouterr().out
    assert "verify" in shown
    assert "icarus" in shown


def test_a_cache_that_is_not_there_is_empty(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys)
    assert (found["bytes"], found["entries"]) == (0, 0)
    assert not cache.exists()


def test_clearing_removes_all_entries_and_their_folders(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, "--clear")
    assert found["entries"] == 0
    assert list(filled.iterdir()) == []
    assert stored("verify", digest("a")) is None


def test_clearing_leaves_what_is_not_ours(
    filled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    kept = [
        filled / "notes.txt",
        filled / f"{digest('a')}.json",  # not in a folder of the cache
        filled / "verify" / "notes.json",
        filled / "Documents" / f"{digest('a')}.json",
        filled / "verify" / "deep" / f"{digest('a')}.json",
        elsewhere / f"{digest('a')}.json",
    ]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (filled / "linked").symlink_to(elsewhere)
    (filled / "verify" / f"{digest('l')}.json").symlink_to(filled / "notes.txt")
    answer(capsys, "--clear")
    assert [path for path in kept if not path.exists()] == []
    assert (filled / "verify" / f"{digest('l')}.json").is_symlink()
    assert stored("verify", digest("b")) is None


def test_clearing_removes_files_that_were_never_finished(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (filled / "verify" / ".consilico-0123").write_text("half")
    answer(capsys, "--clear")
    assert list(filled.iterdir()) == []


def test_what_was_used_lately_may_be_kept(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (filled / "verify").iterdir():
        os.utime(path, (1e9, 1e9))
    assert stored("verify", digest("b")) is not None  # is a use
    found = answer(capsys, "--clear", "--unused-days", "30")
    assert found["removed"] == {"bytes": found["removed"]["bytes"], "entries": 1}  # type: ignore[index]
    assert stored("verify", digest("a")) is None
    assert stored("verify", digest("b")) is not None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--unused-days", "3"], "--unused-days goes with --clear"),
        (["--clear", "--unused-days", "-1"], "--unused-days must be a number of days"),
        (["--clear", "--unused-days", "nan"], "--unused-days must be a number of days"),
    ],
)
def test_what_makes_no_sense_is_refused(
    filled: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    assert main(["cache", *arguments]) == 2
    assert problem in capsys.readouterr().err
    assert stored("verify", digest("a")) is not None
