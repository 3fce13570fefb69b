"""CONTRIBUTING's example, installed as it is written there, through the commands it names."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TEXT = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text()
SECTION = TEXT[TEXT.index("## An operator of your own") : TEXT.index("## An operator in this")]
TIMEOUT_S = 600

Call = Callable[[str], "subprocess.CompletedProcess[str]"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", SECTION, re.S | re.M)


def commands() -> list[str]:
    (console,) = blocks("console")
    return [line.removeprefix("$ ") for line in console.splitlines()]


def installed(folder: Path, source: str) -> Call:
    """Install the package with this source, and return what runs a command next to it."""
    (project,) = blocks("toml")
    (folder / "pyproject.toml").write_text(project)
    (folder / "acme_ops.py").write_text(source)
    site, work = folder / "site", folder / "work"
    work.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(site), "."],
        cwd=folder, check=True, capture_output=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(site), "CONSILICO_CACHE": str(folder / "cache")}

    def call(command: str) -> "subprocess.CompletedProcess[str]":
        program, *arguments = shlex.split(command)
        assert program == "consilico"
        return subprocess.run(
            [sys.executable, "-m", "consilico", *arguments],
            cwd=work, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S,
            check=False,
        )  # fmt: skip

    return call


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Call:
    return installed(tmp_path_factory.mktemp("acme"), "\n\n".join(blocks("python")))


SAID = {  # words of what a command prints
    "list": ("acme/distance", "lanes=2  (1..64)"),
    "generate": ("distance.v: ",),
    "verify": ("acme/distance, seed 1: passed",),
    "implement": ("acme/distance in nangate45", "verification, "),
    "estimate": ("acme/distance is not calibrated in nangate45", "traffic: verification"),
    "sweep": ("2", "4"),
}


def test_the_package_is_installed_and_every_command_is_tried() -> None:
    first, *rest = commands()
    assert first == "pip install ."
    assert [command.split()[1] for command in rest] == list(SAID)


@pytest.mark.parametrize("command", commands()[1:])
def test_every_command_works_for_it(command: str, call: Call) -> None:
    run = call(command)
    assert run.returncode == 0, run.stderr
    for words in SAID[command.split()[1]]:
        assert words in run.stdout


def test_a_source_of_traffic_that_it_does_not_have_is_refused(call: Call) -> None:
    run = call("consilico implement acme/distance --traffic model")
    assert run.returncode == 2
    assert "acme/distance has no traffic 'model'; it has: verification" in run.stderr


def test_a_wrong_golden_function_fails_verification(tmp_path: Path) -> None:
    source = "\n\n".join(blocks("python"))
    assert "return np.abs(a - b)" in source
    wrong = installed(tmp_path, source.replace("np.abs(a - b)", "np.abs(a - b) | 1"))
    run = wrong("consilico verify acme/distance --sim icarus")
    assert run.returncode == 1
    assert "failed" in run.stdout + run.stderr
