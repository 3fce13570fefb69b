"""Verilator's runtime is compiled once; everything else goes on to the compiler as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from consilico.sim.rtlsim.runtime_objects import launcher


@pytest.fixture
def compiler(tmp_path: Path) -> Path:
    """A stand-in for ``c++`` that notes its calls and writes what it was given."""
    program = tmp_path / "compiler"
    program.write_text(
        f"""#!{sys.executable}
import pathlib, sys
if "--version" in sys.argv:
    print("compiler 1")
    sys.exit()
pathlib.Path({str(tmp_path / "calls")!r}).open("a").write("call\\n")
if "bad" in sys.argv:
    sys.exit("does not compile")
pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).write_text(" ".join(sys.argv[1:]))
"""
    )
    program.chmod(0o755)
    (tmp_path / "root" / "include").mkdir(parents=True)
    for name in ("verilated.cpp", "verilated.h"):
        (tmp_path / "root" / "include" / name).write_text("// runtime")
    (tmp_path / "design.cpp").write_text("// design")
    return program


def _compile(compiler: Path, cache: Path, source: str, *more: str) -> tuple[int, str, int]:
    """Compile as make does; return the status, what was written, and the calls so far."""
    folder = compiler.parent
    target = folder / "it.o"
    target.unlink(missing_ok=True)
    command = [*launcher().split(), str(compiler), "-c", "-o", "it.o", *more, source]
    environment = {
        **os.environ, "VERILATOR_ROOT": str(folder / "root"), "CONSILICO_CACHE": str(cache),
    }  # fmt: skip
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True)
    calls = folder / "calls"
    return (
        run.returncode,
        target.read_text() if target.exists() else "",
        len(calls.read_text().splitlines()) if calls.exists() else 0,
    )


def test_the_runtime_is_compiled_once_for_equal_arguments(compiler: Path, cache: Path) -> None:
    runtime = str(compiler.parent / "root" / "include" / "verilated.cpp")
    first = _compile(compiler, cache, runtime, "-O1")
    again = _compile(compiler, cache, runtime, "-O1")
    assert first[0] == again[0] == 0
    assert first[1] == again[1] != ""
    assert (first[2], again[2]) == (1, 1)
    assert _compile(compiler, cache, runtime, "-O2")[2] == 2
    (compiler.parent / "root" / "include" / "verilated.h").write_text("// another version")
    assert _compile(compiler, cache, runtime, "-O1")[2] == 3


def test_a_design_goes_on_to_the_compiler(compiler: Path, cache: Path) -> None:
    assert _compile(compiler, cache, "design.cpp") == (0, "-c -o it.o design.cpp", 1)
    assert _compile(compiler, cache, "design.cpp")[2] == 2
    assert not cache.exists()


def test_what_does_not_compile_is_told_and_not_kept(compiler: Path, cache: Path) -> None:
    runtime = str(compiler.parent / "root" / "include" / "verilated.cpp")
    for calls in (1, 2):
        assert _compile(compiler, cache, runtime, "bad") == (1, "", calls)


def test_a_cache_that_cannot_be_written_stops_no_build(compiler: Path, tmp_path: Path) -> None:
    file = tmp_path / "a-file"
    file.write_text("")
    runtime = str(compiler.parent / "root" / "include" / "verilated.cpp")
    status, written, _ = _compile(compiler, file, runtime)
    assert (status, written != "") == (0, True)
