"""Read designs with Yosys, and write AIGER files, which provers take.

Source of the format: A. Biere, http://fmv.jku.at/aiger/.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from consilico.sim.base.processes import Limits, run_tool
from consilico.sim.base.reach import Reach

__all__ = ["flat_json", "output_number", "port_values", "write_aiger"]

_LIMITS = Limits(wall_s=1800, cpu_s=300)
_FLATTEN = """\
read_verilog -sv design.v
hierarchy -check -top {top}
proc
flatten
memory_map
opt_clean
dffunmap
opt_merge
opt_clean
write_json flat.json
"""
_GRAPH = """\
{read}
flatten
opt_clean
setundef {undefined}
dffunmap
opt_expr
opt_merge
opt_clean
techmap
simplemap
opt_expr
opt_merge
opt_clean
setundef {undefined}
aigmap
write_aiger {options} graph.aig
"""


def flat_json(text: str, top: str, folder: Path) -> str:
    """Return a design as one module, as Yosys' JSON; its registers have no enables.

    Raises:
        ToolError: If Yosys is missing or does not read the text.
    """
    (folder / "design.v").write_text(text)
    _yosys("flatten", _FLATTEN.format(top=top), folder)
    return (folder / "flat.json").read_text()


def write_aiger(
    read: Sequence[str],
    folder: Path,
    undefined: str = "-anyseq",
    options: str = "-zinit -symbols",
) -> bytes:
    """Return a design as an AIGER file.

    Args:
        read: Commands of Yosys that read it from files in the folder and choose its top module.
        folder: Where Yosys runs.
        undefined: What nets without a value are: ``-anyseq`` anything in each step, or ``-zero``.
        options: Of Yosys' ``write_aiger``. With ``-zinit`` all registers begin with 0, and one
            without an initial value gets an input that gives it one.

    Raises:
        ToolError: If Yosys is missing or fails.
    """
    _yosys(
        "graph", _GRAPH.format(read="\n".join(read), undefined=undefined, options=options), folder
    )
    return (folder / "graph.aig").read_bytes()


def _yosys(name: str, script: str, folder: Path) -> None:
    (folder / f"{name}.ys").write_text(script)
    command = ["yosys", "-q", "-s", f"{name}.ys"]
    run_tool("yosys", command, _LIMITS, folder=folder, reach=Reach()).check()


def _input_names(raw: bytes) -> list[tuple[str, int]]:
    """Return the port and the bit of it that each input of an AIGER file with symbols is.

    Inputs that are no port, such as initial values, have the name ``""``.
    """
    inputs = int(raw.split(b" ", 3)[2])
    found = [("", 0)] * inputs
    for line in reversed(raw.rpartition(b"\nc\n")[0].split(b"\n")):  # what follows is a comment
        symbol = re.fullmatch(rb"([ilobc])(\d+) (.*)", line)
        if symbol is None:
            break
        if symbol[1] == b"i":
            name, _, bit = symbol[3].split(b" ")[0].decode().partition("[")
            found[int(symbol[2])] = name, int(bit.rstrip("]") or 0)
    return found


def output_number(raw: bytes, name: str) -> int | None:
    """Return which output of an AIGER file with symbols has a name; None if none has.

    Args:
        raw: The file.
        name: Such as ``violated[3]``.
    """
    found = re.search(rb"^o(\d+) " + re.escape(name.encode()) + rb"$", raw, re.M)
    return None if found is None else int(found[1])


def port_values(raw: bytes, digits: str) -> dict[str, tuple[int, int]]:
    """Return value and width of each port, by its name.

    Args:
        raw: An AIGER file with symbols.
        digits: A binary digit per input, as witnesses have it.
    """
    found: dict[str, tuple[int, int]] = {}
    for (name, bit), digit in zip(_input_names(raw), digits, strict=True):
        value, width = found.get(name, (0, 0))
        found[name] = value | (digit == "1") << bit, max(width, bit + 1)
    return found
