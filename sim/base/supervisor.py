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
import signal
import stat
import struct
import sys
import time
from collections.abc import Callable

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS = 1, 36, 38  # of prctl(2)
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # system calls of landlock(7)
_ASK_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = (1 << bit for bit in (0, 1, 2, 3, 14))
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_ALL_RIGHTS = {1: 13, 2: 14}  # bits by version of Landlock; 15 from the third on
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


def landlock_version() -> int:
    """Return the version of Landlock that the system has; 0 if it has none."""
    if sys.platform != "linux":
        return 0
    ask = ctypes.CDLL(None).syscall
    version: int = ask(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)
    return max(0, version)


def _confine(reach: str) -> None:
    """Let this process reach only some files, if the system can do so; it cannot be undone.

    Args:
        reach: One path per line, ``r`` (read and execute) or ``w`` (all) before each.
    """
    version = landlock_version()
    if not version:
        return
    call = ctypes.CDLL(None, use_errno=True).syscall
    every = (1 << _ALL_RIGHTS.get(version, 15)) - 1
    handled = ctypes.c_uint64(every)
    rules = call(_CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(8), 0)
    if rules < 0:
        raise OSError(ctypes.get_errno(), "landlock")
    for line in reach.split("\n"):
        try:
            place = os.open(line[1:], os.O_PATH | os.O_CLOEXEC)
        except OSError:  # a folder of software that is not there
            continue
        rights = every if line[0] == "w" else _EXECUTE | _READ_FILE | _READ_DIR
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place), 12)
        if call(_ADD_RULE, rules, _PATH_BENEATH, rule, 0):
            raise OSError(ctypes.get_errno(), "landlock")
        os.close(place)
    _prctl(_SET_NO_NEW_PRIVS, 1)
    if call(_RESTRICT_SELF, rules, 0):
        raise OSError(ctypes.get_errno(), "landlock")
    os.close(rules)


def _start(
    command: list[str], memory_bytes: int, file_bytes: int, cpu_s: int, reach: str
) -> tuple[int, str]:
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
            if reach:
                _confine(reach)
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
    """Run ``report folders wall_s memory_bytes file_bytes cpu_s reach command...``.

    ``folders``, with colons between them, are removed if the project dies before the tool; a
    ``cpu_s`` of 0 is no limit, and an empty ``reach`` (see :func:`_confine`) neither.
    """
    report, folders = int(arguments[0]), arguments[1].split(os.pathsep)
    wall_s, memory_bytes, file_bytes, cpu_s = (float(text) for text in arguments[2:6])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one way to end it: the project lets go
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(report, False)
    _prctl(_SET_CHILD_SUBREAPER, 1)
    process, problem = _start(
        arguments[7:], int(memory_bytes), int(file_bytes), int(cpu_s), arguments[6]
    )
    if problem:
        os.write(report, f"unstarted {problem}".encode())
        return
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):  # the tool's alone: they are to end with it
        os.dup2(quiet, descriptor)
    timed_out, abandoned = _await(process, wall_s)
    status, peak_bytes = _end_all(process)
    if abandoned:
        import shutil  # takes longer to import than all the rest, and is hardly ever needed

        for folder in filter(None, folders):
            shutil.rmtree(folder, ignore_errors=True)
        return
    os.write(report, f"ended {status} {peak_bytes} {int(timed_out)}".encode())


if __name__ == "__main__":
    main(sys.argv[1:])
