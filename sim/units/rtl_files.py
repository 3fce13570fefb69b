"""Keep ``rtl/``: the Verilog of every unit's default configuration, one file per unit.

``python -m consilico.sim.units.rtl_files`` writes the folder, with ``--check`` it only compares
(status 1 if a file is missing, differs, or belongs to no unit).
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from consilico.sim.base.files import write_atomic
from consilico.sim.units.catalogue import own_units, verilog_file

__all__ = ["differences", "generate", "main", "write"]


def generate() -> dict[str, str]:
    """Return the Verilog of every unit of ours, by file name."""
    return {
        f"{unit.module_name}.v": verilog_file(unit, unit.config()) for unit in own_units().values()
    }


def differences(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return what distinguishes the folder's Verilog from ``files``, one line each."""
    found = {path.name: path for path in folder.glob("*.v")}
    lines = [f"{folder / name}: is missing" for name in files if name not in found]
    lines += [f"{path}: belongs to no unit" for name, path in found.items() if name not in files]
    lines += [
        f"{path}: differs from what the generator writes"
        for name, path in found.items()
        if name in files and path.read_bytes() != files[name].encode()
    ]
    return sorted(lines)


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Make the folder's Verilog equal to ``files``; other Verilog there is removed."""
    for name, text in files.items():
        write_atomic(folder / name, text)
    for path in folder.glob("*.v"):
        if path.name not in files:
            path.unlink()


def main(argv: Sequence[str] | None = None) -> int:
    """Write or compare; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m consilico.sim.units.rtl_files", description=__doc__
    )
    parser.add_argument("--check", action="store_true", help="compare only, change nothing")
    parser.add_argument("--folder", type=Path, default=Path("rtl"))
    arguments = parser.parse_args(argv)
    files = generate()
    if not arguments.check:
        write(arguments.folder, files)
        return 0
    lines = differences(arguments.folder, files)
    for line in lines:
        print(f"{line}; `make rtl` mends it", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
