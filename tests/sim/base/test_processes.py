"""Tools that misbehave end in one line that names them, and leave nothing behind."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from consilico.sim.base.errors import ToolError
from consilico.sim.base.processes import Ending, Limits, run_tool, tool_version, work_folder

PATIENT = Limits(wall_s=120)


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called ``faketool`` on the PATH; a test writes what it does."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    path = tmp_path / "faketool"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def _does(tool: Path, script: str, program: str = "/bin/sh") -> None:
    tool.write_text(f"#!{program}\n{script}\n")


def _is_gone(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def _await(condition: Callable[[], bool]) -> None:
    """Wait for what comes at once on an idle machine, and fail if it never comes."""
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_tool_that_succeeds_gives_what_it_printed(tool: Path) -> None:
    _does(tool, "echo said $1; echo aside >&2")
    run = run_tool("faketool", ["faketool", "this"], PATIENT)
    assert run.check() is run
    assert (run.ending, run.status, run.problem) == (Ending.EXITED, 0, "")
    assert (run.stdout, run.stderr) == ("said this\n", "aside\n")


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo no licence >&2; exit 3", "faketool failed with status 3: no licence"),
        (
            "echo 'x.v:1: ERROR: syntax'; echo bye; exit 1",
            "faketool failed with status 1: x.v:1: ERROR: syntax",
        ),
        (
            "echo 'x.v:1: syntax error'; echo I give up.; exit 2",
            "faketool failed with status 2: x.v:1: syntax error",
        ),
        ("exit 1", "faketool failed with status 1 and printed nothing"),
        ("kill -KILL $$", "faketool was killed by SIGKILL"),
        ("echo in step 2; kill -SEGV $$", "faketool was killed by SIGSEGV after it printed: in s"),
    ],
)
def test_a_tool_that_fails_is_named_in_one_line(tool: Path, script: str, problem: str) -> None:
    _does(tool, script)
    run = run_tool("faketool", ["faketool"], PATIENT)
    assert not run.succeeded
    assert run.problem.startswith(problem)
    assert "\n" not in run.problem
    with pytest.raises(ToolError, match=r"^faketool "):
        run.check()


def test_a_tool_that_hangs_is_ended(tool: Path) -> None:
    _does(tool, "exec sleep 600")
    run = run_tool("faketool", ["faketool"], Limits(wall_s=0.2))
    assert run.ending is Ending.TIMED_OUT
    assert run.problem == "faketool took more than 0.2 s"


def test_a_tool_that_ignores_signals_is_ended(tool: Path) -> None:
    _does(tool, "trap '' TERM INT HUP; while :; do sleep 600; done")
    assert run_tool("faketool", ["faketool"], Limits(wall_s=0.2)).ending is Ending.TIMED_OUT


def test_processor_time_can_be_limited(tool: Path) -> None:
    _does(tool, "while :; do :; done")
    run = run_tool("faketool", ["faketool"], Limits(wall_s=600, cpu_s=1))
    assert run.ending is Ending.TIMED_OUT
    assert run.problem == "faketool took more than 1 s of processor time"


def test_a_tool_that_takes_memory_without_end_is_ended(tool: Path) -> None:
    _does(tool, "hold = []\nwhile True: hold.append(bytearray(1 << 20))", sys.executable)
    run = run_tool("faketool", ["faketool"], Limits(wall_s=120, memory_bytes=200 << 20))
    assert run.ending is Ending.OUT_OF_MEMORY
    assert run.problem == "faketool needed more than 0.195 GiB of memory"
    assert run.peak_bytes < 300 << 20


def test_a_tool_that_fills_the_disk_is_ended(tool: Path, tmp_path: Path) -> None:
    _does(tool, f"exec dd if=/dev/zero of={tmp_path}/large bs=1M count=100 status=none")
    run = run_tool("faketool", ["faketool"], Limits(wall_s=120, file_bytes=1 << 20))
    assert not run.succeeded
    assert (tmp_path / "large").stat().st_size <= 1 << 20


def test_what_a_talkative_tool_printed_last_is_kept(tool: Path) -> None:
    _does(tool, "head -c 20000000 /dev/zero; echo end")
    run = run_tool("faketool", ["faketool"], PATIENT)
    assert run.stdout.endswith("\0end\n")
    assert len(run.stdout) <= 4 << 20


@pytest.mark.parametrize("start", ["sleep 600 &", "setsid sleep 600 &", "(setsid sleep 600 &)"])
def test_children_that_would_outlive_a_tool_are_ended(tool: Path, start: str) -> None:
    """One of them has a session of its own, and one has lost its parent."""
    own = f"600.{os.getpid()}"  # seconds that no other test sleeps
    seen = f"ps -eo pid,args | grep '[s]leep {own}'"
    _does(tool, f"{start.replace('600', own)}\nuntil {seen}; do :; done")
    run = run_tool("faketool", ["faketool"], PATIENT).check()
    children = [int(line.split()[0]) for line in run.stdout.splitlines()]
    assert children
    for child in children:
        _await(partial(_is_gone, child))


def test_a_tool_gets_no_input(tool: Path) -> None:
    _does(tool, "cat; echo done")
    assert run_tool("faketool", ["faketool"], PATIENT).stdout == "done\n"


@pytest.mark.parametrize("command", ["/nowhere/faketool", "/etc/passwd"])
def test_what_is_no_program_is_named(command: str) -> None:
    with pytest.raises(ToolError, match=rf"^faketool cannot be started: {command}: "):
        run_tool("faketool", [command], PATIENT)


PARENT = """
import sys
from functools import partial
from pathlib import Path
from consilico.sim.base.processes import Limits, run_tool, work_folder
with work_folder("outer") as outer, work_folder("faketool") as folder:
    command = ["faketool", str(outer), str(folder)]
    run_tool("faketool", command, Limits(wall_s=600), folder=folder)
