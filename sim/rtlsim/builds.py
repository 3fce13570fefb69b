"""Compiled simulations, cached by the hash of everything they are made from.

An entry is one executable file whose name carries the hash of its content, so that it appears
whole, and a damaged one is recognised, removed and made again.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from consilico.sim.base.errors import ToolError
from consilico.sim.base.results import cached_file, digest
from consilico.sim.rtlsim.simulators import Simulator

__all__ = ["BuildError", "cached_build", "log_tail"]


class BuildError(ToolError):
    """A simulator did not compile the Verilog; the message holds the end of its output."""


def cached_build(
    simulator: Simulator,
    texts: Sequence[str],
    options: Mapping[str, Any],
    make: Callable[[list[Path], Path], Path],
) -> Path:
    """Path of the simulation compiled from Verilog texts, compiling it where it is not cached.

    Args:
        simulator: Its name and version are part of the key.
        texts: Verilog, one text a file.
        options: All else that the build depends on.
        make: Takes the source files and an empty folder, and returns the file it compiled there.

    Raises:
        BuildError: If ``make`` finds the texts do not compile.
        UserError: If the cache cannot be written.
    """
    key = digest(simulator.name, simulator.version, simulator.settings, list(texts), dict(options))

    def compiled() -> bytes:
        with tempfile.TemporaryDirectory(prefix="consilico-build-") as name:
            sources = []
            for index, text in enumerate(texts):
                source = Path(name, f"source{index}.v")
                source.write_text(text)
                sources.append(source)
            work = Path(name, "work")
            work.mkdir()
            return make(sources, work).read_bytes()

    entry = cached_file(simulator.name, key, "", compiled)
    entry.chmod(entry.stat().st_mode | 0o111)
    return entry


def log_tail(text: str, lines: int = 12) -> str:
    """Last lines of a program's output."""
    return "\n".join(text.strip().splitlines()[-lines:])
