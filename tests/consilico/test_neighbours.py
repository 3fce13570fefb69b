"""Consilico next to a user's own packages, named as the folders of its source tree are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from consilico.sim.base.results import cache_dir

NAMES = ("golden", "hw", "rtl", "sim", "reports", "tests", "commands", "cli")


@pytest.fixture
def neighbours(tmp_path: Path) -> Path:
    """Folder with packages of those names, each of which fails when it is imported."""
    folder = tmp_path / "user"
    for name in NAMES:
        package = folder / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"raise ImportError('the user\\'s own {name}')\n")
    return folder


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder from which Python imports first."""
    return subprocess.run(
        [sys.executable, "-m", "consilico", *arguments],
        cwd=folder,  # which ``-m`` puts at the front of the path
        env=os.environ | {"PYTHONPATH": str(folder)} | environment,
        capture_output=True,
        text=True,
    )


def test_the_users_packages_are_really_in_the_way(neighbours: Path) -> None:
    code = "import sim"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=neighbours, capture_output=True, text=True
    )
    assert "ImportError: the user's own sim" in found.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["generate", "training/stochastic_round"],
        ["estimate", "training/stochastic_round"],
        ["memory", "--model", "llama-60m"],
        ["report", "--help"],
    ],
    ids=" ".join,
)
def test_commands_run_next_to_them(neighbours: Path, arguments: list[str]) -> None:
    found = run(neighbours, *arguments)
    assert (found.returncode, found.stderr) == (0, "")


def test_both_simulators_run_next_to_them(neighbours: Path, tmp_path: Path) -> None:
    """The Python inside the simulator finds our testbench; only builds come from the cache."""
    cache = tmp_path / "cache"
    cache.mkdir()
    for simulator in ("icarus", "verilator"):
        (cache / simulator).symlink_to(cache_dir(simulator))
    found = run(neighbours, "verify", "training/stochastic_round", CONSILICO_CACHE=str(cache))
    assert found.returncode == 0, found.stderr
    assert "icarus" in found.stdout
    assert "verilator" in found.stdout
    assert sorted(path.name for path in neighbours.iterdir() if path.name != "__pycache__") == (
        sorted(NAMES)
    )
