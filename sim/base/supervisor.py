"""Runs one program under limits and leaves nothing of it behind: a script, started for each tool.

:mod:`consilico.sim.base.processes` starts it with the Python that runs, ``-I -S``, so it imports
only what is quick to import. It stands between this project and the tool because only a parent of
its own sees all descendants of a tool, and because it outlives a ``kill -9`` of the project long
enough to end them.

Standard input is a pipe that the project holds open while it lives; the tool writes to standard
output and standard error; what became of it goes to the descriptor ``report`` in one line:
``ended WAIT_STATUS PEAK_BYTES TIMED_OUT`` or ``unstarted ERRNO``.
"""

import ctypes
import os
import resource
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # of prctl(2)
_MEMORY = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _limit(kind: int, value: int) -> None:
    """Lower a soft limit, as far as the user's hard limit allows."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, hard))


def _start(command: list[str], memory_bytes: int, file_bytes: int, cpu_s: int) -> tuple[int, str]:
    """Start the tool in a session of its own; return its process and why it does not start."""
    reads, writes = os.pipe()  # closed by the tool's exec
    parent = os.getpid()
    process = os.fork()
    if process == 0:
        try:
            os.setsid()
            _prctl(_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)  # Python ignores the last two
            _limit(resource.RLIMIT_CORE, 0)
            _limit(_MEMORY, memory_bytes)
            _limit(resource.RLIMIT_FSIZE, file_bytes)
            if cpu_s:
                _limit(resource.RLIMIT_CPU, cpu_s)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.execvp(command[0], command)
        except OSError as error:
            os.write(writes, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(writes)
    problem = os.read(reads, 16).decode()
    os.close(reads)
    return process, problem


def _await(process: int, wall_s: float) -> tuple[bool, bool]:
    """Wait for the tool; return whether it ran too long, and whether the project is gone."""
    wake_up, by_signal = os.pipe()
    os.set_blocking(by_signal, False)
    signal.set_wakeup_fd(by_signal)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    end = time.monotonic() + wall_s
    poll = select.poll()
    for descriptor in (0, wake_up):
        poll.register(descriptor, select.POLLIN)
    while os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        left = end - time.monotonic()
        if left <= 0:
            return True, False
        for descriptor, _ in poll.poll(1000 * left):
            if descriptor == 0:  # nothing is ever written to it: it has ended
                return False, True
            os.read(wake_up, 512)
    return False, False


def _end_all(process: int) -> tuple[int, int]:
    """Kill the tool and all its descendants; return its wait status and greatest memory in bytes.

    Descendants that made a session of their own have come to this process when their parent died.
    """
    _kill(os.killpg, process)  # before the wait: the number cannot be another's yet
    _, status, used = os.wait4(process, 0)
    while True:
        for child in _children():
            _kill(os.kill, child)
        try:
            os.wait()
        except ChildProcessError:
            break
    return status, used.ru_maxrss * (1024 if sys.platform == "linux" else 1)


def _kill(kill: Callable[[int, int], None], process: int) -> None:
    try:  # noqa: SIM105 (contextlib takes its time to import)
        kill(process, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _children() -> list[int]:
    own = os.getpid()
    try:
        with open(f"/proc/{own}/task/{own}/children") as file:  # noqa: PTH123 (pathlib is slow)
            return [int(child) for child in file.read().split()]
    except OSError:  # no Linux
        return []


def main(arguments: list[str]) -> None:
    """Run ``report folders wall_s memory_bytes file_bytes cpu_s command...``.

    ``folders``, with colons between them, are removed if the project dies before the tool; a
    ``cpu_s`` of 0 is no limit.
    """
    report, folders = int(arguments[0]), arguments[1].split(os.pathsep)
    wall_s, memory_bytes, file_bytes, cpu_s = (float(text) for text in arguments[2:6])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one way to end it: the project lets go
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(report, False)
    _prctl(_SET_CHILD_SUBREAPER, 1)
    process, problem = _start(arguments[6:], int(memory_bytes), int(file_bytes), int(cpu_s))
    if problem:
        os.write(report, f"unstarted {problem}".encode())
        return
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):  # the tool's alone: they are to end with it
        os.dup2(quiet, descriptor)
    timed_out, abandoned = _await(process, wall_s)
    status, peak_bytes = _end_all(process)
    if abandoned:
        for folder in filter(None, folders):
            shutil.rmtree(folder, ignore_errors=True)
        return
    os.write(report, f"ended {status} {peak_bytes} {int(timed_out)}".encode())


if __name__ == "__main__":
    main(sys.argv[1:])
