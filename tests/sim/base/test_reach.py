"""A tool that works on other people's texts reads and writes only what it was given."""

import os
from pathlib import Path

import pytest

from consilico.sim.base.processes import Limits, ToolRun, run_tool
from consilico.sim.base.reach import Reach, installed_software, reads_are_confined

confined = pytest.mark.skipif(not reads_are_confined(), reason="this system has no Landlock")


def run(folder: Path, script: str, reach: Reach | None) -> ToolRun:
    work = folder / "work"
    work.mkdir()
    command = ["sh", "-c", script]
    return run_tool("sh", command, Limits(wall_s=60), folder=work, reach=reach)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "other" / "secret"
    path.parent.mkdir()
    path.write_text("a secret\n")
    return path


@confined
def test_a_file_elsewhere_cannot_be_read(tmp_path: Path, secret: Path) -> None:
    found = run(tmp_path, f"cat {secret}", Reach())
    assert not found.succeeded
    assert "secret\n" not in found.stdout
    assert "Permission denied" in found.stderr


@confined
def test_what_is_named_is_read_but_not_written(tmp_path: Path, secret: Path) -> None:
    reach = Reach(readable=(secret,))
    found = run(tmp_path, f"cat {secret}; echo more >> {secret} || exit 7", reach)
    assert found.stdout == "a secret\n"
    assert found.status != 0
    assert secret.read_text() == "a secret\n"


@confined
def test_a_folder_that_is_named_may_be_written_to(tmp_path: Path, secret: Path) -> None:
    reach = Reach(writable=(secret.parent,))
    assert run(tmp_path, f"mv {secret} {secret}.2; echo 1 > {secret}", reach).succeeded
    assert secret.read_text() == "1\n"


@confined
def test_what_a_child_starts_is_confined_too(tmp_path: Path, secret: Path) -> None:
    assert not run(tmp_path, f"sh -c 'setsid cat {secret}'", Reach()).succeeded


def test_its_own_folder_and_installed_programs_are_always_reached(tmp_path: Path) -> None:
    script = "echo 1 > a; mkdir b; mv a b/c; cat b/c; python3 -c 'import json' > /dev/null"
    found = run(tmp_path, script, Reach())
    assert (found.stdout, found.status) == ("1\n", 0)


def test_a_confined_tool_leaves_its_history_in_its_own_folder(tmp_path: Path) -> None:
    assert run(tmp_path, "echo $HOME", Reach()).stdout == f"{tmp_path / 'work'}\n"


def test_a_tool_that_is_not_confined_reads_all(tmp_path: Path, secret: Path) -> None:
    assert run(tmp_path, f"cat {secret}", None).stdout == "a secret\n"


def test_the_users_home_is_no_folder_of_software(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = os.pathsep.join([f"{tmp_path}/home/bin", f"{tmp_path}/tools/bin", "here", ""])
    found = installed_software({"PATH": path})
    assert tmp_path / "home" / "bin" in found
    assert tmp_path / "tools" in found
    assert not {tmp_path, tmp_path / "home", Path("here"), Path()} & {*found}
