"""Versions of tools are part of keys and results, so an unknown one is an error."""

import os
from pathlib import Path

import pytest

from consilico.sim.base.errors import ToolError
from consilico.sim.base.tools import package_version, program_version, tool_versions


@pytest.fixture
def sta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called ``sta``, first on the PATH; a test writes what it does."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    path = tmp_path / "sta"
    path.write_text("#!/bin/sh\necho 2.7.1 built today\n")
    path.chmod(0o755)
    return path


def test_programs_and_packages_say_their_versions(sta: Path) -> None:
    assert tool_versions(["sta", "numpy"]) == {"sta": "2.7.1", "numpy": package_version("numpy")}
    assert program_version("sta") == (str(sta), "2.7.1")


def test_what_is_missing_has_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tool_versions(["sta"]) == {"sta": None}
    assert program_version("sta") == (None, None)
    assert package_version("there-is-no-such-package") is None


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 1", "sta failed with status 1 and printed nothing"),
        ("echo hello", "sta does not say its version: -version prints hello"),
        ("kill -9 $$", "sta was killed by SIGKILL"),
    ],
)
def test_a_program_that_fails_to_say_its_version_is_named(
    sta: Path, script: str, problem: str
) -> None:
    sta.write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(ToolError) as caught:
        tool_versions(["sta"])
    assert str(caught.value) == problem
    assert program_version("sta") == (str(sta), None)  # for the doctor, who says what to do