"""


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_tool_and_its_folder_end_with_the_process_that_started_it(
    tool: Path, tmp_path: Path, by: signal.Signals
) -> None:
    _does(
        tool,
        f"sleep 600 & echo $$ $! $* > {tmp_path}/some; mv {tmp_path}/some {tmp_path}/ids\nwait",
    )
    with subprocess.Popen([sys.executable, "-c", PARENT], stderr=subprocess.DEVNULL) as parent:
        _await((tmp_path / "ids").exists)
        parent.send_signal(by)
    first, second, *folders = (tmp_path / "ids").read_text().split()
    assert len(folders) == 2
    for process in (int(first), int(second)):
        _await(partial(_is_gone, process))
    _await(lambda: not any(Path(folder).exists() for folder in folders))


def test_temporary_files_of_a_tool_that_is_killed_go_with_its_folder(tool: Path) -> None:
    _does(tool, "touch ${TMPDIR:-/tmp}/left; echo $TMPDIR; kill -9 $$")
    with work_folder("some") as folder:
        run = run_tool("faketool", ["faketool"], PATIENT, folder=folder)
        assert Path(run.stdout.strip()) == folder
        assert (folder / "left").exists()
    assert not folder.exists()


def test_a_work_folder_is_removed_after_an_error() -> None:
    with pytest.raises(ValueError, match=r"^x$"), work_folder("faketool") as folder:  # noqa: PT012
        (folder / "file").write_text("")
        assert folder.parent == Path(tempfile.gettempdir())
        raise ValueError("x")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("", "faketool does not say its version: -V prints nothing"),
        ("echo hello; echo there", "faketool does not say its version: -V prints hello"),
        ("exit 1", "faketool failed with status 1 and printed nothing"),
        ("kill -KILL $$", "faketool was killed by SIGKILL"),
    ],
)
def test_a_tool_that_says_no_version_is_named(tool: Path, script: str, problem: str) -> None:
    _does(tool, script)
    with pytest.raises(ToolError) as caught:
        tool_version("faketool", ["faketool", "-V"], r"(\d+\.\d+)")
    assert str(caught.value) == problem


def test_nothing_else_starts_programs() -> None:
    """A program that is started past this module has no limits and is nobody's child."""
    root = Path(__file__).parents[3]
    rooms = ("golden", "hw", "sim", "reports", "consilico")
    files = [file for room in rooms for file in root.glob(f"{room}/**/*.py")]
    assert files
    starts = re.compile(
        r"^\s*(import|from) (subprocess|pty)\b|\bos\.(system|popen|spawn|fork)", re.MULTILINE
    )
    assert {
        file.relative_to(root).as_posix() for file in files if starts.search(file.read_text())
    } <= {
        "sim/base/processes.py",
        "sim/base/supervisor.py",  # what that starts
        "sim/rtlsim/runtime_objects.py",  # runs inside a compilation, under its limits
    }


def test_a_version_is_found_among_other_text(tool: Path) -> None:
    _does(tool, "echo 'a banner'; echo 'Fake 1.2+3 (x)'")
    assert tool_version("faketool", ["faketool", "-V"], r"^Fake (\S+)") == "1.2+3"
