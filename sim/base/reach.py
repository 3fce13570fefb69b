"""Reach of a tool that works on other people's texts: the files of this machine that it may see.

A Verilog text may load a memory from a file whose name it puts together while it is simulated, so
that no reading of the text finds it. The system itself confines such a tool (Landlock, Linux 5.13
and newer): it reads installed programs and its own folder, and writes to its own folder only.
"""

import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

from consilico.sim.base.supervisor import landlock_version

__all__ = [
    "NOT_CONFINED",
    "Reach",
    "compiled_programs",
    "installed_software",
    "reads_are_confined",
]

NOT_CONFINED = "reads are not confined by this system: it has no Landlock (Linux 5.13 or newer)"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix", "/etc/ld.so.cache",
           "/dev/urandom")  # fmt: skip
_WRITABLE_DEVICES = ("/dev/null",)
_SEARCHED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")  # variables that name folders of software


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Files and folders that a tool may reach besides its own folder and installed software."""

    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()

    def argument(self, program: str, folder: Path, environment: Mapping[str, str]) -> str:
        """Return this as the supervisor takes it: a path per line, ``r`` or ``w`` before each.

        Args:
            program: What is started.
            folder: Its own.
            environment: Its environment variables.
        """
        readable = [*installed_software(environment), *self.readable]
        if Path(program).is_absolute():
            readable += map(_around, (Path(program).parent, Path(program).resolve().parent))
        writable = [folder, *self.writable, *map(Path, _WRITABLE_DEVICES)]
        marked = [*(f"r{path}" for path in readable), *(f"w{path}" for path in writable)]
        return "\n".join(dict.fromkeys(each for each in marked if "\n" not in each))


@cache
def reads_are_confined() -> bool:
    """Tell whether this system confines what a tool reads."""
    return landlock_version() > 0


def installed_software(environment: Mapping[str, str]) -> list[Path]:
    """Return the folders that programs and what they are made of are installed in.

    Args:
        environment: Variables such as ``PATH``, whose folders count, too.
    """
    found = [Path(each) for each in _SYSTEM]
    found += [Path(each) for each in (sys.prefix, sys.base_prefix, *_python_folders())]
    found.append(compiled_programs(environment))
    for name in _SEARCHED:
        for text in environment.get(name, "").split(os.pathsep):
            if Path(text).is_absolute():
                found.append(_around(Path(text)))
    return list(dict.fromkeys(found))


def _around(folder: Path) -> Path:
    """Return the folder around a folder ``bin``, unless all of the user's files are in that."""
    around = folder.parent
    whole = folder.name in ("bin", "sbin") and not Path.home().is_relative_to(around)
    return around if whole else folder


def compiled_programs(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder in which YoWASP keeps programs that it compiled on their first call."""
    named = environment.get("YOWASP_CACHE_DIR")
    return Path(named) if named else user_cache_path("YoWASP", appauthor=False)


def _python_folders() -> Iterator[str]:
    """Yield the folders of packages that this process imports from, but for its working folder."""
    yield from sysconfig.get_paths().values()
    yield from (each for each in sys.path if each and Path(each).is_absolute())
    yield str(Path(__file__).resolve().parents[2])  # this project, in a checkout
