"""Compiles Verilator's own runtime once: a launcher that make puts before the C++ compiler.

Verilator compiles its runtime (``verilated.cpp`` and a few more) anew for every design, at about
10 processor seconds, several times what a unit of ours takes. Those object files depend on the
compiler, its arguments and the runtime's sources, not on the design. So the makefiles' ``OBJCACHE``
names this file, which takes them from the result cache; all other calls go on to the compiler.
"""

import os
import subprocess
import sys

__all__ = ["KIND", "launcher"]

KIND = "verilator-runtime"  # of results in the cache


def launcher() -> str:
    """Return the value of ``OBJCACHE`` that has make call this file before the compiler.

    Python starts without its site packages, as most calls only go on to the compiler.
    """
    return f"{sys.executable} -I -S {__file__}"


def _runtime_source(command: list[str]) -> str | None:
    """Return the source file if the command compiles one of Verilator's runtime."""
    root = os.environ.get("VERILATOR_ROOT", "")
    sources = [word for word in command if word.endswith(".cpp")]
    if "-c" not in command or "-o" not in command or len(sources) != 1 or not root:
        return None
    folder, name = os.path.split(sources[0])
    runtime = os.path.join(root, "include")  # noqa: PTH118 - pathlib takes 10 ms to import
    return sources[0] if folder == runtime and name.startswith("verilated") else None


def _compile_cached(command: list[str], source: str) -> int:
    """Run the compiler, or put the object file there that it wrote for an equal command.

    Returns:
        The compiler's exit status.
    """
    from pathlib import Path

    from consilico.sim.base.results import cached_file, digest

    target = Path(command[command.index("-o") + 1])
    folder = Path(source).parent
    headers = sorted(folder.glob("*.h"))
    compiler = subprocess.run([command[0], "--version"], capture_output=True, text=True).stdout
    key = digest(command, compiler, *((h.name + h.read_text()) for h in (Path(source), *headers)))

    def compiled() -> bytes:
        done = subprocess.run(command)
        if done.returncode:
            raise SystemExit(done.returncode)
        return target.read_bytes()

    target.write_bytes(cached_file(KIND, key, ".o", compiled).read_bytes())
    return 0


def _compile(command: list[str], source: str) -> int:
    """Compile with the cache or, where that fails, without: a build does not need it."""
    try:
        return _compile_cached(command, source)
    except Exception:
        return subprocess.run(command).returncode


if __name__ == "__main__":
    arguments = sys.argv[1:]
    runtime_source = _runtime_source(arguments)
    if runtime_source is None:
        os.execvp(arguments[0], arguments)
    if sys.flags.no_site:  # the cache needs packages, and finds this one as the caller does
        os.execv(sys.executable, [sys.executable, "-P", *sys.argv])
    sys.exit(_compile(arguments, runtime_source))
