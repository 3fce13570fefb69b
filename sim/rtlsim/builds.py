"""Compiled simulations, cached by the hash of everything they are made from.

An entry is one executable file whose name carries the hash of its content, so that it appears
whole, and a damaged one is recognized, removed and made again.
"""

import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import ToolError
from consilico.sim.base.processes import Ending, Limits, ToolRun, work_folder
from consilico.sim.base.results import cached_file, digest
from consilico.sim.base.tools import tool_versions
from consilico.sim.rtlsim.simulators import Simulator

__all__ = [
    "COMPILE_LIMITS",
    "BuildError",
    "cached_build",
    "check_compiled",
    "compiler_version",
    "log_tail",
]

# 64 lanes of a large unit take Verilator and g++ some minutes; nothing here comes near the memory
COMPILE_LIMITS = Limits(wall_s=3600, memory_bytes=4 << 30)


class BuildError(ToolError):
    """A simulator did not compile the Verilog; the message holds the end of its output."""


def cached_build(
    simulator: Simulator,
    texts: Sequence[str],
    options: Mapping[str, Any],
    make: Callable[[list[Path], Path], Path],
) -> Path:
    """Return the path of the simulation compiled from Verilog texts, from the cache if known.

    Args:
        simulator: Its name and version are part of the key.
        texts: Verilog, one text per file.
        options: All else that the build depends on.
        make: Takes the source files and an empty folder, and returns the file it compiled there.

    Raises:
        BuildError: If ``make`` finds the texts do not compile.
        UserError: If the cache cannot be written.
    """
    key = digest(
        simulator.name,
        simulator.version,
        simulator.settings,
        compiler_version(simulator),
        [sys.platform, platform.machine()],  # a cache may be on a disk that machines share
        list(texts),
        dict(options),
    )

    def compiled() -> bytes:
        with work_folder("build") as folder:
            sources = []
            for index, text in enumerate(texts):
                source = folder / f"source{index}.v"
                source.write_text(text)
                sources.append(source)
            work = folder / "work"
            work.mkdir()
            return make(sources, work).read_bytes()

    entry = cached_file(simulator.name, key, "", compiled)
    entry.chmod(entry.stat().st_mode | 0o111)
    return entry


def compiler_version(simulator: Simulator) -> str | None:
    """Return the version of the C++ compiler that a simulator's builds depend on, if they do."""
    return tool_versions(["g++"])["g++"] if simulator.name == "verilator" else None


def check_compiled(run: ToolRun, top: str, log: str) -> None:
    """Tell Verilog that does not compile from a compiler that failed for another reason.

    Args:
        run: The compiler's run; its ``tool`` is the simulator's name.
        top: Name of the module that it compiled.
        log: What it printed.

    Raises:
        BuildError: If it ended with an error of its own.
        ToolError: If it was killed or exceeded a limit.
    """
    if run.ending is Ending.EXITED and run.status:
        raise BuildError(f"{run.tool} does not compile {top}:\n{log_tail(log)}")
    run.check()


def log_tail(text: str, lines: int = 12) -> str:
    """Return the last lines of a program's output."""
    return "\n".join(text.strip().splitlines()[-lines:])
