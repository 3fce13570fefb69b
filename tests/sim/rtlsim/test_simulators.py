"""Simulators are found, and what is missing is named with how to get it."""

from pathlib import Path

import pytest

from consilico.sim.base.errors import UserError
from consilico.sim.rtlsim.simulators import find_simulator


def program(folder: Path, name: str, prints: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)


def test_an_unknown_simulator_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"'modelsim'.*icarus, verilator"):
        find_simulator("modelsim")


def test_missing_icarus_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"not on the path.*apt-get install iverilog"):
        find_simulator("icarus")


def test_icarus_that_does_not_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "iverilog", "no version here")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^Icarus Verilog does not say its version: -V"):
        find_simulator("icarus")


@pytest.mark.parametrize(("version", "own"), [("5.006", False), ("5.036", True), ("6.000", True)])
def test_a_users_own_verilator_is_taken_if_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, own: bool
) -> None:
    program(tmp_path, "verilator", f"Verilator {version} 2025-04-27 rev v{version}")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = find_simulator("verilator")
    assert (found.executable == tmp_path / "verilator") == own
    assert (found.version == version) == own


def test_icarus_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "iverilog", "Icarus Verilog version 11.0'; kill -9 $$; echo '")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^Icarus Verilog was killed by SIGKILL"):
        find_simulator("icarus")


def test_the_packaged_verilator_without_perl_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^the package verilator .*; it needs perl: apt-get inst"):
        find_simulator("verilator")


def test_missing_compiler_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "verilator", "Verilator 5.036")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="needs c\\+\\+; install it: apt-get install g\\+\\+"):
        find_simulator("verilator")
