"""Reasons why a build or a simulation stopped short of its end, as types: nobody reads messages.

What stopped is no verdict on the unit. A simulation that is broken off leaves results missing, too,
of which the unit may be innocent.
"""

import errno
from typing import Literal

from consilico.sim.base.processes import Ending, ToolFailed, ToolRun
from consilico.sim.rtlsim.builds import BuildError

__all__ = ["Stop", "stop_of_error", "stop_of_run"]

Stop = Literal[
    "build failed",  # the Verilog does not compile
    "killed",
    "timed out",
    "out of memory",
    "out of disk",
    "tool failed",  # a tool exited with an error of its own
    "no verdict",  # the simulation ended by itself, before the testbench had its verdict
    "error",  # anything else, such as a tool that is missing or a mistake of ours
]
_STOPS: dict[Ending, Stop] = {
    Ending.EXITED: "tool failed",
    Ending.KILLED: "killed",
    Ending.TIMED_OUT: "timed out",
    Ending.OUT_OF_MEMORY: "out of memory",
    Ending.OUT_OF_DISK: "out of disk",
}


def stop_of_run(run: ToolRun) -> Stop | None:
    """Return why a program stopped; None if it succeeded."""
    return None if run.succeeded else _STOPS[run.ending]


def stop_of_error(error: BaseException) -> Stop:
    """Return why something stopped that raised an exception."""
    if isinstance(error, BuildError):
        return "build failed"
    if isinstance(error, ToolFailed):
        return _STOPS[error.run.ending]
    if isinstance(error, MemoryError):
        return "out of memory"
    cause: BaseException | None = error
    while cause is not None:  # what writes files raises a UserError from the system's error
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return "out of disk"
        cause = cause.__cause__
    return "error"
